"""What JPEG leaves of an image, by another coder than libjpeg: exact cosine transforms, and a rounding to choose.

Baseline JPEG (ITU-T T.81) without its entropy coding, which loses nothing. Colours are Y'CbCr (ITU-T T.871), chroma is
halved by means and enlarged by repetition, where libjpeg interpolates. A `rounding` below 0.5 is what coders do that
weigh error against bits: more coefficients become 0.
"""

from functools import cache

import numpy as np
from scipy.fft import dctn, idctn

from orbiq.arrays import Array, FloatArray
from orbiq.errors import SettingError

_BLOCK = 8
_HALVED = {"444": (1, 1), "422": (1, 2), "420": (2, 2)}
_LUMA = """
16 11 10 16 24 40 51 61  12 12 14 19 26 58 60 55  14 13 16 24 40 57 69 56  14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77  24 35 55 64 81 104 113 92  49 64 78 87 103 121 120 101  72 92 95 98 112 100 103 99
"""
_CHROMA_CORNER = ((17, 18, 24, 47), (18, 21, 26, 66), (24, 26, 56, 99), (47, 66, 99, 99))
_TO_YCC = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32)


@cache
def tables(quality: float) -> tuple[FloatArray, FloatArray]:
    """The steps (8, 8) of luma and chroma at a quality of libjpeg's scale, 1 … 100; 0 counts as 1.

    >>> luma, chroma = tables(75)
    >>> luma[0, :3].tolist(), chroma[0, :3].tolist()
    ([8.0, 6.0, 5.0], [9.0, 9.0, 12.0])
    """
    quality = max(1.0, quality)
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    luma, chroma = np.array(_LUMA.split(), float).reshape(8, 8), np.full((8, 8), 99.0)
    chroma[:4, :4] = _CHROMA_CORNER
    steps = [np.clip((table * scale + 50) // 100, 1, 255) for table in (luma, chroma)]
    return steps[0], steps[1]


def recoded(pixels: Array, *, quality: float, subsampling: str = "420", rounding: float = 0.5) -> Array:
    """The image (rows, cols, 1 or 3) of uint8 as the coder of this module leaves it.

    A coefficient of c steps becomes ⌊|c| + `rounding`⌋ with its sign; 0.5 is the nearest, 0.33 what saves bits.

    >>> flat = np.full((8, 8, 1), 200, np.uint8)
    >>> bool((recoded(flat, quality=50) == flat).all())  # (200 − 128)·8 is 36 steps of 16
    True
    """
    if subsampling not in _HALVED:
        raise SettingError(f"subsampling is {subsampling!r}; expected 420, 422 or 444")
    luma, chroma = tables(quality)
    values: Array
    if pixels.shape[2] == 1:
        plane = pixels[..., 0].astype(np.float32) - 128
        values = _quantised(plane, luma, rounding)[..., None]
    else:
        ycc = (pixels.astype(np.float32) - [128, 128, 128]).astype(np.float32) @ _TO_YCC.T
        planes = [_quantised(ycc[..., 0], luma, rounding)]
        planes += [_thinned(ycc[..., k], chroma, rounding, by=_HALVED[subsampling]) for k in (1, 2)]
        values = np.stack(planes, axis=-1) @ np.linalg.inv(_TO_YCC.astype(float)).T
    return np.asarray(np.clip(np.rint(values + 128), 0, 255), np.uint8)


def _thinned(plane: Array, steps: FloatArray, rounding: float, *, by: tuple[int, int]) -> Array:
    rows, cols = plane.shape
    whole = _padded(plane, by[0], by[1])
    small = whole.reshape(whole.shape[0] // by[0], by[0], whole.shape[1] // by[1], by[1]).mean((1, 3))
    coded = _quantised(np.rint(small), steps, rounding)
    return np.asarray(coded.repeat(by[0], 0).repeat(by[1], 1)[:rows, :cols])


def _quantised(plane: Array, steps: FloatArray, rounding: float) -> Array:
    rows, cols = plane.shape
    whole = _padded(plane, _BLOCK, _BLOCK)
    blocks = whole.reshape(whole.shape[0] // _BLOCK, _BLOCK, whole.shape[1] // _BLOCK, _BLOCK).transpose(0, 2, 1, 3)
    levels = dctn(blocks, axes=(2, 3), norm="ortho") / steps
    kept = np.sign(levels) * np.floor(np.abs(levels) + rounding) * steps
    pixels: Array = idctn(kept, axes=(2, 3), norm="ortho").transpose(0, 2, 1, 3).reshape(whole.shape)
    return np.asarray(pixels[:rows, :cols])


def _padded(plane: Array, rows: int, cols: int) -> Array:
    return np.pad(
        plane, [(0, -size % whole) for size, whole in zip(plane.shape, (rows, cols), strict=True)], mode="edge"
    )
