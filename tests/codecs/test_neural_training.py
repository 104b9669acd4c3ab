"""Training on small made-up images: it learns, repeatably, from valid pixels alone, whatever it is given."""

from math import log

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra learned: torch")

import torch

from orbiq.codecs.neural_model import KIND, kept_arrays, load_model, trained_state
from orbiq.codecs.neural_networks import UNIT, Networks
from orbiq.codecs.neural_training import Batches, CodecTraining, Shape, in_memory
from orbiq.errors import ImageError, SettingError
from orbiq.learning.checkpoints import checkpoint_step
from orbiq.learning.loop import Plan, fit
from orbiq.learning.weights import read_weights
from tests.codecs.pictures import picture
from tests.codecs.toy_model import toy_model

SMALL = Shape(width=8, latents=12)
BATCHES = Batches(images=2, patch_px=64)
PICTURES = [(picture((90, 120, 1), seed=k), None, 8) for k in range(3)]


pytestmark = pytest.mark.usefixtures("one_core")


@pytest.fixture(autouse=True)
def _same_chance():
    with torch.random.fork_rng():
        yield


def work_of(images=PICTURES, *, shape=SMALL, batches=BATCHES):
    return CodecTraining(shape, batches, in_memory(images), len(images))


def trained(folder, *, steps=6, work=None, log=lambda step, values: None, **changes):
    work = work or work_of()
    plan = Plan(**{"steps": steps, "rate": 1e-3, "warmup": 2, "log_every": 2, "judge_every": 4, **changes})
    return fit(work, plan, folder=folder, settings=work.settings(), log=log)


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def crops_of(images, *, shape=SMALL, number=0, n=12, seed=1):
    work = work_of([images, images], shape=shape)
    return work._crops(number, np.random.default_rng(seed), n)


# known answers


def test_the_loss_by_hand():
    """(bits per pixel + mean of λ² e²) / λ, for one λ all over."""
    work = work_of()
    work.module.requires_grad_(requires_grad=False)
    x = torch.from_numpy(crops_of(PICTURES[0], n=2))
    torch.manual_seed(3)
    loss, told = work._loss(x, np.full((2, 4, 4), 0.25))
    torch.manual_seed(3)
    passed = work.module(x, torch.full((2, 1, 4, 4), 0.25))
    rate = (passed.latent_bits + passed.hyper_bits) / 64**2
    mse = ((passed.picture - x) * UNIT).square().mean((1, 2, 3))
    assert float(loss) == pytest.approx(float(((rate + 0.25**2 * mse) / 0.25).mean()), rel=1e-4)
    assert told["mse"] == pytest.approx(float(mse.mean()), rel=1e-4)
    assert told["rate_bpp"] == pytest.approx(float(rate.mean()), rel=1e-4)
    assert 0 < told["hyper_bpp"] < told["rate_bpp"]


def test_a_block_of_four_times_the_weight_counts_sixteenfold():
    work = work_of()
    work.module.requires_grad_(requires_grad=False)
    x = torch.from_numpy(crops_of(PICTURES[0], n=1))
    lmbda = np.full((1, 4, 4), 0.1)
    lmbda[:, :2] = 0.4
    torch.manual_seed(3)
    loss, told = work._loss(x, lmbda)
    torch.manual_seed(3)
    picture_ = work.module(x, work._share(lmbda)).picture
    squared = ((picture_ - x) * UNIT).square()[0, 0]
    weighted = (16 * squared[:32].mean() + squared[32:].mean()) / 2 * 0.1**2
    assert float(loss) == pytest.approx((float(told["rate_bpp"]) + float(weighted)) / 0.25, rel=1e-4)


def test_lambda_is_drawn_over_the_whole_range_evenly_in_its_logarithm():
    work, rng = work_of(), np.random.default_rng(0)
    maps = [work._lmbda_map(rng, 16) for _ in range(400)]
    even = [m for m in maps if np.ptp(m) == 0]
    assert all(m.shape == (16, 16) and SMALL.least_lmbda <= m.min() <= m.max() <= SMALL.most_lmbda for m in maps)
    assert 150 < len(even) < 250
    logs = np.log([m[0, 0] for m in even])
    low, high = log(SMALL.least_lmbda), log(SMALL.most_lmbda)
    assert np.histogram(logs, 4, (low, high))[0].min() > len(even) / 8


# laws


def test_the_loss_falls(tmp_path):
    work = work_of()
    before = loss_of(work)
    work.module.load_state_dict(trained(tmp_path, steps=150, work=work, rate=4e-3, decay=50, mean_of=30))
    assert loss_of(work) < 0.9 * before


def loss_of(work):
    """On steps that nobody trains."""
    with torch.no_grad():
        return np.mean([float(work.loss(10_000 + k)[0]) for k in range(8)])


def test_the_same_seed_comes_to_the_same_weights(tmp_path):
    assert equal(trained(tmp_path / "one"), trained(tmp_path / "other"))


def test_another_seed_comes_to_others(tmp_path):
    other = work_of(batches=Batches(images=2, patch_px=64, seed=1))
    assert not equal(trained(tmp_path / "one"), trained(tmp_path / "other", work=other))


@pytest.mark.parametrize("stop_at", [2, 6])
def test_stopped_and_gone_on_it_comes_to_the_same_weights_bit_for_bit(tmp_path, stop_at):
    def stop(step, values):
        if step == stop_at:
            raise KeyboardInterrupt

    expected = trained(tmp_path / "whole", steps=9, decay=4)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "stopped", steps=9, decay=4, save_s=-1, log=stop)
    assert checkpoint_step(tmp_path / "stopped") == stop_at - 1
    torch.rand(7)  # chance that something else used up
    assert equal(trained(tmp_path / "stopped", steps=9, decay=4), expected)


def test_mixed_precision_learns_too_and_goes_on_where_it_was(tmp_path):
    work, how = work_of(), {"rate": 4e-3, "mean_of": 20, "half_precision": True}
    before = loss_of(work)
    mean = trained(tmp_path / "whole", steps=60, work=work, **how)
    trained(tmp_path / "parts", steps=30, **how)
    assert equal(trained(tmp_path / "parts", steps=60, **how), mean)
    work.module.load_state_dict(mean)
    assert loss_of(work) < 0.95 * before


def test_other_crops_come_when_a_pool_is_used_up(monkeypatch):
    monkeypatch.setattr("orbiq.codecs.neural_training._CROPS_A_VISIT", 1)
    monkeypatch.setattr("orbiq.codecs.neural_training._USES_A_CROP", 1)
    work, asked = work_of(), []
    pools = work._pools
    pool = pools.made(0)
    monkeypatch.setattr(pools, "pool", lambda number: asked.append(number) or pool)
    for step in range(16):
        work.loss(step)
    assert asked == [0] * 8 + [1] * 8  # two crops a step, of sixteen
    assert pool.shape == (16, 1, 64, 64)


def test_scores_are_of_images_held_back_and_repeatable(tmp_path):
    work = work_of()
    scores = work.judged()
    assert set(scores) == {f"{what}_{at}" for what in ("rate_bpp", "psnr_db") for at in ("0.03", "0.1", "0.3", "1")}
    assert scores["rate_bpp_0.03"] < scores["rate_bpp_1"]
    assert work.judged() == scores == work.last_judged
    assert work_of().judged() == scores


def test_a_narrow_range_of_lambda_is_judged_within_it():
    assert set(work_of(shape=Shape(width=8, latents=12, least_lmbda=0.05, most_lmbda=0.2)).judged()) == {
        "rate_bpp_0.1",
        "psnr_db_0.1",
    }


def test_other_settings_are_another_training(tmp_path):
    trained(tmp_path, steps=2)
    for other in (
        work_of(batches=Batches(images=3, patch_px=64)),
        work_of(batches=Batches(images=2, patch_px=64, seed=9)),
        work_of(shape=Shape(width=8, latents=12, most_lmbda=2.0)),
    ):
        with pytest.raises(SettingError, match="is of a training with other settings or images"):
            trained(tmp_path, work=other)


def test_pixels_that_are_not_valid_are_not_trained_on():
    array = np.full((200, 300, 1), 90, np.uint8)
    mask = np.zeros((200, 300), bool)
    mask[20:130, 100:230] = True
    array[~mask] = np.random.default_rng(1).integers(0, 256, (~mask).sum())[:, None]
    crops = crops_of((array, mask, 8), n=30)
    clean = np.ptp(crops, axis=(1, 2, 3)) == 0
    assert clean.sum() >= 20  # a few tries do not always find a place


def test_an_image_without_a_valid_pixel_does_no_harm(tmp_path):
    images = [(array, np.zeros(array.shape[:2], bool), 8) for array, _, _ in PICTURES]
    assert all(value.isfinite().all() for value in trained(tmp_path, steps=2, work=work_of(images)).values())


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (63, 64), (64, 64), (130, 40)])
@pytest.mark.parametrize("masked", [False, True])
def test_images_smaller_than_a_patch_are_enlarged(size, masked):
    array = picture((*size, 3))
    mask = np.ones(size, bool) if masked else None
    crops = crops_of((array, mask, 8), n=4)
    assert crops.shape == (4, 1, 64, 64)
    assert np.isfinite(crops).all()


def test_images_are_enlarged_by_reflection():
    array = np.arange(64 * 32, dtype=np.uint16).reshape(64, 32, 1)
    crops = crops_of((array, None, 16), n=6)
    assert np.allclose(crops[..., :32], crops[..., :31:-1], atol=1e-5)


@pytest.mark.parametrize(("dtype", "bits"), [("uint8", 8), ("uint16", 12), ("uint16", 16), ("int16", 12)])
def test_the_range_that_occurs_is_seen_whatever_the_kind(dtype, bits):
    """A gain of up to e^±0.35 and a shift of up to ±0.3 come on top of ±2."""
    array = picture((100, 100, 1), dtype)
    crops = crops_of((array, None, bits), n=20)
    assert 0.8 < np.abs(crops).max() < 2 * np.exp(0.35) + 0.3 + 1
    assert crops.dtype == np.float32


def test_a_uint16_image_of_8_bits_is_seen_as_that_of_uint8():
    array = picture((100, 100, 1))
    wide = crops_of((array.astype(np.uint16) * 16, None, 12))
    assert np.allclose(wide, crops_of((array, None, 8)), atol=0.1)


@pytest.mark.parametrize("bands", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("planes", [1, 3])
def test_images_of_any_bands(bands, planes):
    shape = Shape(bands=planes, width=8, latents=12)
    array = picture((80, 90, bands))
    assert crops_of((array, None, 8), shape=shape, n=8).shape == (8, planes, 64, 64)


def test_three_bands_at_once_are_trained(tmp_path):
    images = [(picture((80, 90, 3), seed=k), None, 8) for k in range(2)]
    mean = trained(tmp_path, steps=2, work=work_of(images, shape=Shape(bands=3, width=8, latents=12)))
    assert mean["analysis.0.weight"].shape == (8, 3, 5, 5)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_images_are_refused(count):
    with pytest.raises(SettingError, match=f"{count} images are too few to train on: expected two or more, one to"):
        work_of(PICTURES[:count])


def test_an_image_without_bands_is_refused():
    with pytest.raises(ImageError, match="without bands"):
        crops_of((np.zeros((5, 5, 0), np.uint8), None, 8))


def test_weights_that_are_no_numbers_end_in_a_sentence(tmp_path):
    work = work_of()
    with torch.no_grad():
        work.module.to_latents.weight[0, 0, 0, 0] = np.nan
    with pytest.raises(SettingError, match="the loss is nan by step 2: choose a lower rate, or look at the images"):
        trained(tmp_path, work=work)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (Shape, {"bands": 2}, r"bands is 2; expected 1 \(band by band\) or 3"),
        (Shape, {"width": 0}, "width is 0 and latents 192; expected at least 1 channel"),
        (Shape, {"latents": -1}, "width is 64 and latents -1; expected at least 1 channel"),
        (Shape, {"least_lmbda": 2.0}, "λ runs from 2 to 1; expected above 0, the smaller first"),
        (Shape, {"least_lmbda": 0.0}, "λ runs from 0 to 1; expected above 0, the smaller first"),
        (Batches, {"images": 0}, "a batch of 0 patches of 128 pixels cannot be"),
        (Batches, {"patch_px": 100}, "a batch of 8 patches of 100 pixels cannot be: .* a multiple of 64 pixels"),
        (Batches, {"patch_px": 0}, "a batch of 8 patches of 0 pixels cannot be"),
    ],
)
def test_settings_that_cannot_be_are_refused(kind, settings, message):
    with pytest.raises(SettingError, match=message):
        kind(**settings)


# agreement


def test_the_rate_that_is_trained_for_is_what_coding_takes(tmp_path):
    """Within a tenth, and the tile's few bytes, of the bits of a whole image at the level of that λ."""
    from orbiq.arrays import Scene
    from orbiq.codecs.neural import FixedQuality
    from orbiq.codecs.neural_model import KIND, N_LEVELS, kept_arrays
    from orbiq.learning.weights import write_weights

    work = work_of(shape=Shape(width=16, latents=32))
    trained(tmp_path, steps=40, work=work)
    low, high = work.shape.least_lmbda, work.shape.most_lmbda
    said = {"bands": 1, "width": 16, "latents": 32, "least_lmbda": low, "most_lmbda": high}
    description = {"kind": KIND, "shape": said, "calibration": {"alpha": 1.0, "a": 1.0, "b": 0.0}}
    path = tmp_path / "m.safetensors"
    write_weights(path, kept_arrays(work.module, np.geomspace(low, high, N_LEVELS)), description)
    array = picture((512, 512, 1), seed=20)
    codec = FixedQuality(model=str(path), lmbda=high, block=0)
    stream, _ = codec.coded(Scene(array=array))
    head = codec.head(Scene(array=array), codec.loaded())
    x = torch.from_numpy(head.scalings[0].seen(array))[None]
    with torch.no_grad():
        passed = work.module(x, torch.ones(1, 1, 32, 32) * 2.0 ** (head.scalings[0].depth_bits - 8))
    assert 8 * len(stream) == pytest.approx(float(passed.latent_bits + passed.hyper_bits), rel=0.1, abs=800)


def test_a_model_s_file_is_where_another_training_can_begin(tmp_path):
    """All weights are there: transforms in half precision, the hyper-decoder in multiples of 2^-12."""
    path = toy_model(tmp_path / "model.safetensors")
    state = trained_state(read_weights(path, kind=KIND))
    networks = Networks(width=8, latents=12)
    assert networks.load_state_dict(state).missing_keys == []
    again = kept_arrays(networks, load_model(path).lmbdas)
    kept = read_weights(path, kind=KIND).arrays
    for name, array in again.items():
        if not name.startswith(("tables.hyper", "mask_index")):  # made of what was rounded
            assert np.array_equal(array, kept[name]), name
