"""Airport-like scenes with exact truth, seen through a physical chain.

reflectance on a grid 3 × finer → haze → Gaussian PSF of a given MTF → decimation at pixel centres to the GSD
→ shot and read noise of a given SNR → quantisation to a bit depth

Image k depends on the settings, the seed and k alone, not on how many images are asked for. The truth comes
from the outlines that were painted, not from the pixels.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from math import inf, sqrt
from pathlib import Path
from typing import Any

import numpy as np

from orbiq.arrays import Array
from orbiq.cache import finished_or_absent, read_json_or, write_json
from orbiq.datasets.airplanes import Airplane
from orbiq.datasets.airports import paint_airport
from orbiq.datasets.annotations import Annotations, Category, ImageEntry, Object
from orbiq.datasets.coco import write_coco
from orbiq.datasets.painting import Canvas, coverage, noise
from orbiq.errors import DatasetError, SettingError
from orbiq.imageio import write_image
from orbiq.optics import blur, decimate, psf_sigma

OVERSAMPLING = 3
"""Pixels of the fine grid per pixel; odd, so that a pixel centre is a centre of the fine grid, too."""
FULL_SCALE = 0.6
"""The reflectance that gives the largest digital number; brighter things saturate."""
SNR_REFLECTANCE = 0.3
"""The reflectance at which the signal-to-noise ratio is stated."""
SHOT_SHARE = 0.7
"""The share of the noise variance at that reflectance that grows with the signal; the rest is read noise."""
HAZE_TONE = (0.40, 0.42, 0.45)
AIRPLANE = Category(id=1, name="airplane")


@dataclass(frozen=True, kw_only=True)
class AirportScenes:
    """Settings of a generated dataset.

    `rows`, `cols` in pixels of `gsd_m` metres; `mtf_nyquist` of the whole imager at the Nyquist frequency of
    that GSD; `snr` = mean / standard deviation of a flat area of reflectance 0.3 (inf for no noise);
    `bit_depth` 8 gives uint8, 9 to 16 uint16, the largest value being 2^bit_depth − 1; `haze` mean
    opacity of a thin veil, 0 ≤ haze < 1; `n_airplanes` and `wingspan_m` (lowest, highest), both included.
    Raises SettingError for values that cannot be.
    """

    n_images: int = 8
    rows: int = 512
    cols: int = 512
    gsd_m: float = 1.0
    mtf_nyquist: float = 0.15
    snr: float = 80.0
    bit_depth: int = 8
    haze: float = 0.0
    n_airplanes: tuple[int, int] = (6, 14)
    wingspan_m: tuple[float, float] = (14.0, 60.0)
    seed: int = 0

    def __post_init__(self) -> None:
        expectations = {
            "n_images": (self.n_images >= 1, "at least 1"),
            "rows": (self.rows >= 16, "at least 16"),
            "cols": (self.cols >= 16, "at least 16"),
            "gsd_m": (0 < self.gsd_m < inf, "metres per pixel, above 0"),
            "mtf_nyquist": (0 < self.mtf_nyquist <= 1, "0 < MTF ≤ 1"),
            "snr": (self.snr > 0, "above 0, inf for no noise"),
            "bit_depth": (self.bit_depth in range(8, 17), "8 to 16"),
            "haze": (0 <= self.haze < 1, "0 ≤ haze < 1"),
            "n_airplanes": (0 <= self.n_airplanes[0] <= self.n_airplanes[1], "(lowest, highest), from 0"),
            "wingspan_m": (0 < self.wingspan_m[0] <= self.wingspan_m[1] < inf, "(lowest, highest), above 0"),
            "seed": (self.seed >= 0, "a whole number ≥ 0"),
        }
        for name, (fits, words) in expectations.items():
            if not fits:
                raise SettingError(f"airport scenes with {name} = {getattr(self, name)!r}; expected {words}")

    @property
    def peak(self) -> int:
        """The largest digital number."""
        return int(2**self.bit_depth - 1)

    def config(self) -> dict[str, Any]:
        """The settings as plain JSON."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()} | {"snr": _finite(self.snr)}


@dataclass(frozen=True, eq=False, kw_only=True)
class AirportScene:
    """One generated image (rows, cols, 3), its airplanes, and the mask (rows, cols, 1) uint8: 1 where an
    airplane covers at least half of the pixel, else 0.
    """

    name: str
    image: Array
    airplanes: tuple[Airplane, ...]
    mask: Array


def airport_scene(settings: AirportScenes, index: int) -> AirportScene:
    """Image number `index` of the dataset, from 0."""
    layout_rng, haze_rng, noise_rng = np.random.default_rng([settings.seed, index]).spawn(3)
    shape = (settings.rows * OVERSAMPLING, settings.cols * OVERSAMPLING, 3)
    canvas = Canvas(reflectance=np.zeros(shape, np.float32), px_per_m=OVERSAMPLING / settings.gsd_m)
    low, high = settings.n_airplanes
    painted = paint_airport(
        canvas,
        n_airplanes=int(layout_rng.integers(low, high + 1)),
        wingspan_m=settings.wingspan_m,
        rng=layout_rng,
    )
    hazy = veil(canvas.reflectance, opacity=settings.haze, rng=haze_rng)
    airplanes = tuple(Airplane(polygon=p / settings.gsd_m, heading_deg=h) for p, h in painted)
    return AirportScene(
        name=f"airport_{index:04d}.png",
        image=observe(hazy, settings=settings, rng=noise_rng),
        airplanes=airplanes,
        mask=_mask(airplanes, shape=(settings.rows, settings.cols)),
    )


def veil(reflectance: Array, *, opacity: float, rng: np.random.Generator) -> Array:
    """The ground under thin haze of mean `opacity`, thicker here and thinner there: (1 − τ)·ρ + τ·white."""
    if opacity == 0:
        return reflectance
    rows, cols = reflectance.shape[:2]
    clouds = noise((rows, cols), cells_px=(cols / 2, cols / 4, cols / 8, cols / 16), rng=rng)
    tau = np.clip(opacity * (1 + 0.5 * (clouds - clouds.mean())), 0, 0.97)[..., None]
    return np.asarray((1 - tau) * reflectance + tau * np.asarray(HAZE_TONE, np.float32))


def observe(reflectance: Array, *, settings: AirportScenes, rng: np.random.Generator) -> Array:
    """What the imager makes of reflectance (rows, cols, bands) on the fine grid.

    The PSF stands for the whole imager. Its variance is lowered by 1/12 pixel² of the fine grid, because
    painting has integrated over square pixels of that size already; with it a slanted edge has the relative edge
    response of the MTF. Noise variance: a·ρ + b, with (a·0.3 + b) = (0.3 / snr)². Returns uint8 or uint16 of
    `settings.rows` × `settings.cols` pixels.
    """
    sigma = sqrt(max(0.0, psf_sigma(settings.mtf_nyquist, gsd=OVERSAMPLING) ** 2 - 1 / 12))
    signal = decimate(blur(reflectance, sigma), OVERSAMPLING)
    if settings.snr < inf:
        variance = (SNR_REFLECTANCE / settings.snr) ** 2
        shot = SHOT_SHARE * variance * signal / SNR_REFLECTANCE
        read = (1 - SHOT_SHARE) * variance
        signal = signal + rng.standard_normal(signal.shape) * np.sqrt(shot + read)
    numbers = np.clip(np.rint(signal / FULL_SCALE * settings.peak), 0, settings.peak)
    return numbers.astype(np.uint8 if settings.bit_depth == 8 else np.uint16)


def write_airports(
    folder: str | Path, settings: AirportScenes, *, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Write the dataset, whole or not at all, and return its folder.

    images/airport_0000.png …, masks/ of the same names, annotations.json (COCO) and dataset.json, whose `params`
    are the settings. A folder that was written with the same settings is left as it is; any other
    existing one raises DatasetError. `progress(done, total)` is called after each image.
    """
    folder = Path(folder)
    if folder.exists():
        return _the_same(folder, settings)
    with finished_or_absent(folder) as work, ThreadPoolExecutor(max_workers=2) as pool:
        for part in ("images", "masks"):
            (work / part).mkdir()
        truths = []
        jobs = pool.map(lambda index: _write_scene(work, settings, index), range(settings.n_images))
        for done, truth in enumerate(jobs, start=1):
            truths.append(truth)
            if progress:
                progress(done, settings.n_images)
        write_coco(work / "annotations.json", _annotations(truths, settings=settings))
        write_json(work / "dataset.json", _description([name for name, _ in truths], settings=settings))
    return folder


def _write_scene(work: Path, settings: AirportScenes, index: int) -> tuple[str, tuple[Airplane, ...]]:
    scene = airport_scene(settings, index)
    write_image(work / "images" / scene.name, scene.image)
    write_image(work / "masks" / scene.name, scene.mask)
    return scene.name, scene.airplanes


def _mask(airplanes: tuple[Airplane, ...], *, shape: tuple[int, int]) -> Array:
    mask = np.zeros(shape, bool)
    for airplane in airplanes:
        mask |= coverage(airplane.polygon, shape=shape) >= 0.5
    return mask.astype(np.uint8)[..., None]


def _annotations(truths: list[tuple[str, tuple[Airplane, ...]]], *, settings: AirportScenes) -> Annotations:
    images: list[ImageEntry] = []
    objects: list[Object] = []
    for image_id, (name, airplanes) in enumerate(truths, start=1):
        images.append(
            ImageEntry(id=image_id, file_name=name, rows=settings.rows, cols=settings.cols, scene=Path(name).stem)
        )
        for airplane in airplanes:
            objects.append(airplane.truth(object_id=len(objects) + 1, image_id=image_id, category_id=AIRPLANE.id))
    return Annotations(images=tuple(images), categories=(AIRPLANE,), objects=tuple(objects))


def _description(names: list[str], *, settings: AirportScenes) -> dict[str, Any]:
    return {
        "schema": 1,
        "images": "images",
        "annotations": "annotations.json",
        "peak": settings.peak,
        "gsd_m": settings.gsd_m,
        "scenes": {name: Path(name).stem for name in names},
        "params": settings.config(),
    }


def _the_same(folder: Path, settings: AirportScenes) -> Path:
    described = read_json_or(folder / "dataset.json", {})
    if not isinstance(described, dict) or described.get("params") != settings.config():
        raise DatasetError(
            f"{str(folder)!r} exists and was not written with these settings of airport scenes; "
            "expected a new folder or the same settings. Remove it, or choose another name."
        )
    return folder


def _finite(value: float) -> float | str:
    """JSON knows no infinity."""
    return value if value < inf else "inf"
