"""What is done to images: a modifier takes a scene and gives a modified one.

A modifier is a frozen dataclass whose fields are its settings. It changes neither itself nor its input; randomness
is handed in; masked pixels stay as they are. A user's own is the same thing in the user's own file:

    @dataclass(frozen=True, kw_only=True)
    class Darken:                                   # in mymodule.py, used as  mymodule:Darken:factor=0.5
        factor: float
        def __call__(self, scene, *, rng):
            values = scene.array * self.factor
            return Modified(scene=scene.with_array(cast_like(values, scene.array)))

or a plain function from array to array, whose keyword arguments are the settings (`orbiq.modifiers.own`).
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np

from orbiq.arrays import IDENTITY, Affine, Scene
from orbiq.codecs.base import CODECS
from orbiq.errors import SettingError
from orbiq.registry import Config, Entry, Registry, build, config, name_of, spec_text


@dataclass(frozen=True, eq=False, kw_only=True)
class Modified:
    """What a modifier gives back.

    `stream` is what really would be sent, when the last lossy step is a codec; `side_bytes` what must be sent beside
    it (the mask); `coding` the codec's name; `suffix` the file suffix under which others can open the bare
    stream; `affine` maps old pixel coordinates to new ones, for labels to follow; `achieved` what came out; `notes`
    what a reader of it must know, in words that are the same for every image.
    """

    scene: Scene
    stream: bytes | None = None
    side_bytes: int = 0
    coding: str = ""
    suffix: str = ""
    affine: Affine = IDENTITY
    between: tuple[tuple[Affine, tuple[int, int]], ...] = ()
    achieved: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def encoded_bytes(self) -> int | None:
        """Bytes of the encoded image; None when the last lossy step is no codec."""
        return None if self.stream is None else len(self.stream) + self.side_bytes


class Modifier(Protocol):
    """What is done to images."""

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:
        """The modified scene; the input stays as it is."""
        ...


MODIFIERS = Registry(
    "modifier",
    {
        **{
            n: Entry(f"orbiq.modifiers.compression:{n.replace('-', '_')}", extra=e.extra, summary=e.summary)
            for n, e in CODECS.built_in.items()
        },
        "quantize": Entry("orbiq.modifiers.radiometry:Quantize", summary="keep the most significant bits"),
        "gaussian-blur": Entry("orbiq.modifiers.psf:GaussianBlur", summary="blur by a Gaussian PSF"),
        "blur": Entry(
            "orbiq.modifiers.psf:Blur", summary="blur by a PSF: gaussian, box, airy, defocus, motion, jitter"
        ),
        "mtf": Entry("orbiq.modifiers.targets:Mtf", summary="blur to a target MTF at Nyquist"),
        "rer": Entry("orbiq.modifiers.targets:Rer", summary="blur to a target RER"),
        "snr": Entry("orbiq.modifiers.targets_noise:Snr", summary="add noise to a target SNR"),
        "sensor": Entry("orbiq.modifiers.sensor:Sensor", summary="to a target of GSD, MTF, SNR and bits"),
        "gain": Entry("orbiq.modifiers.radiometry:Gain", summary="gain and offset"),
        "gamma": Entry("orbiq.modifiers.radiometry:Gamma", summary="raise levels to a power"),
        "haze": Entry("orbiq.modifiers.radiometry:Haze", summary="mix with the light of the air"),
        "vignetting": Entry("orbiq.modifiers.radiometry:Vignetting", summary="darken towards the corners"),
        "saturation": Entry("orbiq.modifiers.radiometry:Saturation", summary="clip at a level"),
        "super-resolve": Entry("orbiq.modifiers.superres:SuperResolve", summary="finer by your own model, or bicubic"),
        "sharpen": Entry("orbiq.modifiers.detector:Sharpen", summary="unsharp mask"),
        "shot-noise": Entry("orbiq.modifiers.detector:ShotNoise", summary="add shot and read noise"),
        "striping": Entry("orbiq.modifiers.detector:Striping", summary="detectors that are not quite alike"),
        "banding": Entry("orbiq.modifiers.detector:Banding", summary="lines that differ by the sweep or the module"),
        "misregistration": Entry("orbiq.modifiers.detector:Misregistration", summary="bands moved by parts of a pixel"),
        "dead-pixels": Entry("orbiq.modifiers.detector:DeadPixels", summary="samples that always read one value"),
        "undersample": Entry("orbiq.modifiers.undersampling:Undersample", summary="drop Fourier samples, as in MRI"),
        "gaussian-noise": Entry("orbiq.modifiers.noise:GaussianNoise", summary="add white Gaussian noise"),
        "gsd": Entry("orbiq.modifiers.geometry_gsd:Gsd", summary="to a coarser GSD, through the sensor's MTF"),
        "flip": Entry("orbiq.modifiers.geometry:Flip", summary="mirror"),
        "crop": Entry("orbiq.modifiers.geometry:Crop", summary="keep a part"),
        "rotate": Entry("orbiq.modifiers.geometry:Rotate", summary="turn by any angle"),
        "shift": Entry("orbiq.modifiers.geometry:Shift", summary="move by parts of a pixel"),
        "resize": Entry("orbiq.modifiers.geometry:Resize", summary="to another number of pixels"),
    },
    functions="orbiq.modifiers.own:OwnFunction",
)


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Modifiers one after the other; each gets its own generator by its position."""

    name: ClassVar[str] = "chain"
    steps: tuple[Any, ...]

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:
        """All steps in turn; the stream is the last step's, the affine is that of all."""
        modified, before = Modified(scene=scene), ""
        for step, step_rng in zip(self.steps, rng.spawn(len(self.steps)), strict=True):
            modified, before = _joined(modified, step(modified.scene, rng=step_rng), before=before), name_of(step)
        return modified


def _joined(first: Modified, then: Modified, *, before: str) -> Modified:
    """Both in turn; what both achieved is kept of the first under the name of the step `before`."""
    achieved = {f"{before}:{key}" if key in then.achieved else key: value for key, value in first.achieved.items()}
    return Modified(
        scene=then.scene,
        stream=then.stream,
        side_bytes=then.side_bytes,
        coding=then.coding,
        suffix=then.suffix,
        affine=composed(first.affine, then.affine),
        between=(
            *first.between,
            (first.affine, first.scene.shape[:2]),
            *((composed(first.affine, affine), size) for affine, size in then.between),
        ),
        achieved=achieved | then.achieved,
        notes=tuple(dict.fromkeys((*first.notes, *then.notes))),
    )


def composed(first: Affine, then: Affine) -> Affine:
    """The affine map that does `first`, then `then`.

    >>> composed((2, 0, 1, 0, 2, 1), (1, 0, 5, 0, 1, 0))
    (2, 0, 6, 0, 2, 1)
    """
    a, b, c, d, e, f = first
    g, h, i, j, k, m = then
    return g * a + h * d, g * b + h * e, g * c + h * f + i, j * a + k * d, j * b + k * e, j * c + k * f + m


def build_chain(steps: list[Config]) -> Chain:
    """The chain that a list of configs describes; every setting is checked."""
    if not steps:
        raise SettingError("a chain needs at least one modifier, as in jpeg:quality=70")
    return Chain(steps=tuple(build(MODIFIERS, step) for step in steps))


def chain_configs(chain: Chain) -> list[Config]:
    """The configs of a chain's steps, with every default written out."""
    return [config(step) for step in chain.steps]


def chain_text(chain: Chain) -> str:
    """A chain in text form, settings at their default left out: what a variant is called.

    >>> chain_text(build_chain([{"name": "jpeg", "quality": 70}]))
    'jpeg:quality=70'
    """
    return spec_text([_short(step) for step in chain.steps])


def _short(step: Any) -> Config:
    described = getattr(step, "codec", step)  # a codec as a modifier has the codec's settings
    defaults = {f.name: f.default for f in dataclasses.fields(described)}
    told = {k: v for k, v in config(step).items() if k == "name" or k not in defaults or v != defaults[k]}
    return {k: [v] if isinstance(v, list) else v for k, v in told.items()}  # one for each band, and no sweep
