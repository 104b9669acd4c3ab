"""Metrics over many images: files, folders, datasets and variants, several at a time, with bounded memory."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import inf, isnan, nan
from pathlib import Path, PurePosixPath

import numpy as np

from orbiq.arrays import Raster
from orbiq.bootstrap import mean_interval
from orbiq.datasets.folder import image_names, open_dataset
from orbiq.errors import DatasetError, ImageError, SettingError
from orbiq.imageio import IMAGE_SUFFIXES, open_raster
from orbiq.metrics.applied import Applied, apply_metrics
from orbiq.metrics.base import Estimate, ScoreSpec
from orbiq.metrics.chosen import Metric
from orbiq.modifiers.variants import source_names
from orbiq.progress import Progress, Quiet
from orbiq.tiles import tiling

_WORTH_SHOWING = 16
"""So many tiles take long enough to be counted."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An image to be measured: its name within its `group`, its file, and what is stated of it.

    `source` is what it is called in the source of a variant; `scene` what it shares with images that are not
    independent of it.
    """

    name: str
    group: str
    path: Path
    source: str
    scene: str = ""
    peak: float | None = None
    gsd_m: float | None = None
    nodata: float | None = None
    reference: "Subject | None" = None

    @property
    def key(self) -> str:
        """The source's name without suffix: a variant may hold a.png as a.jpg."""
        return str(PurePosixPath(self.source).with_suffix(""))

    @contextmanager
    def opened(self) -> Iterator[Raster]:
        """Its pixels, to be read piece by piece."""
        with open_raster(self.path, peak=self.peak, gsd_m=self.gsd_m, nodata=self.nodata, name=self.name) as raster:
            yield raster


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What is said of all images, for those that do not say it themselves; SettingError for what cannot be."""

    peak: float | None = None
    gsd_m: float | None = None
    nodata: float | None = None

    def __post_init__(self) -> None:
        meaning = {"peak": "the largest value that the data can hold", "gsd_m": "metres on the ground per pixel"}
        for name, what in meaning.items():
            value = getattr(self, name)
            if value is not None and not 0 < value < inf:
                raise SettingError(f"{name} is {value:g}; expected a finite number > 0, {what}.")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One score of one image."""

    group: str
    image: str
    scene: str
    metric: str
    score: str
    estimate: Estimate
    spec: ScoreSpec | None = None
    """What the score means, where the metric is orbiq's own."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A score over the images of a group: mean, its 95 % interval, standard deviation over the images.

    For a single image the interval is the metric's own. `n_images` have a value; `reasons` say why others have none;
    `n_cautioned` of them are to be taken with care, for `cautions`.
    """

    group: str
    metric: str
    score: str
    mean: float
    low: float
    high: float
    sd: float
    n_images: int
    n_missing: int
    reasons: tuple[str, ...]
    n_cautioned: int = 0
    cautions: tuple[str, ...] = ()
    spec: ScoreSpec | None = None


def subjects_of(path: str | Path, *, stated: Stated | None = None) -> list[Subject]:
    """The images at `path`: an image file, a folder of images, or a dataset or variant.

    What a dataset.json states goes before `stated`. Raises DatasetError where there is no image.
    """
    path, stated = Path(path), stated or Stated()
    if path.is_file():
        return [_subject(path.name, path=path, group=path.name, stated=stated)]
    if not path.exists():
        raise DatasetError(f"{str(path)!r} does not exist; expected an image, a folder of images, or a dataset.")
    group = path.name or path.resolve().name
    if _is_plain(path):
        return [_subject(name, path=path / name, group=group, stated=stated) for name in image_names(path)]
    if not image_names(path):
        kinds = ", ".join(sorted(IMAGE_SUFFIXES))
        raise DatasetError(
            f"folder {str(path)!r} holds no image; expected files of {kinds} in it, or a dataset, with its images in a "
            "subfolder. Name another folder, or a file."
        )
    dataset = open_dataset(path)
    known = Stated(
        peak=stated.peak if dataset.peak is None else dataset.peak,
        gsd_m=stated.gsd_m if dataset.gsd_m is None else dataset.gsd_m,
        nodata=stated.nodata if dataset.nodata is None else dataset.nodata,
    )
    sources = source_names(path)
    return [
        _subject(
            name,
            path=dataset.image_path(name),
            group=group,
            stated=known,
            source=sources.get(name, name),
            scene=dataset.scene_ids.get(name, dataset.scene_ids.get(sources.get(name, name), "")),
        )
        for name in dataset.images
    ]


def paired_subjects(reference: str | Path, path: str | Path, *, stated: Stated | None = None) -> list[Subject]:
    """The images at `path`, each with its reference of the same name, suffix aside.

    Raises DatasetError where an image has no reference.
    """
    references, judged = subjects_of(reference, stated=stated), subjects_of(path, stated=stated)
    if len(references) == len(judged) == 1:
        return [replace(judged[0], reference=references[0])]
    by_key = {subject.key: subject for subject in references}
    missing = [subject.name for subject in judged if subject.key not in by_key]
    if missing:
        raise DatasetError(
            f"{len(missing)} of {len(judged)} images in {str(path)!r} have no reference of the same name in "
            f"{str(reference)!r}, first {missing[0]!r}. Names are compared without suffix."
        )
    return [replace(subject, reference=by_key[subject.key]) for subject in judged]


def _subject(name: str, *, path: Path, group: str, stated: Stated, source: str = "", scene: str = "") -> Subject:
    return Subject(name=name, group=group, path=path, source=source or name, scene=scene, **vars(stated))


def _is_plain(folder: Path) -> bool:
    """Whether images lie directly in a folder, so that it is no dataset."""
    return any(
        path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()
        for path in folder.iterdir()
    )


def measured(
    subjects: Sequence[Subject], metrics: Sequence[Metric], *, jobs: int, progress: Progress | None = None
) -> Iterator[tuple[Subject, list[Applied]]]:
    """Every metric of every image, in order; `jobs` images at a time, or as many parts of a single one."""
    show = progress or Quiet()
    if len(subjects) == 1:
        yield subjects[0], _watched(subjects[0], metrics, jobs=jobs, show=show)
        return
    show.stage("images", len(subjects))
    with ThreadPoolExecutor(jobs) as pool:
        try:
            found = pool.map(lambda subject: _alone(subject, metrics), subjects)
            for done, (subject, applied) in enumerate(zip(subjects, found, strict=True), 1):
                yield subject, applied
                show.tick(done)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _watched(subject: Subject, metrics: Sequence[Metric], *, jobs: int, show: Progress) -> list[Applied]:
    """One image with all there is; what is shown are its tiles."""
    title = ""

    def announce(name: str) -> None:
        nonlocal title
        title = name

    def watch(done: int, total: int) -> None:
        if total < _WORTH_SHOWING:
            return
        if done == 1:
            show.stage(title, total)
        show.tick(done)

    with tiling(threads=jobs, watch=watch):
        return _of_one(subject, metrics, announce)


def _alone(subject: Subject, metrics: Sequence[Metric]) -> list[Applied]:
    with tiling(threads=1):
        return _of_one(subject, metrics, lambda _: None)


def _of_one(subject: Subject, metrics: Sequence[Metric], announce: Callable[[str], None]) -> list[Applied]:
    try:
        with subject.opened() as image:
            if subject.reference is None:
                return apply_metrics(metrics, image, announce=announce)
            with subject.reference.opened() as reference:
                return apply_metrics(metrics, image, reference=reference, announce=announce)
    except ImageError as error:  # unreadable: all are unknown, and the other images are measured
        scores = [[spec.name for spec in m.spec.scores] if m.spec else [m.text] for m in metrics]
        unknown = Estimate(value=nan, reason=str(error))
        return [Applied(metric=m, scores=dict.fromkeys(s, unknown)) for m, s in zip(metrics, scores, strict=True)]


def readings(subject: Subject, applied: Sequence[Applied]) -> list[Reading]:
    """The scores of one image as rows."""
    return [
        Reading(
            group=subject.group,
            image=subject.name,
            scene=subject.scene or subject.key,
            metric=said.metric.text,
            score=name,
            estimate=estimate,
            spec=said.metric.score_spec(name),
        )
        for said in applied
        for name, estimate in said.scores.items()
    ]


def summaries(found: Sequence[Reading], *, seed: int = 0) -> list[Summary]:
    """One row for each group and score, in the order in which they first come."""
    parts: dict[tuple[str, str, str], list[Reading]] = {}
    for reading in found:
        parts.setdefault((reading.group, reading.metric, reading.score), []).append(reading)
    return [_summary(key, rows, seed=seed) for key, rows in parts.items()]


def _summary(key: tuple[str, str, str], rows: Sequence[Reading], *, seed: int) -> Summary:
    known = [row for row in rows if not isnan(row.estimate.value)]
    cautions = [row.estimate.caution for row in known if row.estimate.caution]
    values = np.array([row.estimate.value for row in known])
    low, high = _interval(known, values, seed=seed)
    finite = len(values) > 1 and bool(np.isfinite(values).all())
    return Summary(
        group=key[0],
        metric=key[1],
        score=key[2],
        mean=_mean(values),
        low=low,
        high=high,
        sd=float(values.std(ddof=1)) if finite else nan,
        n_images=len(known),
        n_missing=len(rows) - len(known),
        reasons=tuple(dict.fromkeys(row.estimate.reason for row in rows if isnan(row.estimate.value))),
        n_cautioned=len(cautions),
        cautions=tuple(dict.fromkeys(cautions)),
        spec=rows[0].spec,
    )


def _mean(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    if not len(values):
        return nan
    infinite = values[np.isinf(values)]
    if not len(infinite):
        return float(values.mean())
    return float(infinite[0]) if (infinite == infinite[0]).all() else nan


def _interval(
    known: Sequence[Reading], values: np.ndarray[tuple[int], np.dtype[np.float64]], *, seed: int
) -> tuple[float, float]:
    if len(known) == 1:
        return known[0].estimate.low, known[0].estimate.high
    if not len(known) or not np.isfinite(values).all():
        return nan, nan
    rng = np.random.default_rng(seed)
    return mean_interval(values, rng=rng, clusters=[row.scene for row in known])
