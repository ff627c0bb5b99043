"""From a name or a file to a `Model`: an ONNX file on disk and its spec.

This module imports quickly; everything heavy is loaded when a network is.
"""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilewright.errors import ModelError, shown
from tilewright.models import cache
from tilewright.models.catalog import ALIASES, CATALOG
from tilewright.models.spec import Model, ModelSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import onnx

    from tilewright.models.catalog_entry import CatalogEntry, Network

# To be raised with every change that makes the importer or the rescale give another ONNX file: it is part of the
# names in the cache, so files made by an earlier version are not taken for current ones.
CONVERTER_VERSION = 2

# No network has a name this long, and comparing very long ones takes very much memory.
_LONGEST_NAME = 100


def load_model(
    name_or_path: str | Path,
    factor: int,
    *,
    cache_dir: Path,
    overrides: Mapping[str, object] | None = None,
    denoise: str | None = None,
) -> Model:
    """Makes a network ready to be opened by a session.

    Args:
        name_or_path: a name of the catalog, or the path of an ONNX file (a `Path`, or text that ends in ``.onnx``).
        factor: output pixels per input pixel along each axis.
        cache_dir: folder for converted networks; made when absent.
        overrides: for an ONNX file, values of `ModelSpec` fields that are given rather than found out. They describe
            the file as it is; ``scale`` is its own factor.
        denoise: strength of denoising, for a network of the catalog that offers a choice; None for its default.

    Returns:
        The model; ``spec.scale`` is `factor`. The file belongs to the cache or to the user and is not to be changed.

    Raises:
        ModelError: unknown name; weights not installed or not those of the catalog; a file that is missing or of no
            use; a factor (code ``unsupportedUpscaleFactor``) or strength that is not offered; a cache that cannot be
            written.
    """
    if isinstance(name_or_path, Path) or name_or_path.endswith(".onnx"):
        check_denoise(name_or_path, denoise)
        return _own_model(Path(name_or_path), factor, cache_dir, overrides or {})
    entry = CATALOG.get(name_or_path)
    if entry is None:
        raise _unknown(name_or_path)
    if overrides:
        raise ModelError(
            f"Overrides are for ONNX files; {entry.name!r} is a network of the catalog.", parameter="model"
        )
    return _catalog_model(entry, factor, cache_dir, denoise)


def offered_factors(name_or_path: str | Path, *, overrides: Mapping[str, object] | None = None) -> tuple[int, ...]:
    """The factors that `load_model` would take.

    Raises:
        ModelError: unknown name, or a file that is missing or of no use.
    """
    if isinstance(name_or_path, Path) or name_or_path.endswith(".onnx"):
        from tilewright.models.inspect import inspect_onnx, load_onnx

        path = Path(name_or_path)
        return _own_factors(inspect_onnx(path, load_onnx(path), overrides or {}))
    entry = CATALOG.get(name_or_path)
    if entry is None:
        raise _unknown(name_or_path)
    return entry.factors


def list_models() -> list[dict[str, Any]]:
    """The catalog, as plain JSON-serialisable values.

    Returns:
        One dict per network: ``name``, ``summary``, ``scales`` (factors offered), ``denoise`` (strengths
        offered, not all of them at every factor; the first is the default), ``licence`` (SPDX), ``source`` (a URL,
        or ``"tilewright"``), ``package`` (what to install) and ``installed``.
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


def check_name(name: str, factor: int | None) -> None:
    """Whether a task may name this network: one of the catalog, by its name or another's for it, or ``auto``.

    A task may come from anywhere, so it names no file of this machine.

    Args:
        name: what the task says.
        factor: that the network has to offer; None when that is not known.

    Raises:
        ModelError: it may not (code ``invalidModel``), or the factor is not offered (``unsupportedUpscaleFactor``).
    """
    if name == "auto":
        return
    if name.endswith(".onnx"):
        raise ModelError(
            f"model {shown(name)} looks like a file; tasks name networks of the catalog, a file of your own is given "
            "to Upscaler(model=...)",
            parameter="model",
        )
    entry = CATALOG.get(ALIASES.get(name, name))
    if entry is None:
        raise _unknown(name)
    if factor is not None:
        _check_factor(entry.name, factor, entry.factors)


def check_denoise(name: str | Path, denoise: str | None) -> None:
    """Whether a network offers a strength of denoising, at some factor.

    Args:
        name: as for `load_model`.
        denoise: the strength; None, for the default, is always offered.

    Raises:
        ModelError: it does not.
    """
    entry = CATALOG.get(name) if isinstance(name, str) else None
    if denoise is None or (entry is not None and denoise in entry.denoise):
        return
    offered = entry.denoise if entry is not None else ()
    with_choice = [entry.name for entry in CATALOG.values() if entry.denoise]
    raise ModelError(
        f"the network {shown(str(name))} does not offer denoise {shown(denoise)}; "
        + (f"it offers {', '.join(offered)}" if offered else f"a choice is offered by {', '.join(with_choice)}"),
        parameter="denoise",
        allowed_values=offered,
    )


def _unknown(name: str) -> ModelError:
    installed = [entry.name for entry in CATALOG.values() if entry.installed]
    near = difflib.get_close_matches(name[:_LONGEST_NAME], CATALOG, n=3)
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    return ModelError(
        f"there is no network named {shown(name)}; {hint}installed are {', '.join(installed) or 'none'}",
        parameter="model",
        allowed_values=["auto", *installed, *(alias for alias, meant in ALIASES.items() if meant in installed)],
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
    weights_key = "".join(checksum[:8] for checksum in network.files.values())
    path, model = _cached(cache_dir, f"{entry.name}-x{factor}-{weights_key}", lambda: _convert(entry, network, factor))
    native = ModelSpec(
        name=entry.name,
        scale=network.scale,
        value_range=network.value_range,
        multiple_of=network.multiple_of,
        # Mirroring takes one pixel more than it makes.
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


def native_model(entry: CatalogEntry, network: Network) -> onnx.ModelProto:
    """One of a catalog entry's networks, at its native factor, as `load_model` puts it into the cache.

    Raises:
        ModelError: weights not installed or not those of the catalog.
    """
    if network.is_onnx:
        from tilewright.models.graph.subgraph import part_making
        from tilewright.models.graph.widen import read_widened

        return part_making(read_widened(*entry.read(network)), f"x{network.scale}")
    from tilewright.models.ncnn.importer import import_ncnn

    param, weights = entry.read(network)
    adds_input = network.scale if network.adds_input else 0
    return import_ncnn(param.decode(), weights, padding=network.padding, adds_input=adds_input)


def _own_model(path: Path, factor: int, cache_dir: Path, overrides: Mapping[str, object]) -> Model:
    from tilewright.models.graph.rescale import append_rescale
    from tilewright.models.inspect import inspect_onnx, load_onnx

    model = load_onnx(path)
    native = inspect_onnx(path, model, overrides)
    _check_factor(native.name, factor, _own_factors(native))
    if factor == native.scale:
        return Model(path, native)
    channels = 1 if native.channel_order == "Y" else 3
    key = f"own-x{factor}-{hashlib.sha256(_serialised(model)).hexdigest()[:16]}"
    cached, model = _cached(cache_dir, key, lambda: append_rescale(model, native.scale, factor, channels=channels))
    return Model(cached, _spec_for_factor(native, model, factor, exact=native.halo == native.receptive_radius))


def _own_factors(native: ModelSpec) -> tuple[int, ...]:
    return (2, 3, 4) if native.scale == 4 and native.layout == "NCHW" else (native.scale,)


def _cached(cache_dir: Path, key: str, make: Callable[[], onnx.ModelProto]) -> tuple[Path, onnx.ModelProto]:
    """The model stored under a key, made and stored first when it is not there or is damaged."""
    import onnx

    key = f"{key}-v{CONVERTER_VERSION}"
    path = cache.find(cache_dir, key)
    if path is not None:
        return path, onnx.load(path)
    model = make()
    return cache.store(cache_dir, key, _serialised(model)), model


def _serialised(model: onnx.ModelProto) -> bytes:
    return bytes(model.SerializeToString(deterministic=True))


def _spec_for_factor(native: ModelSpec, model: onnx.ModelProto, factor: int, *, exact: bool) -> ModelSpec:
    """The spec of `model`, which is the native network followed by a rescale to `factor`, if that is another.

    With `exact`, the halo is the receptive radius; else the native halo, grown by what the rescale reads.
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
