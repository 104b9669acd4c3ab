"""Records on disk, and the table made of them."""

import math

import pytest

from orbiq.analysis.answer import analyse, higher_is_better
from orbiq.analysis.table import csv_text, rows, write_table
from orbiq.errors import DatasetError, SettingError
from orbiq.records import (
    GivenScores,
    Rate,
    Record,
    Split,
    all_scores,
    family_of,
    flat_settings,
    read_about,
    read_record,
    read_records,
    write_record,
    write_scores,
)

RATE = Rate(
    bytes_per_image=100.0,
    bits_per_pixel=2.0,
    bits_per_sample=1.0,
    total_bytes=200,
    n_images=2,
    coding="jpeg",
    lossless=False,
)


def record(run="a", **about):
    split = Split(dataset="d", variant="reference", fingerprint="f" * 64, n_images=2, rate=RATE)
    defaults = {
        "run": run,
        "key": "k",
        "experiment": "e",
        "variant": "jpeg:quality=50",
        "modifier": [{"name": "jpeg", "quality": 50}],
        "params": {"lr": 0.1},
        "repetition": 0,
        "seed": 1,
        "splits": {"test": split},
        "judged": "test",
        "status": "finished",
    }
    return Record(**{**defaults, **about})


def written(folder, given):
    place = folder / "runs" / given.run
    place.mkdir(parents=True)
    write_record(place, given)
    return place


def test_round_trip(tmp_path):
    given = record(series={"loss": [(0, 1.5), (1, math.nan)]}, task_params={"net": "tiny"}, duration_s=1.25)
    place = written(tmp_path, given)
    back = read_record(place)
    assert back.series["loss"][0] == (0, 1.5)
    assert math.isnan(back.series["loss"][1][1])
    assert (back.splits, back.task_params, back.duration_s) == (given.splits, given.task_params, 1.25)
    assert "NaN" not in (place / "record.json").read_text()


def test_absent_broken_and_foreign(tmp_path):
    assert read_record(tmp_path) is None
    (tmp_path / "record.json").write_text("{")
    assert read_record(tmp_path) is None
    (tmp_path / "record.json").write_text('{"schema": 99}')
    with pytest.raises(DatasetError, match="was written by another version of orbiq"):
        read_record(tmp_path)


def test_hidden_folders_are_no_runs(tmp_path):
    written(tmp_path, record("a"))
    written(tmp_path, record(".a.part"))
    assert [r.run for r in read_records(tmp_path)] == ["a"]


def test_scores_from_all_sides(tmp_path):
    given = record(task_params={"mse": 3.0, "net": "tiny", "flip": True}, series={"loss": [(0, 2.0), (5, 1.0)]})
    place = written(tmp_path, given)
    scores = GivenScores(metric="m", scores={"ap": 0.5, "ap75": math.nan}, reasons={"ap75": "nothing to score"})
    write_scores(place, scores, slug="m")
    found, reasons = all_scores(place, given)
    assert (found["mse"], found["loss"], found["ap"]) == (3.0, 1.0, 0.5)
    assert math.isnan(found["ap75"])
    assert reasons == {"ap75": "nothing to score"}
    assert "flip" not in found


def test_settings_and_families():
    steps = [{"name": "jpeg", "quality": 1}, {"name": "x", "quality": 2, "y": 3}]
    assert flat_settings(steps) == {"jpeg.quality": 1, "x.quality": 2, "y": 3}
    assert family_of(steps) == "jpeg>x"
    assert family_of([]) == "reference"


def test_table_has_one_row_a_run_and_the_same_columns(tmp_path):
    written(tmp_path, record("a", task_params={"quality": 0.9}))
    written(tmp_path, record("b", modifier=[], variant="reference", status="failed", reason="boom"))
    table = rows(tmp_path)
    assert [row["run"] for row in table] == ["b", "a"], "the reference comes first"
    assert list(table[0]) == list(table[1])
    assert (table[1]["quality"], table[1]["score.quality"], table[0]["quality"]) == (50, 0.9, None)
    assert table[1]["rate_ratio"] == 1.0
    write_table(tmp_path / "t.csv", table)
    assert (tmp_path / "t.csv").read_text().count("\n") == 3
    with pytest.raises(SettingError, match=r"written as \.csv or \.parquet; 't.xls' is neither"):
        write_table(tmp_path / "t.xls", table)


def test_table_goes_by_family_and_number_and_columns_by_origin(tmp_path):
    for run, quality in (("a", 20), ("b", 5)):
        written(
            tmp_path,
            record(run, modifier=[{"name": "jpeg", "quality": quality}], variant=f"jpeg:quality={quality}"),
        )
    written(tmp_path, record("c", modifier=[{"name": "blur", "sigma_px": 1}], variant="blur:sigma_px=1"))
    reference = record("z", modifier=[], variant="reference", params={"quality": 7}, task_params={"mse": math.nan})
    written(tmp_path, reference)
    table = rows(tmp_path)
    assert [row["run"] for row in table] == ["z", "c", "b", "a"]
    names = list(table[0])
    assert names.index("sigma_px") < names.index("param.quality") < names.index("repetition") < names.index("mse")
    assert [row["quality"] for row in table] == [None, None, 5, 20]  # a parameter of the same name is not mixed in
    assert table[0]["param.quality"] == 7
    assert "nan" not in csv_text(table)


def test_no_runs(tmp_path):
    with pytest.raises(DatasetError, match="holds no runs"):
        rows(tmp_path)
    with pytest.raises(DatasetError, match="holds no experiment.json, or a damaged one"):
        analyse(tmp_path)


@pytest.mark.parametrize("text", ["[]", "{}", '{"settings": 3}', '{"folder": "", "settings": {"objective": 3}}'])
def test_damaged_experiment_file(tmp_path, text):
    (tmp_path / "experiment.json").write_text(text)
    with pytest.raises(DatasetError, match="holds no experiment.json, or a damaged one"):
        read_about(tmp_path)


def test_directions():
    assert higher_is_better("ap50", None, ["coco-detection"])
    assert not higher_is_better("mse", None, ["regression"])
    assert higher_is_better("mse", "higher", ["regression"])
    assert higher_is_better("ap50/airplane", None, [{"coco-detection": {"merge_categories": True}}])
    assert not higher_is_better("whatever", "lower", ["mymodule:metric"])
    with pytest.raises(SettingError, match="'whatever' is better is not known, as no metric of orbiq"):
        higher_is_better("whatever", None, ["mymodule:metric"])


def test_a_second_metric_does_not_take_the_name_of_the_first(tmp_path):
    given = record()
    place = written(tmp_path, given)
    write_scores(place, GivenScores(metric="a:later", scores={"ap50": 0.9}, reasons={}), slug="a")
    write_scores(place, GivenScores(metric="z", scores={"ap50": 0.5}, rank=0), slug="z")
    found, _ = all_scores(place, given)
    assert found == {"ap50": 0.5, "ap50 [a:later]": 0.9}
