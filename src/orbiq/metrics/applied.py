"""Metrics of images applied to one image, or to one beside its reference."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan, nan
from typing import Any

import numpy as np

from orbiq.arrays import Raster, Scene
from orbiq.errors import ImageError, OrbiqError, SettingError
from orbiq.metrics.base import Estimate
from orbiq.metrics.chosen import Metric, own_name, plainly_scored


@dataclass(frozen=True, eq=False, kw_only=True)
class Applied:
    """What a metric says of an image: scores by name, and the `result` they were taken from, None when it failed."""

    metric: Metric
    scores: Mapping[str, Estimate]
    result: Any = None


def apply_metrics(
    metrics: Sequence[Metric],
    image: Raster,
    *,
    reference: Raster | None = None,
    announce: Callable[[str], None] = lambda _: None,
) -> list[Applied]:
    """Every metric of an image; those that take their scores from the same computation share it.

    `announce` is told the metric that comes next.

    A metric that cannot say anything gives NaN with the reason, in one sentence. Raises SettingError where a metric
    needs what is not there: a reference, or predictions.
    """
    known: dict[tuple[str, str], Any] = {}
    said = []
    for metric in metrics:
        key = metric.spec.of or metric.spec.name if metric.spec else metric.text, str(sorted(metric.options.items()))
        if key not in known:
            announce(metric.text)
            known[key] = _result(metric, image, reference)
        said.append(_said(metric, known[key]))
    return said


def check_needs(metrics: Sequence[Metric], *, paired: bool) -> None:
    """Refuse metrics that need more than there is, before anything is read."""
    for metric in metrics:
        if metric.needs == "pair" and not paired:
            raise SettingError(f"{metric.text} compares with a reference: orbiq compare REFERENCE PATH --metrics …")
        if metric.needs not in {"image", "pair"}:
            way = "orbiq score EXPERIMENT --metric …" if metric.needs == "predictions" else "the Python function"
            raise SettingError(f"{metric.text} needs {metric.needs}, not an image by itself; use {way}")


def _result(metric: Metric, image: Raster, reference: Raster | None) -> Any:
    """What the metric's function gives, or the error it raised."""
    try:
        if metric.spec is None:
            return plainly_scored(metric, metric.function(*_scenes(metric, image, reference), **metric.options))
        if metric.needs == "pair":
            return metric.function(reference, image, **metric.options)
        return metric.function(image, **metric.options)
    except OrbiqError as error:
        return error
    except Exception as error:
        if metric.spec is not None:
            raise
        return ImageError(f"{metric.text} failed: {type(error).__name__}: {' '.join(str(error).split())}")


def _scenes(metric: Metric, image: Raster, reference: Raster | None) -> list[Scene]:
    """A user's own metric is given whole scenes, the judged image first."""
    rasters = [image] if metric.needs == "image" or reference is None else [image, reference]
    return [whole_scene(raster) for raster in rasters]


def whole_scene(raster: Raster) -> Scene:
    """A raster read as a whole."""
    if isinstance(raster, Scene):
        return raster
    array, mask = raster.window(slice(0, raster.shape[0]), slice(0, raster.shape[1]))
    known = {key: getattr(raster, key) for key in ("peak", "gsd_m", "transform", "name")}
    return Scene(array=array, mask=mask, calibrations=getattr(raster, "calibrations", ()), **known)


def _said(metric: Metric, result: Any) -> Applied:
    names = [spec.name for spec in metric.spec.scores] if metric.spec else [own_name(metric)]
    if isinstance(result, OrbiqError):
        return Applied(metric=metric, scores=dict.fromkeys(names, Estimate(value=nan, reason=str(result))))
    scores = {key: _estimate(value) for key, value in _by_name(result, names[0]).items()}
    if metric.spec is not None:
        scores = {key: value for key, value in scores.items() if key.split("/", 1)[0] in names}
    return Applied(metric=metric, scores=scores, result=result)


def _by_name(result: Any, first: str) -> Mapping[str, Any]:
    if isinstance(result, Mapping):
        return result
    scores = getattr(result, "scores", None)
    if scores is None:
        return {first: result}
    return dict(scores() if callable(scores) else scores)


def _estimate(value: Any) -> Estimate:
    estimate = value if isinstance(value, Estimate) else Estimate(value=float(np.asarray(value)))
    return replace(estimate, reason=estimate.reason or "the metric gave NaN") if isnan(estimate.value) else estimate
