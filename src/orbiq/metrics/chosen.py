"""A metric with its options, chosen by name in text form (`ssim:variant=skimage`), ready to be applied.

A user's own metric is a plain function in a file of one's own, named `mymodule:my_metric`. The name of its first
argument says what it gets:

    def edge_energy(image):                     # each judged image, an orbiq.arrays.Scene; float or {name: float}
        return float(abs(np.diff(image.array.astype(float), axis=0)).mean())

    def loss_db(image, reference):              # each image of the variant beside the unmodified one
        return 10 * np.log10(np.mean((image.array - reference.array.astype(float)) ** 2))

    def n_found(predictions, truth):            # output.json, and the annotations (orbiq.datasets.annotations)
        return len([p for p in predictions if p["score"] > 0.5]) / len(truth.objects)

Values per image become the dataset's mean and can be bootstrapped.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from math import isnan
from typing import Any, get_type_hints

import numpy as np

from orbiq.cache import content_key
from orbiq.errors import ContractError, SettingError
from orbiq.metrics.base import MetricSpec, Scored, ScoreSpec
from orbiq.metrics.catalogue import METRICS, metric_spec
from orbiq.records import LATER
from orbiq.registry import Config, fitting, is_own, load_target, spec_text, split_outside_brackets


@dataclass(frozen=True, eq=False, kw_only=True)
class Metric:
    """A metric with its options, ready to be applied."""

    text: str
    function: Callable[..., Any]
    options: dict[str, Any]
    needs: str
    spec: MetricSpec | None = None
    rank: int = LATER
    """Its place in the experiment; LATER when it is applied after the fact."""

    def score_spec(self, score: str) -> ScoreSpec | None:
        """What one of its scores means ("iou/water" is an "iou"); None for a user's own."""
        name = score.split("/", 1)[0]
        return next((s for s in self.spec.scores if s.name == name), None) if self.spec else None

    @property
    def slug(self) -> str:
        """A file name for its scores."""
        return f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', self.text)[:60]}-{content_key(self.text)[:6]}"


def split_metrics(text: str) -> list[str]:
    """Several metrics in one text, by comma; a piece that begins with `option=` belongs to the metric before it.

    >>> split_metrics("psnr,ssim:variant=skimage,peak=4095,sam")
    ['psnr', 'ssim:variant=skimage,peak=4095', 'sam']
    """
    metrics: list[str] = []
    for piece in split_outside_brackets(text, ","):
        option = "=" in piece.split(":", 1)[0]
        if option and metrics:
            metrics[-1] += f",{piece.strip()}"
        elif piece.strip():
            metrics.append(piece.strip())
    return metrics


def load_metric(chosen: Config) -> Metric:
    """The metric that a config names; options are checked against its signature."""
    name = str(chosen["name"])
    options = {k: v for k, v in chosen.items() if k != "name"}
    if is_own(name):
        function = load_target(name, kind="metric", name=name)
        needs, spec = _needs(function, name), None
    else:
        spec = metric_spec(name)
        function = METRICS.load(name)
        needs = spec.needs
    given = {"pair": 2, "predictions": 2, "triple": 3}.get(needs, 1)  # the rest are options
    known = [key for key in list(inspect.signature(function).parameters)[given:] if key != "mask"]
    for key in options:
        if key not in known:
            raise SettingError(f"metric {name!r} has no option {key!r}. Its options: {', '.join(known) or 'none'}")
    if spec is not None:
        hints = get_type_hints(function)
        options = {key: fitting(value, hints.get(key), f"{name}:{key}") for key, value in options.items()}
    return Metric(text=spec_text([chosen]), function=function, options=options, needs=needs, spec=spec)


def _needs(function: Callable[..., Any], name: str) -> str:
    if not callable(function):
        raise SettingError(f"metric {name!r} is no function")
    arguments = list(inspect.signature(function).parameters)
    first = arguments[0] if arguments else ""
    if first == "predictions":
        return "predictions"
    if first == "image":
        return "pair" if arguments[1:2] == ["reference"] else "image"
    raise SettingError(
        f"metric {name!r} takes {', '.join(arguments) or 'nothing'}; its first argument must be image, "
        "or image and reference, or predictions and truth"
    )


def own_name(metric: Metric) -> str:
    """What a user's own metric is called: the function's name."""
    return metric.text.split(":")[1]


def plainly_scored(metric: Metric, said: Any) -> Scored:
    """What a user's own function gave back, a number or numbers by name."""
    scores = said if isinstance(said, dict) else {own_name(metric): said}
    wrong = {k: v for k, v in scores.items() if isinstance(v, bool) or not isinstance(v, int | float | np.number)}
    if wrong:
        name, value = next(iter(wrong.items()))
        raise ContractError(f"metric {metric.text!r} gave {value!r} for {name!r}; expected a number")
    numbers = {str(k): float(v) for k, v in scores.items()}
    return Scored(scores=numbers, reasons={k: "the metric gave NaN" for k, v in numbers.items() if isnan(v)})
