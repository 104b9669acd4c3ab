"""What undegraded images look like to `niqe`: a Gaussian over the features of their sharp patches, kept as JSON."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from orbiq import __version__
from orbiq.arrays import Array, FloatArray
from orbiq.cache import write_json
from orbiq.errors import ImageError, SettingError
from orbiq.metrics.inputs import Images, Pixels, one_image
from orbiq.metrics.naturalness import N_FEATURES, PATCH, patches_of
from orbiq.metrics.planes import Bands, check_bands

SHIPPED = Path(__file__).parent / "models" / "niqe.json"


@dataclass(frozen=True, eq=False, kw_only=True)
class NiqeModel:
    """Mean (36,) and covariance (36, 36) of the features of `n_patches` patches of undegraded images.

    `provenance` says, in plain JSON, which images they were and how patches were chosen.
    """

    mean: FloatArray
    covariance: FloatArray
    n_patches: int
    provenance: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


def fit_niqe(
    images: Iterable[Pixels],
    *,
    peak: float | None = None,
    bands: Bands = "each",
    sharpness: float = 0.75,
    provenance: Mapping[str, Any] | None = None,
) -> NiqeModel:
    """A model of the undegraded `images`, for `niqe` of images of their kind.

    From each band (or luma) of each image come the patches of 96×96 whose mean σ is above `sharpness` times that of
    its sharpest patch. `peak` is that of all images that do not state their own. Raises ImageError where they hold no
    more than 36 such patches, for then their covariance says nothing; a few hundred make a steady model.

    >>> rng = np.random.default_rng(0)
    >>> fit_niqe([rng.normal(128, 20, (672, 672)) for _ in range(2)], peak=255).n_patches  # 7² patches an image
    98
    """
    if not 0 <= sharpness <= 1:
        raise SettingError(f"sharpness is {sharpness}; expected 0 (every patch) to 1, a share of the sharpest patch.")
    n_images, chosen = 0, [np.empty((0, N_FEATURES))]
    for image in images:
        n_images += 1
        chosen.append(_sharp_features(_checked(image, peak), bands=bands, sharpness=sharpness))
    features = np.concatenate(chosen)
    if len(features) <= N_FEATURES:
        raise ImageError(
            f"{n_images} images hold {len(features)} sharp valid patches of {PATCH}×{PATCH}; expected more than "
            f"{N_FEATURES}. Take more images, or larger ones."
        )
    how = {"n_images": n_images, "bands": bands, "sharpness": sharpness, "orbiq": __version__}
    return NiqeModel(
        mean=features.mean(axis=0),
        covariance=np.cov(features, rowvar=False),
        n_patches=len(features),
        provenance=MappingProxyType(dict(provenance or {}) | how),
    )


def _checked(image: Pixels, peak: float | None) -> Images:
    stated = None if isinstance(image, np.ndarray) else image.peak
    return one_image(image, peak=peak if stated is None else stated, peaked=True)


def _sharp_features(images: Images, *, bands: Bands, sharpness: float) -> FloatArray:
    check_bands(images, bands)
    patches = patches_of(images, bands=bands)
    chosen = [np.empty((0, N_FEATURES))]
    for features, sharp, known in zip(patches.features, patches.sharpness, patches.known, strict=True):
        if known.any():
            chosen.append(features[known & (sharp >= sharpness * sharp[known].max())])
    return np.concatenate(chosen)


def write_niqe_model(model: NiqeModel, path: str | Path) -> None:
    """Write a model as JSON, whole or not at all."""
    value = {
        "schema": 1,
        "kind": "niqe",
        "n_patches": model.n_patches,
        "provenance": dict(model.provenance),
        "mean": model.mean.tolist(),
        "covariance": model.covariance.tolist(),
    }
    write_json(Path(path), value)


def read_niqe_model(path: str | Path) -> NiqeModel:
    """The model in a file that `write_niqe_model` wrote; SettingError where it is none."""
    path = Path(path)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingError(f"NIQE model {str(path)!r} cannot be read: {error}. Make one: orbiq fit niqe DIR.") from None
    wrong = _wrong(value)
    if wrong:
        raise SettingError(f"{str(path)!r} is no NIQE model of schema 1: {wrong}. Make one: orbiq fit niqe DIR.")
    return NiqeModel(
        mean=np.array(value["mean"], float),
        covariance=np.array(value["covariance"], float),
        n_patches=int(value["n_patches"]),
        provenance=MappingProxyType(dict(value["provenance"])),
    )


def _wrong(value: Any) -> str:
    """What keeps a JSON value from being a model, "" if nothing."""
    if not isinstance(value, dict) or value.get("kind") != "niqe" or value.get("schema") != 1:
        return 'it does not say "kind": "niqe", "schema": 1'
    if not isinstance(value.get("provenance"), dict) or not isinstance(value.get("n_patches"), int):
        return "provenance and n_patches are missing"
    for name, shape in (("mean", (N_FEATURES,)), ("covariance", (N_FEATURES, N_FEATURES))):
        if not _is_numbers(value.get(name), shape):
            return f"{name} is no array of {shape} finite numbers"
    covariance = np.array(value["covariance"], float)
    if np.abs(covariance - covariance.T).max() > 1e-9 * np.abs(covariance).max() or (np.diag(covariance) <= 0).any():
        return "its covariance is none: not symmetric, or without variance"
    return ""


def _is_numbers(value: Any, shape: tuple[int, ...]) -> bool:
    try:
        array: Array = np.array(value, float)
    except (TypeError, ValueError):
        return False
    return array.shape == shape and bool(np.isfinite(array).all())


@cache
def shipped_niqe_model() -> NiqeModel:
    """The model that comes with orbiq; its provenance says what it was fitted on."""
    return read_niqe_model(SHIPPED)
