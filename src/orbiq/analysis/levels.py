"""The evidence on the levels of a sweep: their scores, and how far chance could have moved them.

Two kinds of chance. *Images*: the test images are resampled by scene, with the same draw for every variant and
repetition, so that what all share cancels. With few scenes their spread is itself uncertain, and the deviations are
widened as Student's t is: else 3 scenes pass a 95 % bound by luck one time in seven, 5 one time in twelve. *Training*:
repetitions differ. A mean of r repetitions gets a deviation drawn from Student's t, of the spread of the repetitions.
Drawing 2 repetitions out of 2 again and again knows only those two values, and its 95 % bound is passed by luck one
time in six; t is right at any r. Trained apart, levels with nearly the same score share one estimate of the spread,
which makes 2 or 3 repetitions useful. Judged on the same trained models, the levels move together, unless one of them
has a single repetition.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from orbiq.arrays import Array, BoolArray, FloatArray
from orbiq.bootstrap import cluster_numbers, resample_counts
from orbiq.errors import SettingError, unknown
from orbiq.metrics.base import Outcomes, plain_scores

_ALIKE = 0.1
"""Levels whose scores differ by no more than this share have the same training noise."""


@dataclass(frozen=True, eq=False)
class Level:
    """One variant and its judged repetitions: outcomes, or a bare number where only that is known.

    `family` groups the variants of one sweep, for example those of `jpeg`; `cost` of a variant, NaN when it has
    none; `settings` whatever should be shown with it.
    """

    variant: str
    family: str
    cost: float
    settings: Mapping[str, Any]
    repetitions: tuple[Outcomes | float, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Evidence:
    """Scores of levels (L,) and their replicates (replicates, L); levels without any score are NaN throughout.

    `score` mean over repetitions; `rep_sd` their standard deviation, NaN below two; `over_images` replicates of the
    mean under resampled images, centred on `score`, and `images_t` (replicates,) what widens their deviations for the
    few scenes they come from; `over_training` normal deviations of the mean, and `t_factor` what makes them Student's t
    with `training_dof` degrees of freedom (0 = noise unknown). `by_images` which levels have outcomes per image.
    """

    score: FloatArray
    rep_sd: FloatArray
    n_repetitions: Array
    n_dropped: Array
    over_images: FloatArray
    images_t: FloatArray
    over_training: FloatArray
    t_factor: FloatArray
    training_dof: FloatArray
    n_images: int
    n_scenes: int
    by_images: BoolArray
    shared_training: bool

    @property
    def replicates(self) -> FloatArray:
        """What the scores might have been, under both kinds of chance."""
        by_images = self.score + (self.over_images - self.score) * self.images_t[:, None]
        return by_images + self.over_training * self.t_factor

    @property
    def knows_images(self) -> bool:
        """Whether there is more than one scene to resample."""
        return self.n_scenes > 1

    @property
    def knows_training(self) -> bool:
        """Whether any level has two repetitions."""
        return bool((self.training_dof > 0).any())

    @property
    def n_numbers_only(self) -> int:
        """How many levels are known by bare numbers alone."""
        return int((~self.by_images).sum())

    def knows_chance(self, *rows: int) -> bool:
        """Whether any of these levels has more than a number to show for itself."""
        picked = list(rows)
        return bool((self.knows_images and self.by_images[picked].any()) or (self.training_dof[picked] > 0).any())


@np.errstate(invalid="ignore")  # an infinite score is one, and differences of two are unknown
def gather(
    levels: Sequence[Level],
    *,
    score: str,
    scenes: Mapping[str, str] | None,
    shared_training: bool,
    alike: float,
    replicates: int,
    seed: int,
) -> Evidence:
    """The evidence on `score`; `alike` is a difference of scores below which training noise is the same anyway."""
    rng_images, rng_training, rng_t = np.random.default_rng(seed).spawn(3)
    names = _common_images(levels)
    clusters = cluster_numbers([_scene(name, scenes) for name in names])
    weights = resample_counts(clusters, replicates=replicates, rng=rng_images)
    plain = [[_plain(item, score) for item in level.repetitions] for level in levels]
    table = np.full((len(levels), max(map(len, plain), default=0)), np.nan)
    for row, values in zip(table, plain, strict=True):
        row[: len(values)] = values
    known = ~np.isnan(table)
    n = known.sum(axis=1)
    means = np.where(n > 0, np.where(known, table, 0).sum(axis=1) / np.maximum(n, 1), np.nan)
    over_images = np.stack([_replicated(v, score, names, weights) for v in levels], axis=1)
    # a level with one repetition has no deviation of its own to move with the others
    shared = shared_training and not (n == 1).any()
    noise, factor, dof = _training_noise(table, shared=shared, alike=alike, n=replicates, rng=rng_training)
    n_scenes = int(clusters.max()) + 1 if clusters.size else 0
    squares = np.where(known, (table - means[:, None]) ** 2, 0).sum(axis=1)
    return Evidence(
        score=means,
        rep_sd=np.where(n > 1, np.sqrt(squares / np.maximum(n - 1, 1)), np.nan),
        n_repetitions=n,
        n_dropped=np.array([len(v) for v in plain]) - n,
        over_images=_centred(over_images, means),
        images_t=_t_factor(np.array([n_scenes - 1.0]), rng_t.uniform(size=replicates))[:, 0],
        over_training=noise,
        t_factor=factor,
        training_dof=dof,
        n_images=len(names),
        n_scenes=n_scenes,
        by_images=np.array([bool(_outcomes(v)) for v in levels]),
        shared_training=shared,
    )


def _plain(item: Outcomes | float, score: str) -> float:
    if not isinstance(item, Outcomes):
        return float(item)
    scores = plain_scores(item)
    if score not in scores:
        raise unknown("score", score, scores)
    return scores[score]


def _outcomes(level: Level) -> list[Outcomes]:
    return [item for item in level.repetitions if isinstance(item, Outcomes)]


def _replicated(level: Level, score: str, names: Sequence[str], weights: FloatArray) -> FloatArray:
    """Mean over a level's repetitions under each row of image weights."""
    rows = []
    for item in level.repetitions:
        plain = _plain(item, score)
        if np.isnan(plain):
            continue
        if isinstance(item, Outcomes):
            place = {name: k for k, name in enumerate(names)}
            order = [place[name] for name in _keys(item.images)]
            rows.append(item.scores(weights[:, order])[score])
        else:
            rows.append(np.full(len(weights), plain))
    return np.mean(rows, axis=0) if rows else np.full(len(weights), np.nan)


def _centred(replicates: FloatArray, means: FloatArray) -> FloatArray:
    """Replicates around the score itself: repeated images raise average precision as a whole, not its spread."""
    known = ~np.isnan(replicates)
    centre = np.where(known, replicates, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.asarray(replicates - centre + means)


def _keys(images: Sequence[str]) -> list[str]:
    """Image names without suffix where that keeps them apart: a variant may store a.png as a.jpg."""
    stems = [str(PurePosixPath(name).with_suffix("")) if name else name for name in images]
    return stems if len(set(stems)) == len(stems) else list(images)


def _scene(key: str, scenes: Mapping[str, str] | None) -> tuple[str, str]:
    """A scene's id; an image that no scene is known of stands for itself."""
    by_key = dict(zip(_keys(list(scenes)), scenes.values(), strict=True)) if scenes else {}
    return ("scene", str(by_key[key])) if key in by_key else ("image", key)


def _common_images(levels: Sequence[Level]) -> list[str]:
    """The images that all outcomes are about; an error when they are not the same."""
    first: tuple[str, list[str]] | None = None
    for level in levels:
        for item in _outcomes(level):
            keys = _keys(item.images)
            if first is None:
                first = level.variant, keys
            elif set(keys) != set(first[1]):
                odd = min(set(keys) ^ set(first[1]))
                raise SettingError(
                    f"variant {level.variant!r} was judged on {len(keys)} images and {first[0]!r} on {len(first[1])}, "
                    f"which differ, for example in {odd!r}; score all variants on the same test images"
                )
    return first[1] if first else []


def _training_noise(
    table: FloatArray, *, shared: bool, alike: float, n: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(normal deviations of the means (n, L), factors that make them t (n, L), degrees of freedom (L,))."""
    known = ~np.isnan(table)
    r = known.sum(axis=1)
    means = np.where(known, table, 0).sum(axis=1) / np.maximum(r, 1)
    residuals = np.where(known, table - means[:, None], 0)
    if shared:
        dof = np.maximum(r - 1, 0).astype(float)
        scale = 1 / np.sqrt(np.maximum(r * (r - 1), 1))
        noise = rng.standard_normal((n, table.shape[1])) @ (residuals * scale[:, None]).T
    else:
        variance, dof = _pooled_variance(means, residuals=residuals, r=r, alike=alike)
        noise = rng.standard_normal((n, len(table))) * np.sqrt(variance / np.maximum(r, 1))
    return noise, _t_factor(dof, rng.uniform(size=n)), dof


def _pooled_variance(
    means: FloatArray, *, residuals: FloatArray, r: Array, alike: float
) -> tuple[FloatArray, FloatArray]:
    """Variance of one repetition at each level, from all levels that score alike; its degrees of freedom."""
    gap = np.abs(means[:, None] - means[None, :])
    size = np.maximum(np.abs(means)[:, None], np.abs(means)[None, :])
    near = ((gap <= np.maximum(_ALIKE * size, alike)) & (r > 0)[None, :]).astype(float)
    own = np.maximum(r - 1, 0).astype(float)
    near[near @ own == 0] = 1.0  # nobody near was repeated: better any estimate than none
    dof = near @ own
    return near @ (residuals**2).sum(axis=1) / np.maximum(dof, 1), dof


def _t_factor(dof: FloatArray, u: FloatArray) -> FloatArray:
    """√(ν/χ²ν) with the same luck `u` (n,) for all levels, so that levels with one estimate share its error."""
    from scipy.special import gammaincinv

    chi2 = 2 * gammaincinv(np.maximum(dof, 1)[None, :] / 2, u[:, None])
    return np.where(dof > 0, np.sqrt(np.maximum(dof, 1) / np.maximum(chi2, 1e-12)), 1.0)
