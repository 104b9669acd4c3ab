"""Small pictures for the tests of codecs: smooth, with noise, the same at every call."""

import cv2
import numpy as np
import pytest

from orbiq.codecs.base import CODECS
from orbiq.registry import build

COPY = {"encode_command": "cp {input} {output}", "decode_command": "cp {input} {output}", "lossless": True}
SETTINGS = {
    "jpeg": [{"quality": 80}, {"quality": 5, "subsampling": "444"}],
    "jpeg12": [{"quality": 80}, {"quality": 30, "subsampling": "444"}],
    "jpeg2000": [{}, {"bands": "separate"}, {"level_db": 45.0, "bits": 12}],
    "htj2k": [{}, {"bands": "separate"}, {"step": 0.001}],
    "jpegxl": [{"effort": 3}, {"bands": "separate", "effort": 2}, {"distance": 1.0, "bits": 12, "effort": 3}],
    "jpegls": [{}, {"bands": "separate"}, {"max_error": 3}],
    "webp": [{}, {"quality": 70}],
    "avif": [{"quality": 60, "speed": 10}, {"quality": 100, "speed": 10}],
    "ccsds121": [{}, {"block_samples": 32, "reference_blocks": 64}],
    "lerc": [{}, {"max_error": 2.0, "bands": "separate"}],
    "quantized": [{"step": 4.0}, {"step": 16.0, "coder": "zstd"}],
    "png": [{}],
    "deflate": [{}],
    "fixed-quality": [{"lmbda": 0.5}, {"lmbda": 1.0, "block": 0, "bands": "separate"}],
    "external": [
        {**COPY, "handover": "pgm"},
        {**COPY, "handover": "raw", "bits": 12, "bands": "separate"},
    ],
}
"""Every codec of the registry, with the settings that the contract is checked for."""

PEAKS = {"uint8": 255, "uint16": 4095, "int16": 2047, "float32": 1000.0, "float64": 300.0}


def codec_of(name, **settings):
    if CODECS[name].extra:
        pytest.importorskip("torch", reason=f"codec {name} needs the extra {CODECS[name].extra}")
    return build(CODECS, {"name": name, **settings})


def picture(shape, dtype="uint8", *, seed=7):
    """Values from 0 (int16: −2048) to the peak of `PEAKS`; uint16 and int16 hold 12 bits."""
    rows, cols, bands = shape
    rng = np.random.default_rng(seed)
    rough = rng.normal(size=(rows, cols, bands)).astype(np.float32)
    planes = [cv2.GaussianBlur(rough[:, :, k], (0, 0), 2) + 0.02 * rough[:, :, k] for k in range(bands)]
    values = np.stack(planes, axis=2).astype(np.float64)
    values = (values - values.min()) / max(np.ptp(values), 1e-9)
    low = -2048 if dtype == "int16" else 0
    return (low + values * (PEAKS[dtype] - low)).astype(dtype)


def psnr_db(a, b, peak):
    mse = np.mean((a.astype(np.float64) - b) ** 2)
    return np.inf if mse == 0 else 10 * np.log10(peak**2 / mse)


def tiled(array):
    """A bare JPEG 2000 codestream in tiles of 64, lossless, as GDAL writes it."""
    from rasterio.io import MemoryFile

    rows, cols, bands = array.shape
    how = {"CODEC": "J2K", "REVERSIBLE": "YES", "QUALITY": "100", "BLOCKXSIZE": 64, "BLOCKYSIZE": 64}
    with MemoryFile(ext=".j2k") as file:
        with file.open(driver="JP2OpenJPEG", height=rows, width=cols, count=bands, dtype=array.dtype, **how) as target:
            target.write(np.moveaxis(array, 2, 0))
        return bytes(file.getbuffer())
