"""What every metric of images keeps to, whoever wrote it: one test for the whole registry."""

import importlib.util
import types
import warnings
from math import inf, isfinite, isnan, nan

import numpy as np
import pytest

from orbiq.arrays import Scene
from orbiq.errors import ImageError, OrbiqError
from orbiq.metrics.applied import apply_metrics
from orbiq.metrics.catalogue import METRICS, metric_spec
from orbiq.metrics.chosen import load_metric
from orbiq.optics import blur
from orbiq.tiles import tiling

N = 256
LEARNED = {name for name, entry in METRICS.built_in.items() if entry.extra == "learned"}
"""Metrics that are networks: single precision, and only where torch is."""
HAS_TORCH = importlib.util.find_spec("torch") is not None
OF_IMAGES = [
    name
    for name in METRICS.built_in
    if metric_spec(name).needs in {"image", "pair"} and (HAS_TORCH or name not in LEARNED)
]
PAIRS = [name for name in OF_IMAGES if metric_spec(name).needs == "pair"]
SAMPLES = {
    "niirs": {"gsd_m": 0.5},
    "ergas": {"ratio": 0.25},
    "band_index": {"formula": "b1/(b1-b2)"},
    "radiometric_error": {"gain": 0.0001},
}
"""Options without which a metric cannot say anything."""
WITHOUT_PEAK = {"mse", "rmse", "mae", "max_error", "sam", "ergas", "rase", "uqi", "q2n", "scc"} | {
    "band_index", "radiometric_error",
    "spectral_correlation", "relative_bias", "snr", "edges", "rer", "fwhm", "mtf", "niirs", "aliasing", "entropy",
    "blockiness", "ringing",
}  # fmt: skip
"""Metrics for which it does not matter how much the data could hold."""


def _scene(seed: int = 0, *, bands: int = 3, n: int = N) -> np.ndarray:
    """Fields with straight borders, a little texture and noise: something to measure for every metric."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:n, :n] / n
    fields = 60 + 80 * (np.sin(0.9 * np.floor(5 * (x + 0.13 * y)) + 2.1 * np.floor(4 * (y - 0.11 * x))) > 0)
    texture = 12 * np.sin(40 * x * y) * (x > 0.7)
    image = blur((fields + texture)[..., None] * np.array([1.0, 0.9, 0.75, 0.6])[:bands], 0.7)
    return np.clip(np.rint(image + rng.normal(0, 1.5, image.shape)), 1, 255).astype(np.uint8)


def _worse(image: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(9).normal(0, 3, image.shape)
    return np.clip(np.rint(blur(image, 0.8) + noise), 1, 255).astype(np.uint8)


REFERENCE, IMAGE = _scene(), _worse(_scene())


def _near(name, tolerance):
    return dict.fromkeys(("rel", "abs"), 1e-4 if name in LEARNED else tolerance)


def _apply(name, image, reference=None, **options):
    metric = load_metric({"name": name, **SAMPLES.get(name, {}), **options})
    reference = reference if metric.needs == "pair" else None
    [said] = apply_metrics([metric], image, reference=reference)
    return said.scores


def _scores(name, image=IMAGE, reference=REFERENCE, *, mask=None, peak=255.0):
    """Scores of arrays; those that could not be had are an error of the test."""
    first = Scene(array=reference, mask=mask, peak=peak, name="reference")
    second = Scene(array=image, mask=mask, peak=peak, name="image")
    said = _apply(name, second, first)
    return {key: estimate.value for key, estimate in said.items()}, said


def _reasons(name, image=IMAGE, reference=REFERENCE, **known):
    _, said = _scores(name, image, reference, **known)
    return {estimate.reason for estimate in said.values() if isnan(estimate.value)}, said


def test_samples_are_of_known_metrics():
    assert set(SAMPLES) | WITHOUT_PEAK <= set(OF_IMAGES)


def test_public_names_are_functions_whatever_was_imported_before():
    import orbiq.metrics

    for name in METRICS.built_in:
        METRICS.load(name)  # a module of the same name would take its place in the package
    for name in orbiq.metrics.__all__:
        assert not isinstance(getattr(orbiq.metrics, name), types.ModuleType), name


@pytest.mark.parametrize("name", OF_IMAGES)
def test_scores_are_those_of_the_spec_and_within_range(name):
    values, said = _scores(name)
    specs = {spec.name: spec for spec in metric_spec(name).scores}
    assert values
    assert set(values) <= set(specs)
    main = metric_spec(name).scores[0].name
    assert isfinite(values[main]), said[main].reason
    for key, value in values.items():
        if not isnan(value):
            assert specs[key].low <= value <= specs[key].high, key
        else:
            assert len(said[key].reason) > 10


@pytest.mark.parametrize("name", OF_IMAGES)
def test_input_is_untouched_and_answers_repeat(name):
    reference, image = REFERENCE.copy(), IMAGE.copy()
    first, _ = _scores(name, image, reference)
    again, _ = _scores(name, image, reference)
    assert np.array_equal(reference, REFERENCE)
    assert np.array_equal(image, IMAGE)
    np.testing.assert_equal(first, again)


@pytest.mark.parametrize("name", OF_IMAGES)
def test_tiles_change_nothing(name):
    with tiling(size=96, threads=2):
        tiled, _ = _scores(name)
    with tiling(size=100_000, threads=1):
        whole, _ = _scores(name)
    assert tiled == pytest.approx(whole, nan_ok=True, **_near(name, 1e-10))


@pytest.mark.parametrize("name", OF_IMAGES)
def test_masked_is_cropped(name):
    """Beginning at a multiple of 192 pixels, so that blocks and halved pixels are the same ones."""
    reference = _scene(n=416)
    image = _worse(reference)
    rows, cols = slice(192, 416), slice(0, 224)
    mask = np.zeros(image.shape[:2], bool)
    mask[rows, cols] = True
    spoilt, spoilt_reference = image.copy(), reference.copy()
    spoilt[~mask], spoilt_reference[~mask] = 255, 3
    masked, _ = _scores(name, spoilt, spoilt_reference, mask=mask)
    cropped, _ = _scores(name, image[rows, cols].copy(), reference[rows, cols].copy())
    assert masked == pytest.approx(cropped, nan_ok=True, **_near(name, 1e-9))


@pytest.mark.parametrize("name", OF_IMAGES)
@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "float64"])
def test_dtypes_of_the_same_values_give_the_same(name, dtype):
    as_dtype, _ = _scores(name, IMAGE.astype(dtype), REFERENCE.astype(dtype))
    if dtype.startswith("float") and name in {"snr", "entropy"}:
        return  # whole numbers are what these are defined on; floats have a rule of their own
    plain, _ = _scores(name)
    assert as_dtype == pytest.approx(plain, rel=1e-9, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("name", OF_IMAGES)
def test_float32_is_float64_at_a_large_offset(name):
    rng = np.random.default_rng(4)
    image = (IMAGE + rng.random(IMAGE.shape)).astype(np.float32) + np.float32(50_000)
    reference = (REFERENCE + rng.random(IMAGE.shape)).astype(np.float32) + np.float32(50_000)
    single, _ = _scores(name, image, reference, peak=65535.0)
    double, _ = _scores(name, image.astype(float), reference.astype(float), peak=65535.0)
    assert single == pytest.approx(double, rel=1e-6, abs=1e-7, nan_ok=True)


@pytest.mark.parametrize("name", OF_IMAGES)
def test_one_band_may_be_two_dimensional(name):
    arguments = [REFERENCE, IMAGE] if metric_spec(name).needs == "pair" else [IMAGE]
    flat, solid = [a[..., 0] for a in arguments], [a[..., :1] for a in arguments]
    assert _said(name, flat) == _said(name, solid)


def _said(name, arguments):
    try:
        return str(METRICS.load(name)(*arguments, **SAMPLES.get(name, {})))
    except OrbiqError as error:
        return str(error)


BAD = {
    "complex": (lambda a: a.astype(complex), "complex"),
    "boolean": (lambda a: a > 99, "bool"),
    "nan": (lambda a: np.where(np.arange(a.size).reshape(a.shape) == 777, np.nan, a.astype(float)), "NaN"),
    "infinite": (lambda a: np.where(np.arange(a.size).reshape(a.shape) == 777, np.inf, a.astype(float)), "infinite"),
}


@pytest.mark.parametrize("name", OF_IMAGES)
@pytest.mark.parametrize("kind", BAD)
def test_bad_values_are_one_sentence_and_no_number(name, kind):
    spoil, word = BAD[kind]
    reasons, said = _reasons(name, spoil(IMAGE))
    assert all(isnan(estimate.value) for estimate in said.values())
    assert all(word in reason and "\n" not in reason for reason in reasons)


@pytest.mark.parametrize("name", OF_IMAGES)
def test_an_empty_mask_is_one_sentence(name):
    reasons, said = _reasons(name, mask=np.zeros((N, N), bool))
    assert all(isnan(e.value) or (key == "n_edges" and e.value == 0) for key, e in said.items())
    assert all("valid" in reason or "homogeneous" in reason or "edge" in reason for reason in reasons)


@pytest.mark.parametrize("name", OF_IMAGES)
def test_a_constant_image_gives_a_number_or_a_reason(name):
    flat = np.full((N, N, 3), 100, np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values, said = _scores(name, flat, flat)
    for key, value in values.items():
        assert not isnan(value) or len(said[key].reason) > 10


@pytest.mark.parametrize("name", OF_IMAGES)
def test_a_tiny_image_gives_a_number_or_a_reason(name):
    values, said = _scores(name, IMAGE[:3, :2], REFERENCE[:3, :2])
    for key, value in values.items():
        assert not isnan(value) or len(said[key].reason) > 10


@pytest.mark.parametrize("name", PAIRS)
def test_shapes_that_differ_are_refused(name):
    with pytest.raises(ImageError, match=r"reference is \(256, 256, 3\) but image is \(256, 255, 3\)"):
        METRICS.load(name)(REFERENCE, IMAGE[:, :-1], **SAMPLES.get(name, {}))


@pytest.mark.parametrize("name", sorted(set(OF_IMAGES) - WITHOUT_PEAK))
def test_a_missing_or_exceeded_peak_is_one_sentence(name):
    wide = IMAGE.astype(np.uint16), REFERENCE.astype(np.uint16)
    reasons, said = _reasons(name, *wide, peak=None)
    assert all(isnan(estimate.value) for estimate in said.values())
    assert all("largest value" in reason for reason in reasons)
    reasons, said = _reasons(name, *wide, peak=100.0)
    assert all(isnan(estimate.value) for estimate in said.values())
    assert all("above its peak of 100" in reason for reason in reasons)


@pytest.mark.parametrize("name", sorted(set(OF_IMAGES) - WITHOUT_PEAK))
@pytest.mark.parametrize("peak", [inf, 0.0, -1.0])
def test_a_peak_that_can_be_none_is_one_sentence(name, peak):
    reasons, said = _reasons(name, peak=peak)
    assert all(isnan(estimate.value) for estimate in said.values())
    assert all(f"peak is {peak}; expected a finite number > 0" in reason for reason in reasons)
    reasons, said = _reasons(name, peak=nan)
    assert all(isnan(estimate.value) for estimate in said.values())
    assert all("peak of nan" in reason or "peak is nan" in reason for reason in reasons)


@pytest.mark.parametrize("name", PAIRS)
def test_identity_is_the_best_there_is(name):
    values, _ = _scores(name, REFERENCE, REFERENCE)
    worse, _ = _scores(name)
    for spec in metric_spec(name).scores:
        best = spec.best if spec.best is not None else (spec.high if spec.higher_is_better else spec.low)
        if np.isfinite(best):
            assert values[spec.name] == pytest.approx(best, abs=1e-9)
        assert worse[spec.name] != values[spec.name]
