"""Universal quality index, against a reference, in sliding windows.

Images are as `orbiq.metrics.inputs` says: (rows, cols) or (rows, cols, bands), any real dtype, arithmetic in float64.
Each band by itself; a window counts only where all its pixels are valid. No `peak` is needed: the index does not change
when both images are multiplied by one factor. It does change with an offset.
"""

import numpy as np

from orbiq.arrays import BoolArray, FloatArray
from orbiq.metrics.base import MapSpec, MetricSpec, ScoreSpec
from orbiq.metrics.inputs import Pixels, no_pixels, pair_of_images
from orbiq.metrics.planes import planes
from orbiq.metrics.window_moments import LARGEST_WINDOW, Moments, check_window, sliding_moments
from orbiq.metrics.windows import whole_windows
from orbiq.tiles import Tile

SPECS = {
    "uqi": MetricSpec(
        name="uqi",
        scores=(ScoreSpec(name="uqi", low=-1, high=1),),
        needs="pair",
        map=MapSpec(function="uqi_map", margin=LARGEST_WINDOW // 2),
    )
}


def uqi(reference: Pixels, image: Pixels, *, window: int = 8, mask: BoolArray | None = None) -> float:
    """Universal quality index: the mean over all windows of `window` × `window` pixels, at every pixel, and bands of

    Q = 2·x̄·ȳ/(x̄² + ȳ²) · 2·σxy/(σx² + σy²): luminance times contrast and structure.

    No unit, [−1, 1], higher is better, 1 for equal images, 0 on average for independent noise; symmetric. Where both
    images are constant the second factor is 1, as in the authors' program, and where both means are 0 the first is
    (their program then gives Q = 1, whatever the structure). Values differ from libraries that weight the window by a
    Gaussian or put means where the formula has sums. Raises ImageError where shapes differ or no window is whole,
    SettingError for a window outside 2 … 64. Wang and Bovik 2002, doi:10.1109/97.995823.

    >>> uqi(np.full((8, 8), 1.0), np.full((8, 8), 2.0))  # 2·1·2/(1² + 2²)
    0.8
    >>> pair = np.array([[1.0, 3.0], [1.0, 3.0]])
    >>> round(uqi(pair, 3 * pair, window=2), 9)  # twice 2·3/(1 + 3²)
    0.36
    """
    window = check_window(window)
    images = pair_of_images(reference, image, mask=mask)
    total, count = 0.0, 0
    for tile_total, tile_count in images.map(lambda tile: _tile_sums(tile, window), margin=(0, window - 1)):
        total, count = total + tile_total, count + tile_count
    if not count:
        raise no_pixels(images, f"window of {window} × {window} pixels")
    return total / count


def uqi_map(reference: Pixels, image: Pixels, *, window: int = 8, mask: BoolArray | None = None) -> FloatArray:
    """Universal quality index of the window around each pixel, (rows, cols, bands), NaN where it is not whole.

    A window of even size reaches one pixel farther down and to the right. The mean is the score of `uqi`.

    >>> uqi_map(np.ones((2, 3)), np.ones((2, 3)), window=2)[..., 0].tolist()
    [[1.0, 1.0, nan], [nan, nan, nan]]
    """
    window = check_window(window)
    images = pair_of_images(reference, image, mask=mask)
    out = np.full(images.shape, np.nan)
    middle = (window - 1) // 2

    def put(tile: Tile) -> None:
        valid = _valid(tile, window)
        top, left = tile.rows.start + middle, tile.cols.start + middle
        here = out[top : top + valid.shape[0], left : left + valid.shape[1]]
        for band, (x, y) in enumerate(planes(tile)):
            here[..., band] = np.where(valid, quality(sliding_moments(x, y, window=window)), np.nan)

    for _ in images.map(put, margin=(0, window - 1)):
        pass
    return out


def quality(moments: Moments) -> FloatArray:
    """Q of every window."""
    return similarity(moments.mean_first, moments.mean_second) * _share(
        2 * moments.product, moments.square_first + moments.square_second
    )


def similarity(first: FloatArray, second: FloatArray) -> FloatArray:
    """2·a·b/(a² + b²): how alike two numbers are, 1 for equal ones and where both are 0.

    >>> similarity(np.array([1.0, 0.0]), np.array([2.0, 0.0])).tolist()
    [0.8, 1.0]
    """
    return _share(2 * first * second, first**2 + second**2)


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.divide(part, whole, out=np.ones_like(whole), where=whole > 0)


def _tile_sums(tile: Tile, window: int) -> tuple[float, int]:
    """Sum and number over the windows that begin in the core."""
    valid = _valid(tile, window)
    total = sum(float(quality(sliding_moments(x, y, window=window))[valid].sum()) for x, y in planes(tile))
    return total, int(valid.sum()) * tile.arrays[0].shape[2]


def _valid(tile: Tile, window: int) -> BoolArray:
    rows, cols = tile.arrays[0].shape[:2]
    if min(rows, cols) < window:
        return np.zeros((0, 0), bool)
    if tile.mask is None:
        return np.ones((rows - window + 1, cols - window + 1), bool)
    return whole_windows(tile.mask, window)
