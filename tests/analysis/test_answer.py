"""The question that an experiment's settings ask."""

import json
import sys
from math import floor
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orbiq.analysis.answer import analyse, higher_is_better
from orbiq.analysis.downlink import Downlink
from orbiq.cli.main import app
from orbiq.errors import SettingError
from orbiq.records import REFERENCE
from orbiq.settings_parts import Objective

sys.path.append(str(Path(__file__).parents[1] / "reports"))


def test_the_direction_is_that_of_the_metric_unless_stated():
    assert higher_is_better("ap50/plane", None, ["coco-detection:max_dets=[1,10,500]"])
    assert not higher_is_better("mse", None, ["regression"])
    assert higher_is_better("mse", "higher", ["regression"])
    assert not higher_is_better("mine", "lower", [])
    with pytest.raises(SettingError, match=r"which way the score 'mine' is better is not known"):
        higher_is_better("mine", None, [])


def test_a_bias_is_no_objective():
    with pytest.raises(SettingError, match=r"score 'bias' is best at 0, neither high nor low.* as mae for a bias"):
        higher_is_better("bias", None, ["regression"])


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    from experiments import Fake, make_experiment

    folder = tmp_path_factory.mktemp("passes") / "airports"
    return make_experiment(folder, Fake(images=False, outcomes=True, analysed=False))


def test_an_operating_point_is_worth_so_many_images_a_pass(experiment):
    plain = analyse(experiment)["operating_point"]
    link = Downlink(rate_mbps=10, pass_s=60)
    point = analyse(experiment, downlink=link)["operating_point"]
    levels = {level["variant"]: level for level in point["levels"]}
    for level in levels.values():
        assert level["images_per_pass"] == floor(600e6 / (8 * level["bytes_per_image"]))
        assert level["area_km2_per_pass"] is None
    most, least = (levels[name]["images_per_pass"] for name in (point["variant"], REFERENCE))
    told = [f"{n:,}".replace(",", "\N{NARROW NO-BREAK SPACE}") for n in (most, least)]
    assert point["sentence"] == (
        f"{plain['sentence']} A pass of 60 s at 10 Mbit/s carries {told[0]} such images instead of {told[1]}."
    )
    assert json.loads((experiment / "analysis.json").read_text())["operating_point"] == point
    assert "images_per_pass" not in plain["levels"][0]


def test_the_objective_states_the_link_and_the_dataset_the_ground(experiment):
    about = json.loads((experiment / "experiment.json").read_text())
    told = {**about, "gsd_m": 0.5}
    told["settings"] = {**about["settings"]}
    told["settings"]["objective"] = {**about["settings"]["objective"], "downlink": {"rate_mbps": 10, "pass_s": 60}}
    (experiment / "experiment.json").write_text(json.dumps(told))
    try:
        point = analyse(experiment)["operating_point"]
        other = analyse(experiment, downlink=Downlink(rate_mbps=20, pass_s=60, swath_km=2))["operating_point"]
    finally:
        (experiment / "experiment.json").write_text(json.dumps(about))
    chosen = next(level for level in point["levels"] if level["variant"] == point["variant"])
    km2 = 256 * 256 * 0.25 / 1e6
    assert chosen["area_km2_per_pass"] == pytest.approx(km2 * chosen["images_per_pass"])
    assert "km² instead of" in point["sentence"]
    assert other["downlink"]["rate_mbps"] == 20
    assert other["levels"][0]["strip_km_per_pass"] == pytest.approx(other["levels"][0]["area_km2_per_pass"] / 2)


def test_the_report_says_it_too(experiment, tmp_path):
    page = tmp_path / "report.html"
    said = CliRunner().invoke(
        app, ["report", str(experiment), "--downlink", "rate_mbps=10,pass_s=60", "--out", str(page)]
    )
    assert said.exit_code == 0, said.output
    assert "A pass of 60 s at 10 Mbit/s carries" in said.output
    text = page.read_text()
    assert "A pass of 60 s at 10 Mbit/s carries" in text
    assert "images a pass" in text
    assert CliRunner().invoke(app, ["report", str(experiment), "--out", str(page)]).exit_code == 0
    assert "a pass" not in page.read_text()
    refused = CliRunner().invoke(app, ["report", str(experiment), "--downlink", "rate_mbps=10"])
    assert refused.exit_code == 2
    assert "downlink is 'rate_mbps=10'; expected" in " ".join(refused.output.split())


def test_a_link_in_the_settings_is_text_or_a_mapping():
    told = [Objective(score="ap50", downlink=d) for d in ("rate_mbps=10,pass_s=60", {"rate_mbps": 10, "pass_s": 60})]
    assert told[0] == told[1]
    assert told[0].downlink == {"rate_mbps": 10, "pass_s": 60, "efficiency": 1}
    for wrong in ("rate_mbps=10", 7, {"rate_mbps": 10, "pass_s": 0}):
        with pytest.raises(ValueError, match="downlink"):
            Objective(score="ap50", downlink=wrong)
