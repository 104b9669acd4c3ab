"""A class for each pixel against the true one: overlap and boundaries of class maps.

A class map is one band of whole numbers ≥ 0. **What takes no part**: pixels whose true number is among `ignore`, and
those that are nodata in the truth or in the image. A predicted pixel without a class (nodata, or a number of
`ignore`) is judged all the same: it is of no class, and so not found. All scores are pooled: counts are summed over
the images first, so that an image weighs as many pixels as it has.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from orbiq.arrays import Array
from orbiq.errors import ContractError, DatasetError, SettingError
from orbiq.metrics.base import MetricSpec, Scored, ScoreSpec, plain_scores
from orbiq.metrics.regression import matched
from orbiq.metrics.segmentation_input import NO_CLASS, ClassMap, open_labels
from orbiq.metrics.segmentation_matching import Counts, count_image
from orbiq.metrics.segmentation_outcomes import SegmentationOutcomes

SEGMENTATION_SCORES = tuple(
    ScoreSpec(name=name, low=0.0, high=1.0) for name in ("iou", "dice", "pixel_accuracy", "boundary_f1")
)
SPECS = {"segmentation": MetricSpec(name="segmentation", scores=SEGMENTATION_SCORES, needs="predictions")}
_MOST_FOUND = 1000
"""More class numbers than these are taken for a mistake, unless they are stated."""
_WIDEST_PX = 100


def segmentation(
    predictions: Mapping[str, ClassMap],
    truth: Mapping[str, ClassMap],
    *,
    classes: int | Sequence[int | str] | None = None,
    ignore: int | Sequence[int] = (),
    tolerance_px: float = 2.0,
    per_class: bool = True,
) -> Scored:
    """Overlap of class maps and agreement of their boundaries, and outcomes to bootstrap them.

    Of a class, with t its true pixels, p those predicted and h those that are both: iou/<class> = h / (t + p − h),
    dice/<class> = 2h / (t + p). boundary_f1/<class> = 2PR / (P + R), P being the share of its predicted boundary
    pixels that lie within `tolerance_px` (Euclidean) of a true one, R the share of the true ones that lie so near a
    predicted one. iou (known as mIoU), dice and boundary_f1 are means over the classes that the truth or a prediction
    has; pixel_accuracy is the share of judged pixels whose class is right. All in [0, 1], higher is better; NaN with a
    reason where there is nothing to score.

    Args:
        predictions: {image name: class map}, one for each image of the truth and of its size.
        truth: {image name: class map}.
        classes: a number n for classes 0 … n − 1; a list of class numbers; a list of names, of 0, 1, 2, … in order,
            or as in ["3=water", "7=forest"]. Unless given, those that occur.
        ignore: true numbers that take no part.
        tolerance_px: at most this far a boundary may be displaced, 0 to 100 px.
        per_class: list the scores per class too.

    Raises:
        ContractError: a prediction is missing, of another size, or no class map.
        DatasetError: the truth is no class map.
        SettingError: an option cannot be.

    Source: Everingham et al. 2010, doi:10.1007/s11263-009-0275-4 (IoU); Dice 1945, doi:10.2307/1932409; Csurka et al.
    2013, doi:10.5244/C.27.32 (boundary F1, there by image, here pooled).

    >>> true, said = np.array([[0, 0, 1, 1]]), np.array([[0, 1, 1, 1]])
    >>> scores = segmentation({"a": said}, {"a": true}).scores
    >>> round(scores["iou/0"], 4), round(scores["iou/1"], 4), scores["pixel_accuracy"]  # 1/2 and 2/3
    (0.5, 0.6667, 0.75)
    """
    left_out = _ignored(ignore)
    stated = _stated_classes(classes, left_out)
    if not 0 <= tolerance_px <= _WIDEST_PX:
        raise SettingError(f"tolerance_px is {tolerance_px!r}; expected 0 to {_WIDEST_PX} pixels")
    maps = matched(predictions, truth, what="masks")
    counts = [
        _counts(truth[name], maps[name], image=name, ignore=left_out, stated=stated, tolerance_px=tolerance_px)
        for name in truth
    ]
    named = stated or _found_classes(counts)
    outcomes = _outcomes(tuple(truth), counts, named, per_class=per_class)
    scores = plain_scores(outcomes)
    reasons = {name: _reason(name) for name, value in scores.items() if np.isnan(value)}
    options = {
        "classes": ", ".join(str(k) if name == str(k) else f"{k} {name}" for k, name in named.items()) or "none",
        "ignore": ", ".join(map(str, left_out)) or "none",
        "tolerance_px": tolerance_px,
    }
    return Scored(scores=scores, reasons=reasons, outcomes=outcomes, stated=options)


def _ignored(ignore: int | Sequence[int]) -> tuple[int, ...]:
    numbers = _listed(ignore)
    if not all(_is_whole(v) for v in numbers):
        raise SettingError(f"ignore is {ignore!r}; expected a class number such as 255, or a list of them")
    return tuple(int(v) for v in numbers)


def _stated_classes(classes: int | Sequence[int | str] | None, ignore: tuple[int, ...]) -> dict[int, str]:
    """Class number → name, in order; empty where nothing is stated."""
    if classes is None:
        return {}
    given: Sequence[Any] = () if isinstance(classes, str) else _listed(classes)
    if _is_whole(classes):
        given = range(given[0])
    pairs = [_class_of(entry, place) for place, entry in enumerate(given)]
    named = dict(pairs)
    of_one_sort = len({isinstance(entry, str) for entry in given}) == 1
    different = len(named) == len(set(named.values())) == len(pairs)
    if not of_one_sort or not different or not all(number >= 0 and name for number, name in pairs):
        raise SettingError(
            f"classes are {classes!r}; expected how many there are, or a list of different numbers ≥ 0, of names, or "
            "of both, as in [3=water, 7=forest]"
        )
    kept = {number: name for number, name in named.items() if number not in ignore}
    if not kept:
        raise SettingError(f"classes are {classes!r} and all of them are to be ignored; leave one to be judged")
    return kept


def _class_of(entry: int | str, place: int) -> tuple[int, str]:
    if not isinstance(entry, str):
        return (int(entry), str(int(entry))) if _is_whole(entry) else (-1, "")
    number, equals, name = entry.partition("=")
    if equals:
        return (int(number) if number.strip().isdecimal() else -1), name.strip()
    return place, entry


def _listed(given: Any) -> tuple[Any, ...]:
    """The entries of a list, or what is no list, such as a word, as the only one."""
    try:
        return (given,) if isinstance(given, str) else tuple(given)
    except TypeError:
        return (given,)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _counts(
    truth: ClassMap,
    prediction: ClassMap,
    *,
    image: str,
    ignore: tuple[int, ...],
    stated: Mapping[int, str],
    tolerance_px: float,
) -> Counts:
    with open_labels(truth, prediction, image=image, ignore=ignore) as (true, said):
        counts = count_image(true, said, tolerance_px=tolerance_px)
    if stated:
        known = ", ".join(map(str, list(stated)[:20]))
        for labels, column, error in ((true, 0, DatasetError), (said, 1, ContractError)):
            strangers = set(counts.pixels[:, column].tolist()) - set(stated) - {NO_CLASS}
            if strangers:
                raise error(
                    f"{labels.name} holds class {min(strangers)}; the stated classes are {known}. "
                    "Add it to classes, or to ignore if it means no class."
                )
    return counts


def _found_classes(counts: Sequence[Counts]) -> dict[int, str]:
    found = sorted({int(v) for part in counts for v in np.unique(part.pixels[:, :2])} - {NO_CLASS})
    if len(found) > _MOST_FOUND:
        raise SettingError(
            f"the class maps hold {len(found)} different numbers; are they class maps? State classes if so."
        )
    return {number: str(number) for number in found}


def _outcomes(
    images: tuple[str, ...], counts: Sequence[Counts], named: Mapping[int, str], *, per_class: bool
) -> SegmentationOutcomes:
    ids = np.array([*named, NO_CLASS], np.int64)
    order = np.argsort(ids)

    def numbered(labels: Array) -> Array:
        """The place of each class among `named`, −1 for NO_CLASS."""
        place = order[np.searchsorted(ids, labels, sorter=order)]
        return np.asarray(np.where(place == len(named), -1, place))

    def rows(parts: Sequence[Array], n_keys: int) -> Array:
        image = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        table = np.concatenate([*parts, np.zeros((0, 5 if n_keys == 1 else 3), np.int64)])
        return np.column_stack([image, *(numbered(table[:, k]) for k in range(n_keys)), table[:, n_keys:]])

    return SegmentationOutcomes(
        images=images,
        classes=tuple(named.values()),
        per_class=per_class,
        pixels=rows([part.pixels for part in counts], 2),
        boundary=rows([part.boundary for part in counts], 1),
    )


def _reason(name: str) -> str:
    """Why a score is NaN."""
    base, _, label = name.partition("/")
    if base == "boundary_f1":
        whose = f"class {label!r} has" if label else "the classes have"
        return f"{whose} no boundary, neither in the truth nor in the predictions"
    return f"class {label!r} is neither in the truth nor in the predictions" if label else "no pixel is judged"
