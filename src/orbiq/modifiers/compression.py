"""Compression as a modifier: encode, weigh the stream, decode; at a setting of the codec, or at a target.

Every codec is a modifier of the same name. Its settings are the codec's own, or in place of its knob one target:

    jpeg:quality=70            the codec's knob
    jpeg2000:rate_bpp=0.5      bits per pixel (all bands), mask included; rate_bps: bits per sample
    jpegxl:psnr_db=45          a quality: psnr_db, or any metric against a reference by its name, as in ssim=0.98
"""

import dataclasses
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from math import ceil, isfinite, isnan, log2
from typing import Any, ClassVar

import numpy as np

from orbiq.arrays import Array, Raster, Scene
from orbiq.codecs.base import CODECS, Codec
from orbiq.errors import ImageError, SettingError, did_you_mean
from orbiq.modifiers.base import Modified
from orbiq.modifiers.filling import filled
from orbiq.modifiers.solver import Aim, Found, Scale, solved
from orbiq.registry import Config, build, config

_RATES = ("rate_bpp", "rate_bps")
Stream = tuple[bytes, Array]
"""A stream and what it decodes to."""


@dataclass(frozen=True, kw_only=True)
class Compressed:
    """A codec as a modifier: `target` (name, value) in place of the codec's knob, or None where the codec is as it is.

    Masked pixels are filled smoothly before coding, so that they cost little and do not ring into their
    surroundings; they keep their own values, and the mask is sent beside the stream and counted. Where the
    codec has `bits` and they are not stated, those of the scene's peak are taken. `achieved` holds the knob, rate and
    score that a target came to.

    >>> jpeg = build_compressed("jpeg", {"rate_bpp": 1})
    >>> jpeg.target, jpeg.settings()["rate_bpp"]
    (('rate_bpp', 1.0), 1.0)
    """

    name: ClassVar[str] = ""
    codec: Any
    target: tuple[str, float] | None = None

    @classmethod
    def from_settings(cls, values: Mapping[str, Any]) -> "Compressed":
        """From settings as in a config; SettingError for what the codec and targets do not know."""
        fields = [f.name for f in dataclasses.fields(CODECS.load(cls.name))]
        own, others = _parted(values, fields)
        if not others:
            return cls(codec=_codec(cls.name, own))
        ((goal, value),) = others.items() if len(others) == 1 else ((_refused_pair(cls.name, others), 0),)
        return cls(codec=_template(cls.name, own, goal=goal), target=_target(cls.name, goal, value, fields=fields))

    @property
    def version(self) -> int | str:
        """Of the codec: what decides of the result beside its settings."""
        version: int | str = getattr(self.codec, "version", 1)
        return version

    def settings(self) -> Config:
        """The settings as in a config: without the knob where there is a target."""
        values = {key: value for key, value in config(self.codec).items() if key != "name"}
        if self.target is None:
            return values
        values.pop(self.codec.knob)
        return values | dict([self.target])

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:  # noqa: ARG002  a codec draws nothing
        """The decoded image and its stream."""
        return self.coded(scene)[0]

    def prepared(self, scene: Scene) -> tuple[Codec, Array]:
        """The codec as it is set for this scene, and the array that it codes: masked pixels are filled."""
        if self.target is None:
            return suited(self.codec, scene), filled(scene)
        return self.coded(scene)[1], filled(scene)

    def coded(self, scene: Scene) -> tuple[Modified, Codec]:
        """The decoded image with its stream, and the codec with the knob as it was set for this scene."""
        codec, array = suited(self.codec, scene), filled(scene)
        if self.target is None and hasattr(codec, "told"):
            stream, decoded, scores = codec.told(array, scene.mask)
            return replace(_modified(codec, scene, (stream, decoded)), achieved=scores), codec
        if self.target is None:
            return _modified(codec, scene, through(codec, array)), codec
        found = _solved(codec, scene, array, self.target)
        codec = _turned(codec, found.knob)
        modified = _modified(codec, scene, (found.outcome, codec.decode(found.outcome)))
        pixels = scene.shape[0] * scene.shape[1]
        achieved = {codec.knob: float(found.knob), "rate_bpp": 8 * (modified.encoded_bytes or 0) / pixels}
        return replace(modified, achieved=achieved | {self.target[0]: found.value}), codec


def build_compressed(name: str, values: Mapping[str, Any]) -> Compressed:
    """The modifier of a codec by name."""
    return modifier_class(name).from_settings(values)


@cache
def modifier_class(name: str) -> type[Compressed]:
    """The modifier of the codec of this name."""
    return type(f"{CODECS.load(name).__name__}Modifier", (Compressed,), {"name": name, "__module__": __name__})


def __getattr__(name: str) -> Any:
    """The modifier of each codec under the codec's name: what the registry's entries point at."""
    codec = name.replace("_", "-")  # fixed_quality is the attribute of fixed-quality
    if codec in CODECS.built_in:
        return modifier_class(codec)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def through(codec: Codec, array: Array) -> Stream:
    """The stream of an array and what it decodes to."""
    stream = codec.encode(array)
    return stream, codec.decode(stream)


def mask_bytes(scene: Scene) -> int:
    """Bytes that the mask takes beside a lossy stream: one bit a pixel, deflated; 0 when all pixels are valid."""
    if scene.mask is None:
        return 0
    return len(zlib.compress(np.packbits(scene.mask).tobytes(), 9))


def _parted(values: Mapping[str, Any], fields: list[str]) -> tuple[Config, Config]:
    """(the codec's own settings, the others); a setting of nothing is no setting."""
    own = {key: value for key, value in values.items() if key in fields}
    return own, {key: value for key, value in values.items() if key not in fields and value is not None}


def _codec(name: str, own: Config) -> Codec:
    try:
        codec: Codec = build(CODECS, {"name": name, **own})
    except SettingError as error:
        if "needs" in str(error) and "write" in str(error):
            knob = CODECS.load(name).knob
            instead = f", or a target in its place, as {name}:rate_bpp=1" if f"needs {knob}:" in str(error) else ""
            raise SettingError(f"{error}{instead}") from None
        raise
    return codec


def _template(name: str, own: Config, *, goal: str) -> Codec:
    """The codec with its knob at the best picture, in whose place a target stands."""
    cls = CODECS.load(name)
    if not cls.knob:
        raise SettingError(f"{name}:{goal} cannot be: {name} has no setting that trades size for quality; leave it out")
    if own.get(cls.knob) is not None:
        raise SettingError(f"{name} has both {cls.knob}={own[cls.knob]} and the target {goal}; name one of the two")
    required = [f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING]
    best = {cls.knob: cls.knob_range[1]} if cls.knob in required else {}
    return _codec(name, {**own, **best})


def _target(name: str, goal: str, value: Any, *, fields: list[str]) -> tuple[str, float]:
    known = [*_RATES, "psnr_db", *_reference_metrics()]
    if goal not in known:
        raise SettingError(f"modifier {name!r} has no setting {goal!r}. {did_you_mean(goal, [*fields, *known])}")
    number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    if not number or (goal in _RATES and not value > 0):
        expected = "a number above 0" if goal in _RATES else "a number"
        raise SettingError(f"{name}:{goal} is {value!r}; expected {expected}")
    return goal, float(value)


def _refused_pair(name: str, others: Config) -> str:
    raise SettingError(f"{name} has {' and '.join(others)}; expected one target, as {name}:{next(iter(others))}=…")


@cache
def _reference_metrics() -> tuple[str, ...]:
    """Metrics against a reference that need no option and have a direction: what a target may be."""
    from orbiq.metrics.catalogue import METRICS, metric_spec

    others = {"ergas", "band_index", "relative_bias"}  # two need options; a bias is best at 0, within its range
    return tuple(n for n in METRICS.built_in if metric_spec(n).needs == "pair" and n not in others)


def suited(codec: Codec, raster: Raster) -> Codec:
    """The codec with the bits of the image's peak, where it takes them and nobody stated them."""
    stated = getattr(codec, "bits", "none to state")
    if stated is not None or raster.dtype != np.uint16 or raster.peak is None:
        return codec
    depth = ceil(log2(raster.peak + 1))
    if depth == 16 or codec.name == "avif":  # AVIF has 10 or 12, and takes 12 by itself
        return codec
    with_bits: Codec = replace(codec, bits=max(depth, 9))  # type: ignore[type-var]
    return with_bits


def _turned(codec: Codec, knob: float) -> Codec:
    """The codec with its knob at a setting."""
    turned: Codec = replace(codec, **{codec.knob: knob})  # type: ignore[type-var]
    return turned


def _modified(codec: Codec, scene: Scene, coded: Stream) -> Modified:
    stream, decoded = coded
    return Modified(
        scene=decoded_scene(codec, scene, decoded),
        stream=stream,
        side_bytes=mask_bytes(scene),
        coding=codec.name,
        suffix=codec.suffix(scene.shape[2], str(scene.array.dtype)),
    )


def decoded_scene(codec: Codec, scene: Scene, decoded: Array) -> Scene:
    """The scene as it is decoded: a lossy codec that knows nothing of the peak must not exceed it."""
    if codec.lossless or scene.peak is None or decoded.dtype.kind not in "iu":
        return scene.with_array(decoded)
    peak = min(int(scene.peak), np.iinfo(decoded.dtype).max)
    return scene.with_array(decoded if peak == np.iinfo(decoded.dtype).max else np.minimum(decoded, peak))


def _solved(codec: Codec, scene: Scene, array: Array, target: tuple[str, float]) -> Found[bytes]:
    goal, wanted = target
    value, aim = _measure(goal, scene)

    def trial(knob: float) -> tuple[float, bytes]:
        turned = _turned(codec, knob)
        stream = turned.encode(array)
        return value(turned, stream), stream

    low, high = codec.knob_range
    what = f"{codec.name}:{goal} for {scene.name!r} ({codec.knob} {low:g} to {high:g})"
    scale = Scale(low=low, high=high, step=codec.knob_step)
    return solved(trial, scale=scale, target=wanted, aim=aim, what=what, cost=len)


def _measure(goal: str, scene: Scene) -> tuple[Callable[[Codec, bytes], float], Aim]:
    """How a stream is judged against a target, and from which side; for a rate it need not be decoded."""
    rows, cols, bands = scene.shape
    if goal in _RATES:
        side, units = mask_bytes(scene), rows * cols * (bands if goal == "rate_bps" else 1)
        return lambda _, stream: 8 * (len(stream) + side) / units, "at most"
    from orbiq.metrics.catalogue import METRICS, metric_spec

    name = goal.removesuffix("_db")
    spec, function = metric_spec(name).scores[0], METRICS.load(name)

    def score(turned: Codec, stream: bytes) -> float:
        try:
            said = function(scene, decoded_scene(turned, scene, turned.decode(stream)))
        except ImageError as error:  # a modifier has no --peak
            raise ImageError(str(error).split(" Or say --peak")[0]) from error
        number = float(said[spec.name] if isinstance(said, Mapping) else said)
        if isnan(number):
            raise ImageError(f"{name} of {scene.name!r} has no value, so {goal} cannot be its target; name another")
        return number

    return score, "at least" if spec.higher_is_better else "no more than"
