"""Codecs side by side on the same images: what each setting costs in bytes, loses in quality, and takes in time.

A trial is one codec at one setting on one image.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from math import isfinite, nan
from time import perf_counter
from typing import Any

from orbiq.arrays import Array, Scene
from orbiq.codecs.base import CODECS
from orbiq.errors import ImageError, OrbiqError, SettingError
from orbiq.measuring import Subject
from orbiq.metrics.applied import apply_metrics, check_needs, whole_scene
from orbiq.metrics.block_quality import Deviation, block_errors, deviation
from orbiq.metrics.chosen import Metric
from orbiq.modifiers.compression import Compressed, build_compressed, decoded_scene, mask_bytes
from orbiq.progress import Progress, Quiet
from orbiq.registry import Config, expand, parse_spec, spec_text
from orbiq.tiles import tiling

BLOCKS_PX = (64, 32, 16)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One codec at one setting on one image.

    `codec` is the codec with all settings but its knob or target, `point` with all; `knob` as it was set for this
    image, NaN where there is none. Bytes are those of the stream and of the mask beside it. Speeds in 10⁶ bytes of
    samples a second of wall time. `exact`: every valid pixel came back as it was. A trial that failed has NaN
    throughout and the `reason`. Memory is that of `orbiq.codec_memory`, known on the largest image alone.
    """

    group: str
    image: str
    scene: str
    codec: str
    point: str
    knob: float = nan
    gsd_m: float = nan
    n_bytes: float = nan
    bits_per_pixel: float = nan
    bits_per_sample: float = nan
    encode_mb_s: float = nan
    decode_mb_s: float = nan
    encode_memory_mb: float = nan
    decode_memory_mb: float = nan
    memory_reason: str = ""
    exact: bool = False
    scores: Mapping[str, float] = field(default_factory=dict)
    score_reasons: Mapping[str, str] = field(default_factory=dict)
    """Why a score is NaN."""
    target_db: float = nan
    """The PSNR that was asked for; where none was, that of the whole image."""
    missed_db: float = nan
    """PSNR of the whole image less that."""
    blocks: Mapping[int, Deviation] = field(default_factory=dict)
    """Side of a block in pixels → how its blocks lie about `target_db`; nothing where there is no error, or no peak."""
    reason: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class Entrant:
    """A codec in the trials with one setting of its knob, or one target in its place."""

    coder: Compressed
    label: str
    point: str


def entrants(specs: Sequence[str | Config], *, rates_bpp: Sequence[float] = ()) -> list[Entrant]:
    """The codecs that specs name, every combination of swept settings: `jpeg:quality=[10,30,50]`, `jpeg:psnr_db=40`.

    Codecs whose knob nobody set are put to each of `rates_bpp`, in bits per pixel.

    >>> [e.point for e in entrants(["jpeg:quality=[10,50],subsampling=444"])]
    ['jpeg:quality=10,subsampling=444', 'jpeg:quality=50,subsampling=444']
    >>> entrants(["jpeg:quality=10"])[0].label
    'jpeg'
    """
    found = []
    for spec in specs:
        steps = parse_spec(spec) if isinstance(spec, str) else [spec]
        if len(steps) != 1:
            raise SettingError(
                f"codec {spec!r} is a chain; expected a single codec, as in jpeg2000:level_db=[30,35,40]"
            )
        found += [_entrant(step) for (step,) in expand([_at_rates(steps[0], rates_bpp)])]
    if not found:
        raise SettingError("no codec is named; expected one or more, as in --codec jpeg:quality=[10,30,50,70,90]")
    twice = [e.point for k, e in enumerate(found) if e.point in {other.point for other in found[:k]}]
    if twice:
        raise SettingError(f"codec {twice[0]} is named twice; name each setting once")
    return found


def _at_rates(step: Config, rates_bpp: Sequence[float]) -> Config:
    cls = CODECS.load(step["name"])
    known = {field.name for field in fields(cls)}
    free = bool(cls.knob) and cls.knob not in step and set(step) <= {"name", *known}
    return step | {"rate_bpp": list(rates_bpp)} if free and rates_bpp else step


def _entrant(step: Config) -> Entrant:
    values = {key: value for key, value in step.items() if key != "name"}
    coder = build_compressed(step["name"], values)
    moving = {coder.codec.knob, coder.target[0] if coder.target else ""}
    return Entrant(
        coder=coder,
        label=spec_text([{k: v for k, v in step.items() if k not in moving}]),
        point=spec_text([step]),
    )


def trials(
    subjects: Sequence[Subject],
    codecs: Sequence[Entrant],
    metrics: Sequence[Metric],
    *,
    jobs: int,
    progress: Progress | None = None,
) -> Iterator[list[Trial]]:
    """All trials of each image, in order; `jobs` images at a time, each read once.

    Speeds are honest with one job alone: several share the cores.
    """
    check_needs(metrics, paired=True)
    show = progress or Quiet()
    show.stage("images", len(subjects))
    with ThreadPoolExecutor(jobs) as pool:
        try:
            found = pool.map(lambda subject: _of_image(subject, codecs, metrics), subjects)
            for done, several in enumerate(found, 1):
                yield several
                show.tick(done)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _of_image(subject: Subject, codecs: Sequence[Entrant], metrics: Sequence[Metric]) -> list[Trial]:
    try:
        with subject.opened() as raster:
            scene = whole_scene(raster)
    except ImageError as error:
        return [_failed(subject, entrant, str(error)) for entrant in codecs]
    with tiling(threads=1):
        return [_trial(subject, scene, entrant, metrics) for entrant in codecs]


def _about(subject: Subject, entrant: Entrant) -> dict[str, Any]:
    return {
        "group": subject.group,
        "image": subject.name,
        "scene": subject.scene,
        "codec": entrant.label,
        "point": entrant.point,
    }


def _failed(subject: Subject, entrant: Entrant, reason: str) -> Trial:
    return Trial(**_about(subject, entrant), reason=reason)


def _trial(subject: Subject, scene: Scene, entrant: Entrant, metrics: Sequence[Metric]) -> Trial:
    try:
        codec, array = entrant.coder.prepared(scene)
        start = perf_counter()
        stream = codec.encode(array)
        between = perf_counter()
        decoded = codec.decode(stream)
        end = perf_counter()
    except OrbiqError as error:
        return _failed(subject, entrant, str(error))
    seen = decoded_scene(codec, scene, decoded)
    n_bytes, megabytes = len(stream) + mask_bytes(scene), scene.array.nbytes / 1e6
    rows, cols, bands = scene.shape
    return Trial(
        **_about(subject, entrant),
        knob=_number(getattr(codec, codec.knob, None)),
        gsd_m=_number(scene.gsd_m),
        n_bytes=n_bytes,
        bits_per_pixel=8 * n_bytes / (rows * cols),
        bits_per_sample=8 * n_bytes / (rows * cols * bands),
        encode_mb_s=megabytes / (between - start),
        decode_mb_s=megabytes / (end - between),
        exact=_same(scene, decoded),
        **_scores(metrics, scene, seen),
        **_about_blocks(scene, seen, entrant.coder.target),
    )


def _about_blocks(scene: Scene, decoded: Scene, target: tuple[str, float] | None) -> dict[str, Any]:
    """A codec that meets a PSNR over the image may miss it in most of its blocks."""
    try:
        errors = block_errors(scene, decoded, block_px=min(BLOCKS_PX))
    except ImageError:  # nobody said the peak
        return {}
    whole_db = errors.whole_db()
    asked_db = target[1] if target and target[0] == "psnr_db" else whole_db
    if not isfinite(whole_db):
        return {}
    blocks = {side: deviation(errors.psnr_db(side), asked_db) for side in BLOCKS_PX}
    return {"target_db": asked_db, "missed_db": whole_db - asked_db, "blocks": blocks}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else nan


def _same(scene: Scene, decoded: Array) -> bool:
    differs = decoded != scene.array
    return not (differs if scene.mask is None else differs[scene.mask]).any()


def _scores(metrics: Sequence[Metric], scene: Scene, decoded: Scene) -> dict[str, Any]:
    said = apply_metrics(metrics, decoded, reference=scene)
    estimates = {name: estimate for one in said for name, estimate in one.scores.items()}
    return {
        "scores": {name: estimate.value for name, estimate in estimates.items()},
        "score_reasons": {name: estimate.reason for name, estimate in estimates.items() if estimate.reason},
    }
