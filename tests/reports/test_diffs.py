"""Two experiments side by side, and the gate."""

import json
import shutil

import pytest
from experiments import HOSTILE, N_IMAGES, Fake, make_experiment

from orbiq.errors import DatasetError, SettingError, UnknownName
from orbiq.reports.comparison import compare
from orbiq.reports.diffs import write_diff
from orbiq.reports.evidence import read_evidence


def build(folder, **changes):
    return make_experiment(folder, Fake(**{"images": False, "repetitions": 2, "analysed": False} | changes))


@pytest.fixture(autouse=True)
def no_drawing(monkeypatch):
    """Figures cost most of a page's time; test_pages looks at a whole one."""
    monkeypatch.setattr("orbiq.reports.curves.retention_chart", lambda *_, **__: "<svg></svg>")


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    """A; the same again; a little worse; much worse."""
    base = tmp_path_factory.mktemp("sides")
    losses = {"a": 0.0, "same": 0.0, "less": 0.0125, "worse": 0.05}
    return {name: build(base / name, name=name, loss=loss) for name, loss in losses.items()}


def test_an_experiment_keeps_its_own_score(sides):
    diff = write_diff(sides["a"], sides["same"])
    assert diff.passed
    assert diff.sentence == (
        "same keeps 98\u00a0% of the ap50 of a at the reference and at 8 variants (95\u00a0% confidence)."
    )
    assert diff.path == sides["same"] / "diff.html"
    assert all(pair.retention == pytest.approx(1) for pair in diff.comparison.pairs)


def test_a_loss_stops_the_gate_and_names_the_worst(sides, tmp_path):
    diff = write_diff(sides["a"], sides["worse"], out=tmp_path / "d.html")
    assert not diff.passed
    assert diff.sentence.startswith("worse does not keep 98\u00a0% of the ap50 of a: jpeg:quality=10 keeps 90.")
    assert diff.sentence.endswith("and 8 variants more.")
    text = (tmp_path / "d.html").read_text()
    assert "Stopped." in text
    assert "stops the gate" in text
    assert write_diff(sides["a"], sides["worse"], keep=0.85, out=tmp_path / "d.html").passed


def test_what_is_not_shown_does_not_pass(sides, tmp_path):
    diff = write_diff(sides["a"], sides["less"], out=tmp_path / "d.html")
    reference = diff.comparison.pairs[0]
    assert reference.retention > 0.98
    unsure = [p for p in diff.comparison.pairs if p.verdict == "unsure"]
    assert all(p.retention >= 0.98 and p.chance < 0.95 for p in unsure)
    assert not diff.passed


def test_more_is_asked_fewer_pass(sides):
    a, b = read_evidence(sides["a"]), read_evidence(sides["less"])
    passed = [sum(p.passed for p in compare(a, b, keep=keep).pairs) for keep in (0.9, 0.97, 0.98, 0.99, 1.0)]
    assert passed == sorted(passed, reverse=True)
    assert passed[0] == 9
    assert passed[-1] == 0


def test_lower_is_better(tmp_path):
    a, b = (build(tmp_path / n, name=n, score="mse", loss=loss) for n, loss in (("a", 0.0), ("b", -0.1)))
    for folder in (a, b):
        about = json.loads((folder / "experiment.json").read_text())
        about["settings"]["objective"]["direction"] = "lower"
        (folder / "experiment.json").write_text(json.dumps(about))
    diff = write_diff(a, b)
    assert not diff.passed
    assert diff.comparison.pairs[0].retention == pytest.approx(0.674 / 0.774, abs=0.01)
    assert write_diff(b, a).passed


def test_outcomes_pair_the_images(tmp_path):
    """With outcomes, images that are hard for both cancel: the interval is far narrower than the images' own spread."""
    a, b = (build(tmp_path / str(k), name=str(k), outcomes=True, seed=k) for k in range(2))
    pair = write_diff(a, b).comparison.pairs[0]
    assert 0 < pair.high - pair.low < 0.05 / 0.674 / N_IMAGES**0.5


def test_single_numbers_decide_by_themselves_and_say_so(tmp_path):
    a, b = (build(tmp_path / str(k), name=str(k), repetitions=1, loss=k / 1000) for k in range(2))
    diff = write_diff(a, b)
    assert diff.passed
    assert "confidence)" not in diff.sentence
    assert "how far chance moves it is unknown" in diff.path.read_text()


def test_variants_of_one_side_are_named(sides, tmp_path):
    b = shutil.copytree(sides["same"], tmp_path / "b")
    for run in (b / "runs").glob("jpeg-quality90*"):
        shutil.rmtree(run)
    diff = write_diff(sides["a"], b)
    assert diff.comparison.only_a == ("jpeg:quality=90",)
    assert "Only in a: jpeg:quality=90." in diff.path.read_text()
    for run in (b / "runs").glob("reference*"):
        shutil.rmtree(run)
    assert not (diff := write_diff(sides["a"], b)).passed
    assert "the reference has no finished run in both" in diff.sentence


def test_as_dict_is_json(sides, tmp_path):
    said = write_diff(sides["a"], sides["worse"], out=tmp_path / "d.html").as_dict()
    assert json.loads(json.dumps(said, allow_nan=False))["pairs"][0]["variant"] == "reference"
    assert said["schema"] == 1


def test_hostile_names_stay_text(tmp_path):
    a, b = (build(tmp_path / n, name=f"{HOSTILE}{n}") for n in "ab")
    assert HOSTILE not in write_diff(a, b).path.read_text()


def test_errors(sides, tmp_path):
    with pytest.raises(DatasetError, match=r"holds no experiment.json"):
        write_diff(sides["a"], tmp_path)
    with pytest.raises(SettingError, match=r"keep is 1\.5"):
        write_diff(sides["a"], sides["same"], keep=1.5)
    with pytest.raises(SettingError, match="confidence is 1"):
        write_diff(sides["a"], sides["same"], confidence=1)
    with pytest.raises(UnknownName, match=r"no score named 'ap5'. Did you mean 'ap50'"):
        write_diff(sides["a"], sides["same"], score="ap5")
    bare = shutil.copytree(sides["a"], tmp_path / "bare")
    about = json.loads((bare / "experiment.json").read_text())
    del about["settings"]["objective"]
    (bare / "experiment.json").write_text(json.dumps(about))
    with pytest.raises(SettingError, match="states no objective"):
        write_diff(bare, sides["a"])
