"""Loads a network by catalog name or file path: an ONNX file on disk and its spec.

Importing this module is cheap; onnx and the converters are imported when a network is loaded.
"""

from __future__ import annotations

import difflib
import hashlib
import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilewright.errors import ModelError, short_repr
from tilewright.models import cache
from tilewright.models.catalog import ALIASES, CATALOG
from tilewright.models.converted import CONVERTED_SHA256
from tilewright.models.inspection import inspect_file
from tilewright.models.spec import Model, ModelSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import onnx

    from tilewright.models.catalog_entry import CatalogEntry, Network

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
    overrides: Mapping[str, object] | None = None,
    denoise: str | None = None,
) -> Model:
    """Loads a network; converts it first if the cache does not contain it.

    Args:
        name_or_path: Catalog name, or path of an ONNX file (a `Path`, or a string that ends in
            ``.onnx``).
        factor: Output pixels per input pixel along each axis.
        cache_dir: Folder for converted networks; it is created if it does not exist.
        overrides: `ModelSpec` fields of an ONNX file that replace detected values. They describe
            the file itself: ``scale`` is its native factor. None for no overrides.
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
    if _is_file(name_or_path):
        check_denoise(name_or_path, denoise)
        return _user_model(Path(name_or_path), factor, cache_dir, overrides or {})
    entry = _find_entry(name_or_path)
    if overrides:
        raise ModelError(f"overrides are for ONNX files, but {entry.name!r} is a catalog network", parameter="model")
    return _catalog_model(entry, factor, cache_dir, denoise)


def offered_factors(name_or_path: str | Path, *, overrides: Mapping[str, object] | None = None) -> tuple[int, ...]:
    """Returns the factors that `load_model` accepts for a network.

    Args:
        name_or_path: See `load_model`.
        overrides: See `load_model`.

    Raises:
        ModelError: An unknown name, or a missing or unusable file.
    """
    if not _is_file(name_or_path):
        return _find_entry(name_or_path).factors
    return _user_factors(inspect_file(Path(name_or_path), overrides or {}))


def list_models() -> list[dict[str, Any]]:
    """Lists the catalog as JSON-serialisable values.

    Returns:
        One dict per network: ``name``, ``summary``, ``scales`` (factors offered), ``denoise``
        (denoising levels, some of them for certain factors only; the first is the default),
        ``licence`` (SPDX), ``source`` (a URL, or ``"tilewright"``), ``package`` (distribution to
        install) and ``installed``.
    """
    return [
        {
            "name": entry.name,
            "summary": entry.summary,
            "scales": list(entry.factors),
            "denoise": list(entry.denoise),
            "licence": entry.licence,
            "source": entry.source,
            "package": entry.package,
            "installed": entry.installed,
        }
        for entry in CATALOG.values()
    ]


def check_exists(name_or_path: str | Path) -> None:
    """Checks that `load_model` can find a network, without reading it.

    Raises:
        ModelError: An unknown name, weights that are not installed, or a missing file.
    """
    if _is_file(name_or_path):
        from tilewright.models.inspect import check_onnx_exists

        check_onnx_exists(Path(name_or_path))
    else:
        _find_entry(name_or_path).check_installed()


def check_name(name: str, factor: int | None) -> None:
    """Checks that a task may use this network: a catalog name, an alias of one, or ``auto``.

    Tasks may come from untrusted clients, so they cannot name files of this machine.

    Args:
        name: Value of the task's parameter.
        factor: Factor that the network must offer; None to skip this check.

    Raises:
        ModelError: The name is not allowed (code ``invalidModel``), or the factor is not offered
            (``unsupportedUpscaleFactor``).
    """
    if name == "auto":
        return
    if name.endswith(".onnx"):
        raise ModelError(
            f"model {short_repr(name)} looks like a file name; tasks accept catalog names only"
            "; in Python pass your own file to Upscaler(model=...)",
            parameter="model",
        )
    entry = _find_entry(ALIASES.get(name, name))
    if factor is not None:
        _check_factor(entry.name, factor, entry.factors)


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


def _is_file(name_or_path: str | Path) -> bool:
    return isinstance(name_or_path, Path) or name_or_path.endswith(".onnx")


def _find_entry(name: str | Path) -> CatalogEntry:
    entry = CATALOG.get(str(name))
    if entry is None:
        raise _unknown(str(name))
    return entry


def _unknown(name: str) -> ModelError:
    installed = [entry.name for entry in CATALOG.values() if entry.installed]
    similar = difflib.get_close_matches(name[:_MAX_NAME_LENGTH], CATALOG, n=3)
    hint = f"did you mean {' or '.join(map(repr, similar))}? " if similar else ""
    return ModelError(
        f"there is no network named {short_repr(name)}; {hint}installed: {', '.join(installed) or 'none'}",
        parameter="model",
        allowed_values=["auto", *installed, *(alias for alias, target in ALIASES.items() if target in installed)],
    )


def _check_factor(name: str, factor: int, offered: Sequence[int]) -> None:
    if factor not in offered:
        raise ModelError(
            f"the network {name!r} does not offer the factor {factor}; it offers {', '.join(map(str, offered))}",
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


def _user_model(path: Path, factor: int, cache_dir: Path, overrides: Mapping[str, object]) -> Model:
    from tilewright.models.graph.rescale import append_rescale
    from tilewright.models.inspect import load_onnx

    native = inspect_file(path, overrides)
    _check_factor(native.name, factor, _user_factors(native))
    if factor == native.scale:
        return Model(path, native)
    model = load_onnx(path)
    key = f"own-x{factor}-{hashlib.sha256(_serialised(model)).hexdigest()[:16]}"
    channels = native.planes
    cached, model = _cached(cache_dir, key, lambda: append_rescale(model, native.scale, factor, channels=channels))
    return Model(cached, _spec_for_factor(native, model, factor, exact=native.halo == native.receptive_radius))


def _user_factors(native: ModelSpec) -> tuple[int, ...]:
    return (2, 3, 4) if native.scale == 4 and native.layout == "NCHW" else (native.scale,)


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
