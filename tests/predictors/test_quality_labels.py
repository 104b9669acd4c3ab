"""Images coded at known qualities, by libjpeg and by another coder."""

import numpy as np
import pytest

from orbiq.errors import OrbiqError
from orbiq.predictors.quality_coder import recoded, tables
from orbiq.predictors.quality_labels import CLASSES, Draws, damaged, libjpeg
from tests.codecs.pictures import picture

PIXELS = np.asarray(picture((96, 112, 3), seed=3), np.uint8)


def mse(first, second):
    return float(np.mean((first.astype(float) - second) ** 2))


# known answers


def test_tables_are_those_of_the_standard():
    luma, chroma = tables(50)
    assert luma[0].tolist() == [16, 11, 10, 16, 24, 40, 51, 61]
    assert luma[7].tolist() == [72, 92, 95, 98, 112, 100, 103, 99]
    assert chroma[:4, :4].tolist() == [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
    assert (chroma[4:] == 99).all()
    assert (tables(100)[0] == 1).all()
    assert tables(10)[0][0, 0] == 80
    assert tables(1)[0].max() == 255
    assert np.array_equal(tables(0)[0], tables(1)[0])


@pytest.mark.parametrize("quality", [5, 50, 90, 100])
def test_both_coders_agree_on_grey(quality):
    """A coefficient between two steps may fall to either side; both lose the same."""
    grey = PIXELS[..., :1]
    one, other = libjpeg(quality)(grey), recoded(grey, quality=quality)
    assert mse(one, other) < 0.05 * mse(one, grey) + 0.15
    assert mse(one, grey) == pytest.approx(mse(other, grey), rel=0.01, abs=0.02)


def test_both_coders_agree_on_colour():
    one, other = libjpeg(80, "444")(PIXELS), recoded(PIXELS, quality=80, subsampling="444")
    assert mse(one, PIXELS) == pytest.approx(mse(other, PIXELS), rel=0.02)
    assert mse(one, other) < 0.05 * mse(one, PIXELS)


@pytest.mark.parametrize("subsampling", ["422", "420"])
def test_thin_chroma_is_interpolated_by_libjpeg_alone_and_luma_the_same(subsampling):
    one, other = libjpeg(80, subsampling)(PIXELS), recoded(PIXELS, quality=80, subsampling=subsampling)
    inside = (one > 0) & (one < 255) & (other > 0) & (other < 255)
    luma = (np.where(inside.all(2, keepdims=True), one - other.astype(float), 0) @ [0.299, 0.587, 0.114]).ravel()
    assert mse(luma, 0) < 0.02 * mse(one, PIXELS)
    assert mse(one, PIXELS) < mse(other, PIXELS)


# laws


def test_rounding_towards_zero_loses_more():
    errors = [mse(recoded(PIXELS, quality=60, rounding=r), PIXELS) for r in (0.5, 0.42, 0.33)]
    assert errors == sorted(errors)
    assert errors[0] < errors[-1]


def test_coding_again_at_the_same_quality_changes_little():
    once = recoded(PIXELS, quality=40, subsampling="444")
    assert mse(recoded(once, quality=40, subsampling="444"), once) < 0.1 * mse(once, PIXELS)


def test_two_thirds_of_the_logarithmic_qualities_are_high():
    rng = np.random.default_rng(1)
    drawn = {w: Draws(weighting=w).qualities(rng, 20_000) for w in ("log", "uniform", "classes")}
    assert (drawn["log"] >= 80).mean() == pytest.approx(np.log(21.5) / np.log(100.5), abs=0.01)
    assert (drawn["uniform"] >= 80).mean() == pytest.approx(0.21, abs=0.01)
    assert set(drawn["classes"]) == set(CLASSES)
    assert all(q.min() >= 0 and q.max() <= 100 for q in drawn.values())


@pytest.mark.parametrize("share", ["lossless", "spoilt", "twice", "otherwise", "cut"])
@pytest.mark.parametrize("bands", [1, 3])
def test_a_piece_keeps_its_size_less_16_however_it_is_coded(share, bands):
    draws, rng = (
        Draws(**{"lossless": 0, "spoilt": 0, "twice": 0, "otherwise": 0, "cut": 0, share: 1.0}),
        np.random.default_rng(2),
    )
    for quality in (1, 60, 99):
        pixels, truth = damaged(PIXELS[..., :bands], quality, draws, rng)
        assert pixels.shape == (80, 96, bands)
        assert pixels.dtype == np.uint8
        assert 1 <= truth <= 100
        if share != "spoilt":
            assert truth == (100 if share == "lossless" else quality)


def test_lossless_pieces_are_untouched():
    pixels, truth = damaged(PIXELS, 5, Draws(lossless=1), np.random.default_rng(0))
    assert truth == 100
    assert any(
        np.array_equal(pixels, PIXELS[top : top + 80, left : left + 96]) for top in range(17) for left in range(17)
    )


def test_shares_are_shares():
    with pytest.raises(OrbiqError, match="twice is 2; expected a share"):
        Draws(twice=2)
    with pytest.raises(OrbiqError, match="'even'"):
        Draws(weighting="even")
