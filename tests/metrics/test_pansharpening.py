"""Quality with no reference: images of two sizes, one ground."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbiq.arrays import Scene
from orbiq.errors import ImageError, SettingError
from orbiq.imageio import open_raster, write_image
from orbiq.metrics.pansharpening import SPECS, d_lambda, d_s, qnr
from orbiq.metrics.pansharpening_grids import coarse_pan
from orbiq.optics import blur, decimate, psf_sigma
from orbiq.tiles import tiling

RATIO = 4


def _scene(seed=0, *, rows=24, cols=32, bands=3, ratio=RATIO):
    """A fine scene of some bands, its pan, and what a coarse sensor of MTF 0.3 sees of it."""
    rng = np.random.default_rng(seed)
    common = blur(rng.normal(0, 1, (rows * ratio, cols * ratio)), 1.5)
    own = blur(rng.normal(0, 1, (rows * ratio, cols * ratio, bands)), 1.5)
    fine = 1000 + 900 * common[..., None] * np.linspace(1, 0.5, bands) + 300 * own
    coarse = decimate(blur(fine, psf_sigma(0.3, gsd=ratio)), ratio)
    return fine, fine.mean(axis=2), coarse


def _larger(image, ratio=RATIO):
    return np.repeat(np.repeat(image, ratio, axis=0), ratio, axis=1)


def _q(x, y):
    (va, c), (_, vb) = np.cov(x.ravel(), y.ravel())
    return 4 * c * x.mean() * y.mean() / ((va + vb) * (x.mean() ** 2 + y.mean() ** 2))


def _mean_q(x, y, block):
    rows, cols = (n // block * block for n in x.shape)
    return np.mean(
        [
            _q(x[r : r + block, c : c + block], y[r : r + block, c : c + block])
            for r in range(0, rows, block)
            for c in range(0, cols, block)
        ]
    )


# known answers


def test_the_same_in_larger_pixels_is_perfect():
    _, _, coarse = _scene()
    fused = _larger(coarse)
    assert d_lambda(coarse, fused) == pytest.approx(0, abs=1e-5)  # n − 1 of more pixels, in both variances
    assert d_s(fused[..., 0], coarse[..., :1], fused[..., :1], pan_mtf_nyquist=1) == pytest.approx(0, abs=1e-12)


def test_bands_that_become_one_lose_their_relations():
    _, pan, coarse = _scene()
    grey = np.repeat(pan[..., None], 3, axis=2)
    separate = np.mean([_mean_q(coarse[..., i], coarse[..., j], 8) for i, j in ((0, 1), (0, 2), (1, 2))])
    assert d_lambda(coarse, grey) == pytest.approx(1 - separate, abs=1e-9)


def test_the_true_fine_image_is_better_than_an_enlarged_one():
    fine, pan, coarse = _scene(rows=48, cols=48)
    enlarged = _larger(coarse)
    assert qnr(pan, coarse, fine) > 0.9
    assert d_s(pan, coarse, fine) < 0.05 < d_s(pan, coarse, enlarged)
    assert qnr(pan, coarse, fine) > qnr(pan, coarse, enlarged)


def test_a_tone_passes_into_the_coarse_pan_as_the_mtf_says():
    """At half the coarse Nyquist frequency a Gaussian of MTF m passes m^(1/4)."""
    ratio, n = 4, 256
    x = (np.arange(n) + 0.5) / ratio
    wave = 100 + np.tile(np.cos(2 * np.pi * x / 4), (n, 1))
    pan = Scene(array=wave[..., None], name="pan")
    coarse = coarse_pan(pan, ratio=ratio, mtf_nyquist=0.3).window(slice(8, 56), slice(8, 56))[0][..., 0]
    right = 100 + 0.3**0.25 * np.cos(2 * np.pi * (np.arange(8, 56) + 0.5) / 4)
    assert coarse == pytest.approx(np.tile(right, (48, 1)), abs=1e-3)


# laws


@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(9, 150), ratio=st.sampled_from([2, 3, 4]))
def test_tiled_is_whole_and_masked_is_cropped_at_blocks(seed, size, ratio):
    fine, pan, coarse = _scene(seed, ratio=ratio)
    mask = np.zeros(pan.shape, bool)
    mask[8 * ratio : 22 * ratio, 8 * ratio :] = True
    crop = slice(8 * ratio, 22 * ratio), slice(8 * ratio, None)
    fused = fine + np.random.default_rng(seed).normal(0, 50, fine.shape)
    spoilt_fused, spoilt_pan = np.where(mask[..., None], fused, np.nan), np.where(mask, pan, np.nan)
    with tiling(size=10**6):
        whole = qnr(pan, coarse, fused)
        cropped = qnr(pan[crop], coarse[8:22, 8:], fused[crop])
    with tiling(size=size):
        assert qnr(pan, coarse, fused) == pytest.approx(whole, abs=1e-12)
        assert qnr(spoilt_pan, coarse, spoilt_fused, mask=mask) == pytest.approx(cropped, abs=1e-10)


def test_nodata_of_any_of_the_three_counts_in_all():
    fine, pan, coarse = _scene()
    crop = slice(8 * RATIO, None)
    right = qnr(pan[crop], coarse[8:], fine[crop])
    low = np.ones(coarse.shape[:2], bool)
    low[:8] = False
    high = _larger(low)
    no_pan = Scene(array=np.where(high, pan, np.nan)[..., None], mask=high)
    no_fused = Scene(array=np.where(high[..., None], fine, np.nan), mask=high)
    no_ms = Scene(array=np.where(low[..., None], coarse, np.nan), mask=low)
    assert qnr(no_pan, coarse, fine) == pytest.approx(right, abs=1e-10)
    # a filter that sees valid pan pixels beyond the mask is no worse for it
    assert qnr(pan, coarse, no_fused) == pytest.approx(right, abs=2e-3)
    assert qnr(pan, no_ms, fine) == pytest.approx(right, abs=2e-3)


def test_one_masked_fine_pixel_takes_out_one_block():
    fine, _, coarse = _scene()
    mask = np.ones(fine.shape[:2], bool)
    mask[0, 0] = False
    spoilt = fine.copy()
    spoilt[0, 0] = np.nan
    low, high = coarse[:8, 8:], fine[: 8 * RATIO, 8 * RATIO :]
    with_spoilt = d_lambda(coarse[:8], spoilt[: 8 * RATIO], mask=mask[: 8 * RATIO])
    assert with_spoilt == pytest.approx(d_lambda(low, high), abs=1e-12)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_any_dtype(dtype):
    fine, pan, coarse = (np.rint(v) for v in _scene())
    assert qnr(*(v.astype(dtype) for v in (pan, coarse, fine))) == pytest.approx(qnr(pan, coarse, fine), abs=1e-12)


def test_exponents():
    fine, pan, coarse = _scene()
    spectral, spatial = d_lambda(coarse, fine), d_s(pan, coarse, fine)
    assert qnr(pan, coarse, fine) == pytest.approx((1 - spectral) * (1 - spatial))
    assert qnr(pan, coarse, fine, alpha=2, beta=0) == pytest.approx((1 - spectral) ** 2)
    assert d_lambda(coarse, fine, p=2) >= spectral
    assert d_s(pan, coarse, fine, q=2) >= spatial


def test_the_largest_difference_is_left_by_large_exponents():
    fine, pan, coarse = _scene()
    changes = [d_lambda(coarse[..., pair], fine[..., pair]) for pair in ([0, 1], [0, 2], [1, 2])]
    assert d_lambda(coarse, fine, p=1e6) == pytest.approx(max(changes), rel=1e-5)
    assert d_s(pan, coarse, pan[..., None] + 0 * fine, q=400) > 0


def test_no_change_is_0_for_any_exponent():
    coarse = np.repeat(_scene()[1][:24, :32, None], 3, axis=2)
    assert d_lambda(coarse, _larger(coarse), p=400) == 0


def test_opposed_bands_reach_the_end_of_the_range():
    coarse = 100 + np.random.default_rng(0).normal(0, 1, (8, 8, 1)) * [1, 1]
    fused = 100 + _larger(coarse - 100) * [1, -1]
    assert 1.99 < d_lambda(coarse, fused) <= SPECS["d_lambda"].scores[0].high == SPECS["d_s"].scores[0].high == 2
    assert SPECS["qnr"].scores[0].high == 1


# agreement


def test_as_the_formulas_block_by_block():
    fine, pan, coarse = _scene(3)
    fused = fine + np.random.default_rng(3).normal(0, 100, fine.shape)
    pairs = [(0, 1), (0, 2), (1, 2)]
    changes = [
        _mean_q(fused[..., i], fused[..., j], 8 * RATIO) - _mean_q(coarse[..., i], coarse[..., j], 8) for i, j in pairs
    ]
    assert d_lambda(coarse, fused) == pytest.approx(np.mean(np.abs(changes)), abs=1e-12)
    low = coarse_pan(Scene(array=pan[..., None]), ratio=RATIO, mtf_nyquist=0.3).window(slice(0, 24), slice(0, 32))[0]
    changes = [_mean_q(fused[..., i], pan, 8 * RATIO) - _mean_q(coarse[..., i], low[..., 0], 8) for i in range(3)]
    assert d_s(pan, coarse, fused) == pytest.approx(np.mean(np.abs(changes)), abs=1e-12)


def test_files(tmp_path):
    fine, pan, coarse = (np.rint(v).astype(np.uint16) for v in _scene())
    for name, array in (("pan.tif", pan[..., None]), ("ms.tif", coarse), ("fused.tif", fine)):
        write_image(tmp_path / name, array)
    with (
        open_raster(tmp_path / "pan.tif") as a,
        open_raster(tmp_path / "ms.tif") as b,
        open_raster(tmp_path / "fused.tif") as c,
        tiling(size=40),
    ):
        assert qnr(a, b, c) == pytest.approx(qnr(pan, coarse, fine), abs=1e-12)


# bad input


def test_bad_input():
    fine, pan, coarse = _scene()
    with pytest.raises(ImageError, match=r"fused is \(95, 128, 3\) but ms is \(24, 32, 3\).*times one whole number"):
        d_lambda(coarse, fine[1:])
    with pytest.raises(ImageError, match=r"fused is \(24, 32, 3\) but ms is \(24, 32, 3\)"):
        d_lambda(coarse, coarse)
    with pytest.raises(ImageError, match=r"fused is \(96, 128, 2\) but ms is"):
        d_lambda(coarse, fine[..., :2])
    with pytest.raises(ImageError, match=r"pan is \(96, 128, 3\) but fused is .*one band"):
        d_s(fine, coarse, fine)
    with pytest.raises(ImageError, match="ms has 1 band, but spectral distortion compares bands"):
        d_lambda(coarse[..., 0], fine[..., 0])
    with pytest.raises(ImageError, match=r"has no valid block of 64 × 64 pixels to measure"):
        d_lambda(coarse, fine, block=64)
    with pytest.raises(ImageError, match="fused has pixels that are NaN or infinite"):
        qnr(pan, coarse, np.where(fine == fine.max(), np.nan, fine))
    with pytest.raises(ImageError, match="pan has pixels that are NaN or infinite"):
        qnr(np.where(pan == pan.max(), np.nan, pan), coarse, fine)
    with pytest.raises(ImageError, match=r"mask is bool \(24, 32\) but fused is \(96, 128\)"):
        d_lambda(coarse, fine, mask=np.ones((24, 32), bool))


@pytest.mark.parametrize(
    "settings",
    [
        {"q": 0.5},
        {"q": float("inf")},
        {"q": float("nan")},
        {"pan_mtf_nyquist": 0},
        {"pan_mtf_nyquist": 1.5},
        {"block": 1},
    ],
)
def test_bad_settings(settings):
    fine, pan, coarse = _scene()
    with pytest.raises(SettingError, match="expected"):
        d_s(pan, coarse, fine, **settings)


@pytest.mark.parametrize("settings", [{"alpha": -1}, {"beta": -0.5}, {"alpha": float("inf")}, {"beta": float("nan")}])
def test_bad_exponents_of_qnr(settings):
    fine, pan, coarse = _scene()
    with pytest.raises(SettingError, match=f"{next(iter(settings))} of qnr is .*; expected a finite number"):
        qnr(pan, coarse, fine, **settings)
