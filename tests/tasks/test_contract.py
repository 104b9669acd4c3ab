"""What a black box may write, and how it hears of mistakes."""

import json
from math import isnan

import pytest

from orbiq.errors import ContractError, SettingError
from orbiq.tasks.contract import check_params, flags, read_predictions, read_results


def wrote(folder, text, name="results.json"):
    (folder / name).write_text(text)
    return folder


def test_scalars_are_parameters_lists_are_metrics(tmp_path):
    results = read_results(
        wrote(
            tmp_path,
            '{"lr": 0.1, "net": "tiny", "flip": true, "loss": [3, 2], "ap": [[10, 0.1], [20, 0.2]], "none": []}',
        )
    )
    assert results.task_params == {"lr": 0.1, "net": "tiny", "flip": True}
    assert results.series == {"loss": [(0, 3.0), (1, 2.0)], "ap": [(10, 0.1), (20, 0.2)], "none": []}
    assert results.notes == ()


def test_nan_is_unknown_and_said(tmp_path):
    results = read_results(wrote(tmp_path, '{"mse": NaN, "iou": null, "loss": [1, NaN, null]}'))
    assert isnan(results.task_params["mse"])
    assert isnan(results.task_params["iou"])
    assert [isnan(v) for _, v in results.series["loss"]] == [False, True, True]
    assert results.notes == ("results.json: mse is NaN", "results.json: iou is null")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "results.json is no JSON"),
        ('{"a": 1', "results.json is no JSON"),
        ("[1, 2]", "results.json holds a list; expected an object"),
        ("3", "results.json holds a number"),
        ('{"a": {"b": 1}}', "'a' is an object; expected a number, a word or a list"),
        ('{"a": ["x"]}', r'a\[0\] is "x"; expected a number or \[step, number\]'),
        ('{"a": [[1, 2, 3]]}', r"a\[0\] is \[1, 2, 3\]"),
        ('{"a": [true]}', r"a\[0\] is true"),
        ("[" * 100_000, "results.json is no JSON"),
    ],
)
def test_broken_results(tmp_path, text, message):
    with pytest.raises(ContractError, match=message):
        read_results(wrote(tmp_path, text))


def test_missing_results(tmp_path):
    with pytest.raises(ContractError, match="wrote no results.json into its --outputpath"):
        read_results(tmp_path)


def test_predictions(tmp_path):
    assert read_predictions(tmp_path) is None
    assert read_predictions(wrote(tmp_path, "[]", "output.json")) == []
    assert read_predictions(wrote(tmp_path, '{"values": {"a": 1}}', "output.json")) == {"values": {"a": 1}}
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.png").write_bytes(b"x")
    assert read_predictions(wrote(tmp_path, '["sub/a.png"]', "output.json")) == ["sub/a.png"]


@pytest.mark.parametrize("name", ["/etc/passwd", "../a.png", "sub/../../a.png", "missing.png"])
def test_generated_images_stay_inside(tmp_path, name):
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "out").mkdir()
    with pytest.raises(ContractError, match="output.json names"):
        read_predictions(wrote(tmp_path / "out", f'["{name}"]', "output.json"))


def test_masks_are_files_below_the_output_folder(tmp_path):
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "a.png").write_bytes(b"x")
    said = {"masks": {"7/a.tif": "maps/./a.png"}, "values": {"7/a.tif": 1}}
    assert read_predictions(wrote(tmp_path, json.dumps(said), "output.json")) == {
        "masks": {"7/a.tif": "maps/a.png"},
        "values": {"7/a.tif": 1},
    }
    for masks in (["maps/a.png"], {"7/a.tif": None}, "maps"):
        with pytest.raises(
            ContractError, match=r'output.json: "masks" is no object from image to path; expected \{"masks"'
        ):
            read_predictions(wrote(tmp_path, json.dumps({"masks": masks}), "output.json"))


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../a.png", "sub/../../a.png", "missing.png", "link.png", "", "a\0.png"]
)
def test_masks_stay_inside(tmp_path, name):
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "link.png").symlink_to(tmp_path / "a.png")
    with pytest.raises(ContractError, match="output.json names .*(leaves|is not in) the output folder"):
        read_predictions(wrote(tmp_path / "out", json.dumps({"masks": {"a.png": name}}), "output.json"))


def test_flags():
    assert flags({"epochs": 20, "lr": 1e-3, "net": "a b;c", "flip": False, "sizes": [1, 2]}) == [
        "--epochs", "20", "--lr", "0.001", "--net", "a b;c", "--flip", "false", "--sizes", "[1, 2]",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["trainds", "outputpath", "mlfrunid", "seed"])
def test_reserved_parameters(name):
    with pytest.raises(SettingError, match=f"parameter '{name}' is reserved"):
        check_params({name: 1}, seed_argument="seed")


def test_parameters_that_make_no_flag():
    with pytest.raises(SettingError, match="makes no command line flag"):
        check_params({"a b": 1}, seed_argument=None)
