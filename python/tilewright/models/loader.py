"""Loads a network by name or file path: an ONNX file on disk and its spec.

Importing this module is cheap; onnx and the converters are imported when a network is loaded.
"""

from __future__ import annotations

import difflib
import hashlib
import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tilewright.errors import ModelError, short_repr
from tilewright.literals import FACTORS
from tilewright.models import cache
from tilewright.models.catalog import ALIASES, CATALOG
from tilewright.models.converted import CONVERTED_SHA256
from tilewright.models.file_kinds import files_of, is_file_name
from tilewright.models.spec import Model, ModelSpec, overridden

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import onnx

    from tilewright.models.catalog_entry import CatalogEntry, Network
    from tilewright.models.stored import StoredNetwork
    from tilewright.models.user_file import UserFile

# Increase this with every change to the ncnn importer or the rescale that changes the converted
# files, and update `CONVERTED_SHA256`. It is part of their names in the cache, so that files of an
# older version are not used.
CONVERTER_VERSION = 2

# No network has a name this long. Comparing very long names needs very much memory.
_MAX_NAME_LENGTH = 100


_log = logging.getLogger("tilewright")


def load_model(
    name_or_path: str | Path,
    factor: int,
    *,
    cache_dir: Path,
    models_dir: Path | None = None,
    overrides: Mapping[str, object] | None = None,
    denoise: str | None = None,
) -> Model:
    """Loads a network; converts it first if the cache does not contain it.

    Args:
        name_or_path: Name in the catalog (no alias) or of an imported network; or a file, see
            `tilewright.models.file_kinds`.
        factor: Output pixels per input pixel along each axis.
        cache_dir: Folder for converted networks; it is created if it does not exist.
        models_dir: Folder of imported networks; None for none.
        overrides: `ModelSpec` fields of a file that replace detected values. They describe the file
            itself: ``scale`` is its native factor. None for no overrides.
        denoise: Denoising level, for catalog networks that offer levels; None for the default.

    Returns:
        The model, with `factor` as ``spec.scale``. Its file belongs to the cache or to the user and
        must not be changed.

    Raises:
        ModelError: An unknown name, weights that are not installed or differ from the catalog's, a
            missing or unusable file, a factor (code ``unsupportedUpscaleFactor``) or denoising
            level that is not offered.
        StoreError: The cache folder cannot be created or written.
    """
    if str(name_or_path) not in CATALOG and denoise is not None:
        check_denoise(name_or_path, denoise)
    if (own := find_file(name_or_path, cache_dir, models_dir, overrides)) is not None:
        return _own_model(own.path, own.spec, factor, cache_dir)
    entry = _find_entry(name_or_path, models_dir)
    if overrides:
        raise ModelError(f"overrides are for network files, but {entry.name!r} is a catalog network", parameter="spec")
    return _catalog_model(entry, factor, cache_dir, denoise)


def offered_factors(
    name_or_path: str | Path,
    *,
    cache_dir: Path,
    models_dir: Path | None = None,
    overrides: Mapping[str, object] | None = None,
) -> tuple[int, ...]:
    """Returns the factors that `load_model` accepts for a network.

    Args:
        name_or_path: See `load_model`.
        cache_dir: See `load_model`.
        models_dir: See `load_model`.
        overrides: See `load_model`.

    Raises:
        ModelError: An unknown name, or a missing or unusable file.
    """
    if (own := find_file(name_or_path, cache_dir, models_dir, overrides)) is not None:
        return own_factors(own.spec)
    return _find_entry(name_or_path, models_dir).factors


def check_exists(name_or_path: str | Path, *, models_dir: Path | None = None) -> None:
    """Checks that `load_model` can find a network, without reading it.

    Raises:
        ModelError: An unknown name, weights that are not installed, or a missing file or one of an
            unsupported kind.
    """
    if is_file_name(name_or_path):
        files_of(Path(name_or_path).expanduser())
    elif _find_own(name_or_path, models_dir) is None:
        _find_entry(name_or_path, models_dir).check_installed()


def check_name(name: str, factor: int | None, *, models_dir: Path | None = None) -> None:
    """Checks that a task may use this network: by its name, an alias, or ``auto``.

    Tasks may come from untrusted clients, so they cannot name files of this machine.

    Args:
        name: Value of the task's parameter.
        factor: Factor that the network must offer; None to skip this check.
        models_dir: Folder of imported networks; None for none.

    Raises:
        ModelError: The name is not allowed (code ``invalidModel``), or the factor is not offered
            (``unsupportedUpscaleFactor``).
    """
    if name == "auto":
        return
    if Path(name).suffix and is_file_name(name):
        raise ModelError(
            f"model {short_repr(name)} looks like a file name; tasks accept names of networks only"
            "; import the file with `tilewright models import`; in Python pass it to Upscaler(model=...)",
            parameter="model",
        )
    if (own := _find_own(name, models_dir)) is not None:
        offered = own_factors(own.spec)
    else:
        offered = _find_entry(ALIASES.get(name, name), models_dir).factors
    if factor is not None:
        _check_factor(ALIASES.get(name, name), factor, offered)


def check_denoise(name: str | Path, denoise: str | None) -> None:
    """Checks that a network offers a denoising level for at least one factor.

    Args:
        name: See `load_model`.
        denoise: The level; None, for the default, is always valid.

    Raises:
        ModelError: The level is not offered.
    """
    entry = CATALOG.get(name) if isinstance(name, str) else None
    if denoise is None or (entry is not None and denoise in entry.denoise):
        return
    offered = entry.denoise if entry is not None else ()
    with_levels = ", ".join(entry.name for entry in CATALOG.values() if entry.denoise)
    hint = f"it offers {', '.join(offered)}" if offered else f"networks with denoising levels: {with_levels}"
    raise ModelError(
        f"the network {short_repr(str(name))} does not offer denoise {short_repr(denoise)}; {hint}",
        parameter="denoise",
        allowed_values=offered,
    )


def native_model(entry: CatalogEntry, network: Network) -> onnx.ModelProto:
    """Converts a catalog network at its native factor.

    Returns:
        The float32 network that `load_model` stores in the cache.

    Raises:
        ModelError: The weights are not installed or differ from the catalog's.
    """
    if network.is_onnx:
        from tilewright.models.graph.float16 import load_with_float32_weights
        from tilewright.models.graph.subgraph import extract_subgraph

        return extract_subgraph(load_with_float32_weights(*entry.read(network)), f"x{network.scale}")
    from tilewright.models.ncnn.importer import import_ncnn

    param, weights = entry.read(network)
    adds_input = network.scale if network.adds_input else 0
    return import_ncnn(param.decode(), weights, padding=network.padding, adds_input=adds_input)


def cache_key(entry: CatalogEntry, network: Network, factor: int) -> str:
    """Returns the key of a converted network in the cache and in `CONVERTED_SHA256`."""
    weights_key = "".join(checksum[:8] for checksum in network.files.values())
    return f"{entry.name}-x{factor}-{weights_key}"


def find_file(
    name_or_path: str | Path, cache_dir: Path, models_dir: Path | None, overrides: Mapping[str, object] | None
) -> UserFile | None:
    """Returns the ONNX file and the facts of a network that is not of the catalog.

    Args:
        name_or_path: See `load_model`.
        cache_dir: See `load_model`.
        models_dir: See `load_model`.
        overrides: See `load_model`.

    Returns:
        The file; None if the name is not that of a file or of an imported network.

    Raises:
        ModelError: See `load_model`.
        StoreError: See `load_model`.
    """
    if is_file_name(name_or_path):
        from tilewright.models.user_file import open_user_file

        return open_user_file(Path(name_or_path).expanduser(), cache_dir, overrides or {})
    if (found := _find_own(name_or_path, models_dir)) is None:
        return None
    from tilewright.models.collection import check_intact
    from tilewright.models.user_file import UserFile

    check_intact(str(name_or_path), found)
    return UserFile(found.path, overridden(found.spec, overrides or {}), found.details)


def _find_own(name: str | Path, models_dir: Path | None) -> StoredNetwork | None:
    """Returns an imported network, without a check that its file is intact."""
    if models_dir is None or str(name) in CATALOG:
        return None
    from tilewright.models.collection import find_own

    return find_own(str(name), models_dir)


def _find_entry(name: str | Path, models_dir: Path | None) -> CatalogEntry:
    entry = CATALOG.get(str(name))
    if entry is None:
        raise _unknown(str(name), models_dir)
    return entry


def _unknown(name: str, models_dir: Path | None) -> ModelError:
    installed = [entry.name for entry in CATALOG.values() if entry.installed]
    if models_dir is not None:
        from tilewright.models.stored import stems

        installed += stems(models_dir)
    similar = difflib.get_close_matches(name[:_MAX_NAME_LENGTH], {*CATALOG, *ALIASES, *installed}, n=3)
    if similar:
        hint = f"did you mean {' or '.join(map(repr, similar))}? `tilewright models` lists all networks"
    else:
        hint = f"installed: {', '.join(installed) or 'none'}"
    return ModelError(
        f"there is no network named {short_repr(name)}; {hint}; aliases: {', '.join(ALIASES)}",
        parameter="model",
        allowed_values=["auto", *installed, *(alias for alias, target in ALIASES.items() if target in installed)],
    )


def _check_factor(name: str, factor: int, offered: Sequence[int]) -> None:
    if factor not in offered:
        hint = ""
        if factor == 1:
            hint = "; the factor 1 needs a network that cleans pictures"
        elif tuple(offered) == (1,):
            hint = "; it cleans pictures: let it run before a network that enlarges them (--pre, Upscaler(pre=…))"
        raise ModelError(
            f"the network {name!r} does not offer the factor {factor}; it offers {', '.join(map(str, offered))}{hint}",
            code="unsupportedUpscaleFactor",
            parameter="upscaleFactor",
            allowed_values=offered,
        )


def _catalog_model(entry: CatalogEntry, factor: int, cache_dir: Path, denoise: str | None) -> Model:
    _check_factor(entry.name, factor, entry.factors)
    check_denoise(entry.name, denoise)
    network = entry.network(factor, denoise)
    path, model = _cached(cache_dir, cache_key(entry, network, factor), lambda: _convert(entry, network, factor))
    native = ModelSpec(
        name=entry.name,
        scale=network.scale,
        value_range=network.value_range,
        multiple_of=network.multiple_of,
        # A mirrored border must be narrower than the picture.
        minimum=network.padding + 1,
        halo=network.halo or 0,
        feather=network.feather,
        denoise=network.denoise,
        seam_error=network.seam_error,
        licence=entry.licence,
        source=entry.source,
        sha256=network.weights_sha256,
    )
    return Model(path, _spec_for_factor(native, model, factor, exact=network.halo is None))


def _convert(entry: CatalogEntry, network: Network, factor: int) -> onnx.ModelProto:
    from tilewright.models.graph.rescale import append_rescale

    model = native_model(entry, network)
    return model if factor == network.scale else append_rescale(model, network.scale, factor)


def _own_model(path: Path, native: ModelSpec, factor: int, cache_dir: Path) -> Model:
    """Makes the model of a file that is not of the catalog."""
    from tilewright.models.inspect import load_onnx

    _check_factor(native.name, factor, own_factors(native))
    if factor == native.scale and native.channel_order != "RGBA":
        return Model(path, native)
    from tilewright.models.graph.alpha_plane import without_alpha
    from tilewright.models.graph.rescale import append_rescale

    model = load_onnx(path)
    content = hashlib.sha256(_serialised(model)).hexdigest()[:16]
    key = "own"
    if native.channel_order == "RGBA":
        model, key = without_alpha(model, white=native.value_range[1]), f"{key}-rgb"
        native = replace(native, channel_order="RGB")
    if factor != native.scale:
        model, key = append_rescale(model, native.scale, factor, channels=native.planes), f"{key}-x{factor}"
    key = f"{key}-{content}"
    cached, model = _cached(cache_dir, key, lambda: model)
    return Model(cached, _spec_for_factor(native, model, factor, exact=native.halo == native.receptive_radius))


def own_factors(native: ModelSpec) -> tuple[int, ...]:
    """Returns the factors that a network that is not of the catalog offers.

    Its own, and smaller ones by a rescale if it enlarges at least three times.
    """
    if native.scale < 3 or native.layout != "NCHW":
        return (native.scale,)
    return tuple(sorted({native.scale, *(factor for factor in FACTORS if 1 < factor < native.scale)}))


def _cached(cache_dir: Path, key: str, make: Callable[[], onnx.ModelProto]) -> tuple[Path, onnx.ModelProto]:
    """Returns the model cached under a key; makes it unless the cached file has the known checksum.

    Others may be able to write to the cache, so its files are not trusted. A file without a known
    checksum is made every time, and replaces one in the cache that differs.
    """
    import onnx

    checksum = CONVERTED_SHA256.get(key)
    key = f"{key}-v{CONVERTER_VERSION}"
    path = cache.find(cache_dir, key, checksum) if checksum is not None else None
    if path is not None:
        return path, onnx.load(path)
    model = make()
    content = _serialised(model)
    if checksum is not None and hashlib.sha256(content).hexdigest() != checksum:
        _log.info("%s: the converted network differs from the tested one, and is converted at every start", key)
    return cache.store(cache_dir, key, content), model


def _serialised(model: onnx.ModelProto) -> bytes:
    return bytes(model.SerializeToString(deterministic=True))


def _spec_for_factor(native: ModelSpec, model: onnx.ModelProto, factor: int, *, exact: bool) -> ModelSpec:
    """Makes the spec of `model`: the native network, rescaled if `factor` is not native.

    If `exact`, the halo is the receptive radius; otherwise it is the native halo plus the radius of
    the rescale.
    """
    from tilewright.models.graph.cost import bytes_per_pixel, flops_per_pixel
    from tilewright.models.graph.receptive_field import receptive_radius
    from tilewright.models.graph.rescale import rescale_support

    radius = receptive_radius(model)
    halo = radius if exact and radius is not None else native.halo + rescale_support(native.scale, factor)
    return replace(
        native,
        scale=factor,
        halo=halo,
        receptive_radius=radius,
        flops_per_pixel=flops_per_pixel(model),
        bytes_per_pixel=bytes_per_pixel(model),
    )
