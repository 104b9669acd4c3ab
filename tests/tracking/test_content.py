from dataclasses import replace
from math import inf, nan

import pytest

from orbiq.tracking.batches import CHARACTERS, requests
from orbiq.tracking.content import content_of, params_of, shortened, text_of, valid_name

from .conftest import BASE, MadeUp


@pytest.fixture
def made(tmp_path):
    return MadeUp(tmp_path, "paper")


def content(made, **changes):
    folder = made.run(**changes)
    return content_of(replace(BASE, **changes), folder)


# known answers


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ap50", "ap50"),
        ("bbox/ap 50:95", "bbox/ap 50:95"),
        ("größe", "größe"),
        ("ap@50", "ap_50"),
        ("<script>", "_script_"),
        ("a#b%c", "a_b_c"),
        ("/abs", "abs"),
        ("a//b/", "a/b"),
        ("./a/./b", "a/b"),
        ("../../etc", "_/_/etc"),
        ("a/../b", "a/_/b"),
        ("", "_"),
        (".", "_"),
        ("..", "_"),
        ("tab\tnew\nline", "tab_new_line"),
    ],
)
def test_a_name_is_made_valid_and_an_acceptable_one_stays(name, expected):
    assert valid_name(name) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (None, "null"),
        (70, "70"),
        (0.1, "0.1"),
        ("é", "é"),
        ({"name": "ofdm", "snr_db": 10}, "ofdm:snr_db=10"),
        ({"a": [1]}, '{"a": [1]}'),
    ],
)
def test_a_value_as_text(value, text):
    assert text_of(value) == text


def test_the_parameters_of_a_run():
    assert params_of(BASE) == {
        "ds_name": "airports#jpeg-quality=50",
        "ds_name_test": "airports",
        "modifier": "gaussian-blur:sigma_px=1.5>jpeg:quality=50",
        "repetition": "0",
        "seed": "7",
        "sigma_px": "1.5",
        "quality": "50",
        "lr": "0.1",
        "epochs": "3",
        "sensor": "newsat",
        "ap50": "0.75",
        "backbone": "tiny",
    }


def test_a_reference_run_says_so():
    assert params_of(replace(BASE, modifier=[]))["modifier"] == "reference"


def test_a_name_that_two_sources_use_differently_is_kept_twice():
    params = params_of(replace(BASE, params={"quality": 3, "lr": 1}, task_params={"lr": 2, "seed": 7}))
    assert (params["quality"], params["params.quality"]) == ("50", "3")
    assert (params["lr"], params["results.lr"]) == ("1", "2")
    assert params["seed"] == "7"
    assert "results.seed" not in params


def test_metrics_come_from_the_rate_the_task_and_the_scores(made):
    folder = made.run()
    made.score(folder, "coco", {"ap": 0.5, "ap_small": nan, "psnr": inf}, ap_small="no small objects")
    found = content_of(BASE, folder)
    end_ms = 1767323045000 + 2500
    assert (found.start_ms, found.end_ms) == (1767323045000, end_ms)
    assert found.own == {
        "bytes_per_image": [(0, 1200.5, end_ms)],
        "bits_per_pixel": [(0, 2.25, end_ms)],
        "bits_per_sample": [(0, 0.75, end_ms)],
        "duration_s": [(0, 2.5, end_ms)],
    }
    assert list(found.told) == ["loss", "ap50"]
    assert {k: [(s, v) for s, v, _ in points] for k, points in found.scores.items()} == {
        "ap": [(0, 0.5)],
        "psnr": [(0, inf)],
    }
    assert found.score_tags == {"orbiq.reason.ap_small": "no small objects"}


def test_a_score_that_the_task_also_wrote_stands_beside_it(made):
    folder = made.run()
    made.score(folder, "coco", {"ap50": 0.7, "loss": 2.0, "bits_per_pixel": 9.0})
    found = content_of(BASE, folder)
    assert set(found.scores) == {"scores.ap50", "scores.loss", "scores.bits_per_pixel"}
    assert found.told["ap50"][0][1] == 0.75


@pytest.mark.parametrize(
    ("steps", "expected", "noted"),
    [
        ([0.0, 1.0, 2.0], [0, 1, 2], False),
        ([-5.0, 10.0], [-5, 10], False),
        ([2.0, 1.0, 1.0], [2, 1, 1], False),
        ([0.9, 2.1], [1, 2], True),
        ([0.1, 0.2, 0.3], [0, 1, 2], True),
        ([0.0, inf], [0, 1], True),
        ([1.0, 1e300], [0, 1], True),
    ],
)
def test_steps_become_whole_and_keep_their_order(made, steps, expected, noted):
    found = content(made, series={"loss": [(s, 1.0) for s in steps]})
    assert [s for s, _, _ in found.told["loss"]] == expected
    assert ("orbiq.steps.loss" in found.tags) == noted


def test_a_failed_run_says_why(made):
    found = content(made, status="failed", reason="exit code 3", log_tail="Traceback\nboom")
    assert found.status == "FAILED"
    assert found.tags["orbiq.reason"] == "exit code 3"
    assert "boom" in found.tags["mlflow.note.content"]


def test_one_dataset_in_two_roles_is_one_input_with_both(made):
    both = BASE.splits["test"]
    found = content(made, splits={"train": BASE.splits["train"], "val": both, "test": both})
    assert [(i.name, i.digest, i.context, i.n_images) for i in found.inputs] == [
        ("airports#jpeg-quality=50", "f" * 36, "train", 2),
        ("airports", "e" * 36, "val,test", 2),
    ]


# laws


def test_the_same_folder_says_the_same_twice(made):
    folder = made.run()
    made.score(folder, "coco", {"ap": 0.5})
    assert content_of(BASE, folder) == content_of(BASE, folder)


def test_nothing_is_dropped_by_making_names_valid():
    names = [f"ap{c}50" for c in "@#%&$!?*+=~"] + ["x" * 300, "x" * 299]
    params = params_of(replace(BASE, params={}, task_params={n: k for k, n in enumerate(names)}, modifier=[]))
    assert set(map(str, range(len(names)))) <= set(params.values())
    assert all(len(name) <= 250 for name in params)


def test_a_long_value_is_cut_and_says_how_long_it_was():
    cut = shortened("é" * 9000, 6000)
    assert len(cut) == 6000
    assert cut.endswith("(9000 characters; all of it is in record.json)")


def test_requests_hold_mlflows_limits_and_everything_once_with_the_last_tag_last():
    params = {f"p{k}": "é" * 5000 for k in range(130)}
    metrics = {f"m{k}": [(s, 1.0, 0) for s in range(100)] for k in range(21)}
    tags = {f"t{k}": "x" for k in range(250)}
    found = list(requests(params=params, metrics=metrics, tags=tags))
    assert [p for r in found for p in r.params] == list(params.items())
    assert sum(len(r.metrics) for r in found) == 2100
    assert [t for r in found for t in r.tags] == list(tags.items())
    assert found[-1].tags[-1] == ("t249", "x")
    for request in found:
        assert max(len(request.params), len(request.tags)) <= 100
        assert len(request.params) + len(request.metrics) + len(request.tags) <= 1000
        assert sum(len(k) + len(v) for k, v in request.params) <= CHARACTERS


def test_nothing_to_log_is_no_request():
    assert list(requests()) == []


def test_a_common_run_is_one_request(made):
    found = content(made)
    assert len(list(requests(params=found.params, metrics={**found.own, **found.told}, tags=found.tags))) == 1


# agreement


def test_mlflows_own_rules_accept_every_name_that_is_made():
    from mlflow.utils.validation import _validate_metric_name, _validate_param_name, _validate_tag_name

    for name in [
        "",
        "..",
        "a/../b",
        "//",
        "ap@50",
        "a" * 999,
        "\x00",
        "日本語",
        "a\\b",
        "...",
        "a/",
        " a ",
        "/",
        "./..",
    ]:
        for check in (_validate_metric_name, _validate_param_name, _validate_tag_name):
            check(valid_name(name))
