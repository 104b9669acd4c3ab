"""The degradation regressors: training, files, images of any kind, and what the shipped ones say of known damage."""

import pickle
from functools import cache
from math import inf, isnan

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the degradation regressors need torch: pip install 'orbiq[learned]'")

from orbiq.arrays import Scene  # noqa: E402
from orbiq.datasets.scenes import AirportScenes, airport_scene  # noqa: E402
from orbiq.errors import ImageError, SettingError, UnknownName  # noqa: E402
from orbiq.learning.loop import Plan, fit  # noqa: E402
from orbiq.learning.weights import write_weights  # noqa: E402
from orbiq.modifiers.base import MODIFIERS  # noqa: E402
from orbiq.predictors.degradation_labels import PARAMETERS  # noqa: E402
from orbiq.predictors.degradation_network import (  # noqa: E402
    FIELD_PX,
    STEP_PX,
    DegradationNetwork,
    filter_bank,
    network_input,
)
from orbiq.predictors.degradation_pieces import Source  # noqa: E402
from orbiq.predictors.degradation_scores import Aim, Aims  # noqa: E402
from orbiq.predictors.degradation_training import Batches, DegradationTraining, one_hot  # noqa: E402
from orbiq.predictors.degradation_validation import calibrated_widths, calibration_error, judged  # noqa: E402
from orbiq.predictors.degradations import FIELD, Degradations, degradations  # noqa: E402
from orbiq.registry import build  # noqa: E402
from orbiq.tiles import tiling  # noqa: E402


@cache
def _scene(n: int = 288, seed: int = 3) -> np.ndarray:
    """A generated airport of 12 bits, blurred by 0.5 px and without noise, as floats of 0 … 255."""
    settings = AirportScenes(
        rows=n, cols=n, gsd_m=1.5, mtf_nyquist=float(np.exp(-((np.pi * 0.5) ** 2) / 2)), snr=inf, bit_depth=12,
        n_airplanes=(3, 6), wingspan_m=(14, 40), seed=seed,
    )  # fmt: skip
    return airport_scene(settings, 0).image * (255 / 4095)


def _photo(noise_dn: float = 1.0) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, noise_dn, _scene().shape)
    return np.clip(np.rint(_scene() + noise), 0, 255).astype(np.uint8)


def _network(seed: int = 0) -> DegradationNetwork:
    torch.manual_seed(seed)
    network = DegradationNetwork(widths=(16, 16)).eval()
    with torch.no_grad():  # as if it had seen pieces
        network.normal.running_mean.fill_(0.5)
    return network


def _written(path, built, **more):
    arrays = {name: value.numpy() for name, value in built.state_dict().items()}
    widths = {name: {"0.9": 2.0, "0.95": 3.0} for name in PARAMETERS}
    description = {"kind": "degradations", "schema": 1, "network": built.settings(), "calibration": widths}
    write_weights(path, arrays, description | more)
    return path


@pytest.fixture
def model(tmp_path):
    return Degradations.load(_written(tmp_path / "model.safetensors", _network()))


def _values(measured) -> list[float]:
    return [e for told in measured.scores().values() for e in (told.value, told.low, told.high)]


# training


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    planes = [_scene(seed=seed)[..., 1].astype(np.float32) for seed in (3, 4)]
    sources = [Source(read=lambda _, p=plane: p, sigma_px=0.5, noise_dn=0.0) for plane in planes]
    folder = tmp_path_factory.mktemp("training")
    batches = Batches(images=16, pieces=32)
    return DegradationTraining(sources[:1], sources[1:], batches, kept=folder / "pieces"), sources, folder


def test_a_few_steps_lower_the_loss_and_a_file_gives_the_same_output(training):
    work, _, folder = training
    told = []
    plan = Plan(steps=60, rate=3e-3, warmup=5, mean_of=10, log_every=10, judge_every=60)
    mean = fit(work, plan, folder=folder / "run", settings=work.settings(), log=lambda step, v: told.append((step, v)))
    losses = [values["loss"] for _, values in told if "rate" in values]
    assert losses[-1] < losses[0] - 1
    assert set(work.last_judged) >= {"loss", "mae_blur", "within_gsd_scale"}
    work.module.load_state_dict(mean)
    work.module.eval()
    widths = work.calibration()
    assert all(0 <= error < 0.5 for error in work.calibration_errors(widths).values())
    path = _written(folder / "model.safetensors", work.module, calibration=widths)
    loaded = Degradations.load(path).measure(_photo())
    x = network_input(torch.from_numpy(_photo().astype(np.float32))).permute(2, 0, 1)[
        :, None, 2:, 2:
    ]  # where fields begin
    with torch.no_grad():
        sums = work.module.parts(x).double().sum((2, 3))
        places = work.module(work.module.summary(sums).float()).places[:, 0]
    assert loaded.blur.value == pytest.approx(PARAMETERS["blur"].value(places.numpy().astype(float)).mean(), rel=1e-4)


def test_pieces_are_kept_and_those_of_another_training_refused(training):
    work, sources, folder = training
    again = DegradationTraining(sources[:1], sources[1:], work.batches, kept=folder / "pieces")
    assert torch.equal(again.pieces.summaries, work.pieces.summaries)
    assert torch.equal(again.judged_by.places, work.judged_by.places)
    with pytest.raises(SettingError, match="holds pieces of other images"):
        DegradationTraining(sources, sources, work.batches, kept=folder / "pieces", said={"images": ["b"]})


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(SettingError, match="batches of 256 of 10 pieces"):
        Batches(pieces=10)
    with pytest.raises(SettingError, match="0 images to train on and 0 to judge by"):
        DegradationTraining([], [], Batches(images=2, pieces=4))


def test_one_hot_marks_the_interval_of_each_parameter():
    places = torch.tensor([[0.0, 0.5, 1.0, 0.999, 0.05]])
    marked = one_hot(places)[0].split([p.n for p in PARAMETERS.values()])
    assert [int(part.argmax()) for part in marked] == [0, 20, 39, 8, 0]
    assert [float(part.sum()) for part in marked] == [1.0] * 5


# the network


def test_filters_see_no_brightness_and_white_noise_as_it_is():
    filters = filter_bank().numpy()
    assert filters.sum((1, 2)) == pytest.approx(np.zeros(len(filters)), abs=1e-5)
    assert (filters**2).sum((1, 2)) == pytest.approx(np.ones(len(filters)), abs=1e-5)


def test_a_place_sees_its_field_and_no_more():
    network = _network()
    assert FIELD.size == FIELD_PX
    assert FIELD.step == STEP_PX
    x = torch.rand(1, 1, FIELD_PX, FIELD_PX)
    assert network.parts(x).shape == (1, network.sums, 1, 1)
    assert network.parts(torch.rand(1, 1, FIELD_PX + 2 * STEP_PX, FIELD_PX + STEP_PX)).shape[2:] == (3, 2)


def test_clipped_places_count_for_nothing():
    x = network_input(torch.full((1, 1, 60, 60), 100.0))
    x[..., :30] = network_input(torch.tensor(255.0))
    counts = _network().parts(x)[0, 0]
    assert counts[:, 0].sum() == 0
    assert (counts[:, -1] == 1).all()


# files


def _pickled(path):
    path.write_bytes(pickle.dumps({"kind": "degradations"}))


def _cut(path):
    _written(path, _network())
    path.write_bytes(path.read_bytes()[:-1000])


def _foreign(path):
    _written(path, _network(), kind="quality-factor")


def _narrower(path):
    _written(path, _network(), network={"widths": [8, 8], "dropout": 0.0})


def _torch_file(path):
    torch.save({"a": torch.zeros(3)}, path)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_pickled, "is no file of weights that orbiq wrote"),
        (_torch_file, "is no file of weights that orbiq wrote"),
        (_cut, "is no file of weights that orbiq wrote"),
        (_foreign, "holds weights of kind 'quality-factor'; expected 'degradations'"),
        (_narrower, "does not hold the network that it describes"),
        (lambda path: None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_is_none_is_refused_in_one_sentence(tmp_path, spoil, said):
    path = tmp_path / "model.safetensors"
    spoil(path)
    with pytest.raises(SettingError, match=said) as caught:
        Degradations.load(path)
    assert "\n" not in str(caught.value)


def test_a_name_that_is_none_is_refused():
    with pytest.raises(SettingError, match="no degradations predictor is named 'lunar'"):
        Degradations.load("lunar")


# images of any kind


def test_tiles_change_nothing(model):
    with tiling(size=64, threads=2):
        tiled = model.measure(_photo())
    with tiling(size=10_000, threads=1):
        whole = model.measure(_photo())
    assert 900 < tiled.n_places == whole.n_places <= 34 * 34
    assert _values(tiled) == pytest.approx(_values(whole), rel=1e-5, nan_ok=True)


def test_masked_is_cropped(model):
    image = _photo()
    mask = np.zeros(image.shape[:2], bool)
    mask[64:256, 96:] = True
    spoilt = np.where(mask[..., None], image, 77).astype(np.uint8)
    cropped = model.measure(image[64:256, 96:].copy())
    assert _values(model.measure(spoilt, mask=mask)) == pytest.approx(_values(cropped), rel=1e-5, nan_ok=True)


def test_bands_are_looked_at_one_by_one(model):
    image = _photo()
    each = [model.measure(image[..., band]).blur.value for band in range(3)]
    assert model.measure(image).blur.value == pytest.approx(np.mean(each), rel=1e-5)
    five = image[..., [0, 1, 2, 1, 0]]
    assert model.measure(five).blur.value == pytest.approx(np.mean([each[k] for k in (0, 1, 2, 1, 0)]), rel=1e-5)


@pytest.mark.parametrize(("dtype", "factor", "peak"), [("uint16", 16, 4080.0), ("float32", 1 / 255, 1.0)])
def test_other_data_are_scaled_by_their_peak(model, dtype, factor, peak):
    scaled = model.measure((_photo() * np.float64(factor)).astype(dtype), peak=peak)
    plain = model.measure(_photo())
    assert scaled.snr.value == pytest.approx(plain.snr.value, rel=1e-4)
    assert scaled.noise_dn.value == pytest.approx(plain.noise_dn.value * factor, rel=1e-4)
    assert scaled.score == pytest.approx(plain.score, rel=1e-4)


def test_snr_is_level_over_noise(model):
    image = _photo()[..., :1]
    told = model.measure(image)
    level = float(np.median(image[image > 0]))
    assert told.snr.value == pytest.approx(level / told.noise_dn.value)
    assert told.snr.low == pytest.approx(level / told.noise_dn.high)


def test_too_small_or_all_clipped_is_a_reason_and_no_number(model):
    for image in (_photo()[:19], np.full((64, 64, 2), 255, np.uint8)):
        told = model.measure(image)
        assert told.n_places == 0
        assert isnan(told.score)
        assert all(isnan(e.value) and "20×20 pixels" in e.reason for e in told.scores().values())


def test_what_cannot_be_asked_is_refused(model):
    with pytest.raises(ImageError, match="largest value"):
        model.measure(_photo().astype(np.uint16))
    with pytest.raises(UnknownName, match="way to predict"):
        model.measure(_photo(), by="guess")
    with pytest.raises(SettingError, match=r"intervals of 0.5 are not known; expected 0.9, 0.95"):
        model.measure(_photo(), level=0.5)


def test_intervals_widen_with_their_level_and_classes_have_none(model):
    some, most = model.measure(_photo(), level=0.9).blur, model.measure(_photo(), level=0.95).blur
    assert most.low <= some.low <= some.value <= some.high <= most.high
    assert isnan(model.measure(_photo(), by="intervals").blur.low)


# scores and validation


def test_the_score_is_the_weighted_sum_and_its_aims_are_data():
    values = {"blur": 0.3, "rer": 0.9, "snr": 200.0, "sharpening": 0.0, "gsd_scale": 1.0}
    assert Aims().score(values) == pytest.approx(1.0)
    assert Aims().score(values | {"snr": 20.0}) == pytest.approx(0.9)
    noise_only = Aims(**{name: Aim(objective=1, range=1, weight=0) for name in values if name != "snr"})
    assert noise_only.score(values | {"blur": 4.0}) == pytest.approx(0.2)
    with pytest.raises(SettingError, match="a weight of 0 or more"):
        Aim(objective=1.0, range=0.0)


def test_widths_from_laplace_errors_are_those_of_its_distribution():
    rng = np.random.default_rng(0)
    spreads = rng.uniform(0.1, 2, 20_000)
    errors = rng.laplace(0, spreads)
    assert calibrated_widths(errors, spreads)["0.9"] == pytest.approx(np.log(10), rel=0.03)
    assert calibration_error(errors, spreads) < 0.01
    assert calibration_error(3 * errors, spreads) > 0.1


def test_recall_and_coverage_count_what_they_say():
    parameter = PARAMETERS["gsd_scale"]
    truth, told = np.array([1.05, 1.25, 1.45, 1.65]), np.array([1.07, 1.35, 1.95, 1.6])
    found = judged(truth, told, parameter=parameter, low=told - 0.05, high=told + 0.05)
    assert (found.recall[1], found.recall[2], found.recall[10]) == (0.5, 0.75, 1.0)
    assert found.med_r == pytest.approx(0.5)
    assert found.coverage == 0.5
    assert np.isnan(judged(truth, told, parameter=parameter).coverage)


# the shipped regressors

DAMAGE = {
    "blur": [{"name": "gaussian-blur", "sigma_px": sigma} for sigma in (0.8, 1.6, 2.5)],
    "noise": [{"name": "gaussian-noise", "sigma_dn": sigma} for sigma in (3.0, 7.0, 15.0)],
    "sharpening": [{"name": "sharpen", "amount": amount} for amount in (0.6, 1.2, 1.8)],
    "gsd": [{"name": "gsd", "factor": factor, "back": True} for factor in (1.3, 1.6, 2.0)],
}


def _damaged(step: dict) -> np.ndarray:
    scene = Scene(array=_photo(), peak=255.0)
    return build(MODIFIERS, step)(scene, rng=np.random.default_rng(1)).scene.array


@pytest.mark.parametrize("kind", DAMAGE)
def test_the_score_falls_with_each_degradation(kind):
    told = [degradations(image).score for image in (_photo(), *(_damaged(step) for step in DAMAGE[kind]))]
    assert told == sorted(told, reverse=True), told
    assert len(set(told)) == len(told)


def test_known_damage_is_told():
    plain = degradations(_photo())
    assert plain.blur.value == pytest.approx(0.5, abs=0.12)
    assert degradations(_damaged(DAMAGE["blur"][1])).blur.value == pytest.approx(np.hypot(0.5, 1.6), abs=0.25)
    assert degradations(_damaged(DAMAGE["noise"][1])).noise_dn.value == pytest.approx(np.hypot(1, 7), rel=0.15)
    assert degradations(_damaged(DAMAGE["gsd"][1])).gsd_scale.value == pytest.approx(1.6, abs=0.15)
    assert degradations(_damaged(DAMAGE["sharpening"][1])).sharpening.value == pytest.approx(1.2, abs=0.5)
    assert plain.snr.low <= plain.snr.value <= plain.snr.high
    assert 0.7 < plain.score < 1
