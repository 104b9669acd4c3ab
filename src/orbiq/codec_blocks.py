"""Where on an image a codec is better or worse than was asked of it: one image again, block by block.

The trials keep counts of blocks, not their places, for these would be many; here the one image that a page shows is
coded once more, at the settings that its trials came to.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from orbiq.arrays import FloatArray, Scene
from orbiq.codec_trials import BLOCKS_PX, Entrant, Trial
from orbiq.errors import OrbiqError
from orbiq.measuring import Subject
from orbiq.metrics.applied import whole_scene
from orbiq.metrics.block_quality import block_errors
from orbiq.modifiers.compression import decoded_scene
from orbiq.tiles import tiling

T = TypeVar("T")
_MOST_MAPS = 12


@dataclass(frozen=True, eq=False, kw_only=True)
class BlockMap:
    """The blocks of one image by one codec at one setting: side in pixels → PSNR less `target_db`, in dB.

    Positive is better than the target, inf where nothing differs, NaN where no pixel is valid.
    """

    point: str
    image: str
    deviations: Mapping[int, FloatArray]


def typical_image(found: Sequence[Trial]) -> tuple[str, str] | None:
    """(group, image) whose blocks of 16 px lie as unevenly as those of the median image; None without blocks.

    How uneven is the standard deviation over the blocks, in the mean over the settings; of images that every setting
    could code, the first nearest to the median.
    """
    spreads: dict[tuple[str, str], list[float]] = {}
    for trial in found:
        if trial.blocks:
            spreads.setdefault((trial.group, trial.image), []).append(trial.blocks[min(BLOCKS_PX)].std_db)
    most = max(map(len, spreads.values()), default=0)
    means = {image: float(np.mean(values)) for image, values in spreads.items() if len(values) == most}
    median = np.median(list(means.values())) if means else 0
    return min(means, key=lambda image: abs(means[image] - median), default=None)


def block_maps(subjects: Sequence[Subject], codecs: Sequence[Entrant], found: Sequence[Trial]) -> list[BlockMap]:
    """Maps of the settings on the typical image, in their order; nothing where there are no blocks.

    Of more than 12 settings those of `spread_evenly`: a picture of forty maps is no picture.
    """
    chosen = typical_image(found)
    subject = next((s for s in subjects if (s.group, s.name) == chosen), None)
    if subject is None:
        return []
    trials = {t.point: t for t in found if (t.group, t.image) == chosen and t.blocks}
    with subject.opened() as raster, tiling(threads=1):
        scene = whole_scene(raster)
        drawn = spread_evenly([entrant for entrant in codecs if entrant.point in trials], most=_MOST_MAPS)
        return [one for entrant in drawn if (one := _of_point(scene, entrant, trials[entrant.point]))]


def spread_evenly(items: Sequence[T], *, most: int) -> list[T]:
    """At most so many of the items, the first and the last among them, as evenly spread as can be.

    >>> spread_evenly(range(10), most=4)
    [0, 3, 6, 9]
    """
    if len(items) <= most:
        return list(items)
    return [items[round(k * (len(items) - 1) / (most - 1))] for k in range(most)]


def settled(entrant: Entrant, trial: Trial) -> Any:
    """The codec as a modifier with its knob where the trial's target had set it."""
    coder = entrant.coder
    if coder.target is None:
        return coder
    knob = round(trial.knob) if coder.codec.knob_step == 1 else trial.knob
    return replace(coder, codec=replace(coder.codec, **{coder.codec.knob: knob}), target=None)


def _of_point(scene: Scene, entrant: Entrant, trial: Trial) -> BlockMap | None:
    """None where a codec, a program of its own, does not do again what it did."""
    codec, array = settled(entrant, trial).prepared(scene)
    try:
        decoded = decoded_scene(codec, scene, codec.decode(codec.encode(array)))
    except OrbiqError:
        return None
    errors = block_errors(scene, decoded, block_px=min(BLOCKS_PX))
    maps = {side: errors.psnr_db(side) - trial.target_db for side in BLOCKS_PX}
    return BlockMap(point=entrant.point, image=trial.image, deviations=maps)
