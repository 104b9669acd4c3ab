"""What a file of an image or of a fixed-quality stream says of itself, without decoding its pixels."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from orbiq.arrays import Array
from orbiq.codecs.neural_container import VERSION, Container
from orbiq.errors import ImageError, MissingExtra, SettingError
from orbiq.imageio import image_shape, read_profile
from orbiq.pictures import Profile
from orbiq.stream_notes import from_json
from orbiq.stream_parts import damaged_tiles, is_stream, levels_of, model_of, naming, parts_of, read_container

Facts = dict[str, Any]
_BINS = 8


def facts_of(path: Path, *, model: str = "") -> Facts:
    """Of any image, as plain data; ImageError where it is none."""
    with naming(path):
        if not is_stream(path):
            return _image_facts(path)
        stream, container = read_container(path)
        return _stream_facts(path, stream, container, model)


def _image_facts(path: Path) -> Facts:
    rows, cols, bands, dtype = image_shape(path)
    profile = read_profile(path)
    return {
        "file": str(path),
        "format": profile.format,
        **_sizes((rows, cols, bands), path.stat().st_size),
        "dtype": str(dtype),
        **_said(profile),
        "compress": profile.compress,
    }


def _stream_facts(path: Path, stream: bytes, container: Container, model: str) -> Facts:
    head = container.head
    notes = from_json(container.notes)
    facts = {
        "file": str(path),
        "format": "fixed-quality",
        "version": VERSION,
        **_sizes(head.shape, len(stream)),
        "dtype": head.dtype,
        "bits": head.bits,
        **_said(notes.profile),
        "alpha": notes.alpha is not None,
        "valid_share": 1.0 if container.mask is None else float(container.mask.mean()),
        "model": head.model,
        "model_name": None,
        "bands_coded": "jointly" if head.joint else "separately",
        "tile_px": head.tile_px,
        "block_px": list(head.block),
        "residual": head.residual,
        "damaged_tiles": [list(tile) for tile in damaged_tiles(container)],
        "bytes": asdict(parts_of(stream, container)),
        "lmbda": None,
        "lmbda_reason": "",
    }
    try:
        known = model_of(head, model)
    except (SettingError, MissingExtra) as error:
        return facts | {"lmbda_reason": str(error)}
    if known.digest != head.model:
        return facts | {"lmbda_reason": f"{model} is model {known.digest}, and the stream was coded with another"}
    spread = _spread(known.lmbdas[levels_of(container, known)])
    return facts | {"model_name": known.description.get("name"), "lmbda": spread}


def _sizes(shape: tuple[int, int, int], n_bytes: int) -> Facts:
    rows, cols, bands = shape
    per_pixel = 8 * n_bytes / (rows * cols)
    return {
        "rows": rows,
        "cols": cols,
        "bands": bands,
        "n_bytes": n_bytes,
        "bits_per_pixel": per_pixel,
        "bits_per_sample": per_pixel / bands,
    }


def _said(profile: Profile) -> Facts:
    return {
        "peak": profile.peak,
        "nodata": profile.nodata,
        "crs": _crs_name(profile.crs or profile.gcps_crs),
        "transform": None if profile.transform is None else list(profile.transform),
        "control_points": len(profile.gcps),
        "rpc": "RPC" in profile.tags,
        "colours": list(profile.colorinterp),
    }


def _crs_name(wkt: str | None) -> str | None:
    """As one says it: its EPSG number where it has one, else its name."""
    if wkt is None:
        return None
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        number = CRS.from_wkt(wkt).to_epsg()
    except CRSError as error:
        raise ImageError(f"its CRS cannot be read: {error}") from error
    return f"EPSG:{number}" if number else wkt.split('"')[1] if '"' in wkt else wkt


def _spread(lmbdas: Array) -> Facts | None:
    """Least, median and most of λ, and how many blocks lie in each of eight equal ratios between."""
    if not len(lmbdas):
        return None
    low, high = float(lmbdas.min()), float(lmbdas.max())
    edges = np.geomspace(low, high, _BINS + 1) if high > low else np.array([low, high])
    counts = np.histogram(lmbdas, edges)[0] if high > low else np.array([len(lmbdas)])
    inner = {"edges": [float(e) for e in edges], "blocks": [int(c) for c in counts]}
    return {"n_blocks": len(lmbdas), "min": low, "median": float(np.median(lmbdas)), "max": high, **inner}
