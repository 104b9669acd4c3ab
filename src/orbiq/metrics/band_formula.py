"""What coding or blur does to an index of the bands: NDVI, NDWI, and any other formula.

Images are as `orbiq.metrics.inputs` says: (rows, cols, bands), any real dtype, arithmetic in float64.
"""

import ast
from collections.abc import Callable
from math import inf, nan, sqrt

import numpy as np

from orbiq.arrays import BoolArray, FloatArray
from orbiq.errors import ImageError, SettingError
from orbiq.metrics.base import MetricSpec, ScoreSpec
from orbiq.metrics.inputs import Pixels, no_pixels, pair_of_images
from orbiq.tiles import Tile

SPECS = {
    "band_index": MetricSpec(
        name="band_index",
        scores=(
            ScoreSpec(name="index_rmse", low=0, higher_is_better=False),
            ScoreSpec(name="index_bias", best=0.0),
            ScoreSpec(name="index_max_error", low=0, higher_is_better=False),
            ScoreSpec(name="index_lost", low=0, high=1, higher_is_better=False),
        ),
        needs="pair",
    )
}
_OPERATORS: dict[type[ast.AST], Callable[..., FloatArray]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide, ast.Pow: np.power,
    ast.USub: np.negative, ast.UAdd: np.positive,
}  # fmt: skip
_LONGEST = 200


def band_index(
    reference: Pixels,
    image: Pixels,
    *,
    formula: str,
    gain: float = 1.0,
    offset: float = 0.0,
    mask: BoolArray | None = None,
) -> dict[str, float]:
    """How far an index of the bands is off, pixel by pixel: with i = formula(gain·DN + offset),

        index_rmse = √mean(i_image − i_reference)²,  index_bias = mean(i_image − i_reference),
        index_max_error = max|i_image − i_reference|,  all in the index's own unit, best at 0

    over the valid pixels at which both have a value; index_lost is the share, 0 to 1, of those of the reference at
    which the image has none (0/0 in a pixel that coding set to 0). A mean square error says little of an index: the
    same error in DN weighs more where the bands are dark.

    `formula` of b1, b2, … (the first band is b1), numbers, + − * / ** and brackets: "(b4-b3)/(b4+b3)" is NDVI where
    band 3 is red and 4 near infrared. `gain` and `offset` take DN to radiance or reflectance; they matter where the
    formula is no ratio, or where the offset is not 0 (Sentinel-2 since 2022: gain=0.0001, offset=-0.1). A formula of a
    single band, "b1", gives the error of the radiance itself.

    Raises SettingError for a formula that is none, ImageError for a band that the images do not have, for shapes that
    differ, and where the reference has no value anywhere. Source: Rouse et al. 1974, NASA SP-351, 309 (NDVI).

    >>> reference, image = np.array([[[1.0, 3.0]]]), np.array([[[1.0, 1.0]]])
    >>> band_index(reference, image, formula="(b2-b1)/(b2+b1)")["index_rmse"]  # 2/4 against 0/2
    0.5
    """
    tree = _parsed(formula)
    images = pair_of_images(reference, image, mask=mask)
    wanted = _bands(tree)
    if wanted[-1] > images.bands:
        raise ImageError(
            f"formula {formula!r} asks for b{wanted[-1]}; {images.name} has {images.bands} bands, b1 to b{images.bands}"
        )

    def of_tile(tile: Tile) -> FloatArray:
        valid = np.ones(tile.arrays[0].shape[:2], bool) if tile.mask is None else tile.mask
        first, second = (_index(tree, array[valid], wanted, gain, offset) for array in tile.arrays)
        known = np.isfinite(first)
        both = known & np.isfinite(second)
        error = second[both] - first[both]
        largest = np.abs(error).max() if error.size else 0.0
        return np.array([known.sum(), both.sum(), error @ error, error.sum(), largest])

    parts = np.array(list(images.map(of_tile)))
    known, both, squares, total = parts[:, :4].sum(axis=0)
    if not known:
        raise no_pixels(images, f"pixel at which {formula} has a value")
    return {
        "index_rmse": sqrt(squares / both) if both else nan,
        "index_bias": float(total / both) if both else nan,
        "index_max_error": float(parts[:, 4].max()) if both else nan,
        "index_lost": float(1 - both / known),
    }


def _parsed(formula: str) -> ast.expr:
    """The formula, checked piece by piece: nothing but arithmetic of bands gets through."""
    wrong = f"formula is {formula!r}; expected bands b1, b2, …, numbers, + - * / ** and brackets, as in (b4-b3)/(b4+b3)"
    if not isinstance(formula, str) or not 0 < len(formula) <= _LONGEST:
        raise SettingError(wrong)
    try:
        tree = ast.parse(formula.strip(), mode="eval").body
    except (SyntaxError, ValueError):
        raise SettingError(wrong) from None
    for node in ast.walk(tree):
        number = isinstance(node, ast.Constant) and _is_number(node.value)
        band = isinstance(node, ast.Name) and node.id[0] == "b" and node.id[1:].isdecimal() and int(node.id[1:]) > 0
        joint = isinstance(node, ast.BinOp | ast.UnaryOp | ast.Load) or type(node) in _OPERATORS
        if not (number or band or joint):
            raise SettingError(wrong)
    if not _bands(tree):
        raise SettingError(wrong)
    return tree


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < inf


def _bands(tree: ast.expr) -> list[int]:
    """The bands that a formula asks for, from 1, in order."""
    return sorted({int(node.id[1:]) for node in ast.walk(tree) if isinstance(node, ast.Name)})


def _index(tree: ast.expr, pixels: FloatArray, wanted: list[int], gain: float, offset: float) -> FloatArray:
    """The index of pixels (n, bands), not finite where it has no value."""
    bands = {f"b{k}": pixels[:, k - 1].astype(float) * float(gain) + float(offset) for k in wanted}
    with np.errstate(all="ignore"):
        return np.broadcast_to(_value(tree, bands), pixels.shape[:1])


def _value(node: ast.expr, bands: dict[str, FloatArray]) -> FloatArray:
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_value(node.left, bands), _value(node.right, bands))
    if isinstance(node, ast.UnaryOp):
        return _OPERATORS[type(node.op)](_value(node.operand, bands))
    if isinstance(node, ast.Name):
        return bands[node.id]
    return np.asarray(getattr(node, "value", nan), float)  # a constant: the formula is checked
