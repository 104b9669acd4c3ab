"""The whole way of a datum on a toy."""

import json
import threading

import pytest

from orbiq.analysis.table import rows, write_table
from orbiq.errors import BusyError, SettingError, UnknownName
from orbiq.experiment import run
from orbiq.plan import make_plan, outlook
from orbiq.progress import Quiet
from orbiq.records import read_records
from orbiq.rescoring import rescore
from tests.toys import GOOD_TASK, write_dataset, write_toy


def test_every_run_once_and_nothing_again(tmp_path):
    experiment = write_toy(tmp_path)
    first = run(experiment)
    assert (first.n_runs, first.n_done_now, first.n_failed) == (6, 6, 0)
    stamps = {
        p: p.stat().st_mtime_ns
        for p in tmp_path.rglob("*")
        if (p.is_file() and "#" in str(p)) or p.name == "record.json"
    }
    again = run(experiment)
    assert (again.n_done_now, again.n_failed) == (0, 0)
    assert stamps == {p: p.stat().st_mtime_ns for p in stamps}
    assert first.analysis == again.analysis


def test_records_say_what_was_done(tmp_path):
    experiment = write_toy(tmp_path, params={"lr": [0.1, 0.2]}, seed_argument="seed", dataset_params={"sensor": "toy"})
    run(experiment)
    records = read_records(experiment.experiment_folder)
    assert len(records) == 12
    record = next(r for r in records if r.variant == "jpeg:quality=20" and r.params["lr"] == 0.2 and r.repetition == 1)
    assert record.settings == {"quality": 20, "subsampling": "420"}
    assert record.task_params["lr"] == 0.2
    assert record.task_params["seed_given"] == str(record.seed)
    assert record.series["loss"] == [(0, 3.0), (1, 2.0), (2, 1.0)]
    assert record.dataset_params == {"sensor": "toy"}
    assert (record.splits["test"].variant, record.splits["train"].variant) == ("jpeg:quality=20",) * 2
    assert record.rate.coding == "jpeg"
    text = (experiment.experiment_folder / "runs" / record.run / "record.json").read_text()
    assert str(tmp_path) not in text
    assert len({r.seed for r in records}) == 2


def test_rates_are_of_the_stream(tmp_path):
    experiment = write_toy(tmp_path, repetitions=1)
    run(experiment)
    rates = {r.variant: r.rate for r in read_records(experiment.experiment_folder)}
    assert rates["reference"].lossless
    assert rates["jpeg:quality=20"].bits_per_pixel < rates["jpeg:quality=60"].bits_per_pixel
    assert rates["jpeg:quality=60"].bits_per_pixel < rates["reference"].bits_per_pixel
    assert rates["reference"].bits_per_sample == pytest.approx(rates["reference"].bits_per_pixel / 3)


def test_scores_and_answer(tmp_path):
    experiment = write_toy(tmp_path)
    summary = run(experiment)
    table = rows(experiment.experiment_folder)
    assert len(table) == 6
    assert {row["ap50"] for row in table} == {1.0}
    point = summary.analysis["operating_point"]
    assert point["variant"] == "jpeg:quality=20"
    for name in ("runs.csv", "runs.parquet"):
        write_table(tmp_path / name, table)
        assert (tmp_path / name).stat().st_size > 100


def test_judged_on_degraded_trained_on_clean(tmp_path):
    experiment = write_toy(tmp_path, apply_to=["test"], repetitions=1)
    run(experiment)
    record = next(r for r in read_records(experiment.experiment_folder) if r.variant == "jpeg:quality=20")
    assert (record.splits["train"].variant, record.splits["test"].variant) == ("reference", "jpeg:quality=20")


TRAIN = """
import os, sys
args = dict(zip(sys.argv[1::2], sys.argv[2::2]))
assert "--testds" not in args
open(os.path.join(args["--outputpath"], "model.txt"), "w").write(args.get("--seed", ""))
open(os.environ["COUNT"], "a").write("t")
"""
EVALUATE = GOOD_TASK.replace(
    'out = args["--outputpath"]',
    'out = args["--outputpath"]; model = open(args["--modelpath"] + "/model.txt").read(); assert model == args["--seed"]',
)


def two_commands(tmp_path, **more):
    (tmp_path / "fit.py").write_text(TRAIN)
    task = {"train": {"script": "fit.py", "env": {"COUNT": str(tmp_path / "count")}}, "evaluate": {"script": "task.py"}}
    return write_toy(tmp_path, task=EVALUATE, seed_argument="seed", **{**more, "task_settings": task})


@pytest.mark.parametrize(("apply_to", "n_trainings"), [(["test"], 2), (["train", "test"], 6)])
def test_training_is_done_once_for_all_that_judge_its_model(tmp_path, apply_to, n_trainings):
    (tmp_path / "fit.py").write_text(TRAIN)
    experiment = write_toy(tmp_path, task=EVALUATE, seed_argument="seed", apply_to=apply_to)
    commands = {
        "train": {"script": "fit.py", "env": {"COUNT": str(tmp_path / "count")}},
        "evaluate": {"script": "task.py"},
    }
    experiment = (
        type(experiment).model_validate({**experiment.model_dump(exclude={"task"}), "task": commands}).at(tmp_path)
    )
    summary = run(experiment)
    assert (summary.n_runs, summary.n_failed) == (6, 0)
    assert (tmp_path / "count").read_text() == "t" * n_trainings
    run(experiment)
    assert (tmp_path / "count").read_text() == "t" * n_trainings


def test_a_changed_source_or_script_runs_again(tmp_path):
    experiment = write_toy(tmp_path, repetitions=1)
    run(experiment)
    (tmp_path / "task.py").write_text(GOOD_TASK + "# changed\n")
    assert run(experiment).n_done_now == 3
    assert len(rows(experiment.experiment_folder)) == 3, "runs of the old script do not count"
    source = tmp_path / "test" / "images" / "im_0.png"
    source.write_bytes((tmp_path / "train" / "images" / "im_0.png").read_bytes())
    assert run(experiment).n_done_now == 3


def test_a_failed_run_is_a_record_and_is_tried_again(tmp_path):
    task = (
        f"import os, sys\nif not os.path.exists({str(tmp_path / 'mended')!r}): print('boom'); sys.exit(3)\n" + GOOD_TASK
    )
    experiment = write_toy(tmp_path, task=task, repetitions=1)
    summary = run(experiment)
    assert summary.n_failed == 3
    record = read_records(experiment.experiment_folder)[0]
    assert (record.status, record.exit_code, record.reason) == ("failed", 3, "the task exited with code 3; see its log")
    assert "boom" in record.log_tail
    assert summary.analysis["operating_point"] is None
    (tmp_path / "mended").touch()
    summary = run(experiment)
    assert (summary.n_done_now, summary.n_failed) == (3, 0)


def test_the_plan_before_and_after(tmp_path):
    experiment = write_toy(tmp_path, repetitions=1)
    before = outlook(make_plan(experiment))
    assert (before.n_runs, before.n_done, before.duration_s) == (3, 0, None)
    assert before.disk_bytes > 0
    run(experiment)
    after = outlook(make_plan(experiment))
    assert (after.n_done, after.disk_bytes, after.duration_s) == (3, 0, 0)


def test_stop_keeps_what_is_finished(tmp_path):
    experiment = write_toy(tmp_path, jobs=1)
    stop = threading.Event()

    class StopAfterTwo(Quiet):
        def tick(self, done):
            if done == 2 and (experiment.experiment_folder / "runs").exists():
                stop.set()

    summary = run(experiment, progress=StopAfterTwo(), stop=stop)
    assert summary.stopped
    n_done = len(read_records(experiment.experiment_folder))
    assert 0 < n_done < 6
    assert run(experiment).n_done_now == 6 - n_done


def test_two_at_once(tmp_path):
    experiment = write_toy(tmp_path, task="import time; time.sleep(1)\n" + GOOD_TASK, repetitions=1)
    first = threading.Thread(target=run, args=(experiment,))
    first.start()
    while not (experiment.experiment_folder / "experiment.json").exists():
        pass
    with pytest.raises(BusyError, match="experiment 'toy' is being worked on by process"):
        run(experiment)
    first.join()
    assert len(read_records(experiment.experiment_folder)) == 3


def test_encoded_store_keeps_the_codecs_files(tmp_path):
    task = GOOD_TASK.replace(".png", ".jpg")
    experiment = write_toy(tmp_path, task=task, store="encoded", repetitions=1)
    summary = run(experiment)
    assert summary.n_failed == 0
    (variant,) = tmp_path.glob("test#jpeg-quality=20-*")
    names = sorted(p.name for p in (variant / "images").iterdir())
    assert names == [f"im_{k}.jpg" for k in range(4)]
    about = json.loads((variant / "variant.json").read_text())
    assert about["images"]["im_0.jpg"]["bytes"] == (variant / "images" / "im_0.jpg").stat().st_size
    truth = json.loads((variant / "annotations.json").read_text())
    assert [image["file_name"] for image in truth["images"]] == names
    assert {row["ap50"] for row in rows(experiment.experiment_folder)} == {1.0}
    assert summary.analysis["operating_point"]["variant"] == "jpeg:quality=20"


OWN = """
import numpy as np
def edge_energy(image):
    return float(np.abs(np.diff(image.array.astype(float), axis=0)).mean())
def loss_db(image, reference):
    return {"loss": float(np.mean((image.array.astype(float) - reference.array) ** 2))}
def n_found(predictions, truth, *, above=0.5):
    return sum(p["score"] > above for p in predictions) / len(truth.objects)
def broken(predictions, truth):
    raise RuntimeError("no\\nidea")
def wrong(pixels):
    return 0
"""


def test_scores_after_the_fact(tmp_path, monkeypatch):
    (tmp_path / "own_metrics.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    experiment = write_toy(tmp_path, repetitions=1)
    run(experiment)
    names = ["edge_energy", "loss_db", "n_found", "broken"]
    said = rescore(experiment.experiment_folder, [f"own_metrics:{n}" for n in names], progress=Quiet())
    table = {row["variant"]: row for row in rows(experiment.experiment_folder)}
    assert table["reference"]["loss"] == 0
    assert table["jpeg:quality=20"]["loss"] > table["jpeg:quality=60"]["loss"] > 0
    assert table["jpeg:quality=20"]["n_found"] == 1
    assert table["jpeg:quality=20"]["edge_energy"] > 0
    assert len(said) == 3
    record = next(f for f in (experiment.experiment_folder / "runs").iterdir())
    text = "".join(p.read_text() for p in (record / "scores").glob("own_metrics-broken*.json"))
    assert "own_metrics:broken failed: RuntimeError: no idea" in text
    with pytest.raises(SettingError, match="its first argument must be image"):
        rescore(experiment.experiment_folder, ["own_metrics:wrong"], progress=Quiet())
    with pytest.raises(SettingError, match=r"no option 'abve'. Its options: above$"):
        rescore(experiment.experiment_folder, ["own_metrics:n_found:abve=1"], progress=Quiet())
    with pytest.raises(UnknownName, match=r"Did you mean 'own_metrics:n_found'\? Known: (?!.*:np)"):
        rescore(experiment.experiment_folder, ["own_metrics:n_foun"], progress=Quiet())


def test_images_under_other_names_are_compared_with_their_source(tmp_path, monkeypatch):
    (tmp_path / "own_pairs.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    task = GOOD_TASK.replace(".png", ".jpg")
    experiment = write_toy(
        tmp_path, task=task, store="encoded", objective=None, repetitions=1, metrics=["own_pairs:loss_db"]
    )
    run(experiment)
    losses = {row["variant"]: row["loss"] for row in rows(experiment.experiment_folder)}
    assert losses["reference"] == 0
    assert losses["jpeg:quality=20"] > losses["jpeg:quality=60"] > 0


def test_a_dataset_without_ground_truth_is_fine(tmp_path):
    write_dataset(tmp_path / "train")
    (tmp_path / "train" / "annotations.json").unlink()
    task = "import json, sys; a = dict(zip(sys.argv[1::2], sys.argv[2::2])); json.dump({'mse': 0.5}, open(a['--outputpath'] + '/results.json', 'w'))"
    experiment = write_toy(
        tmp_path, task=task, datasets={"train": "train"}, metrics=[], objective={"score": "mse", "direction": "lower"}
    )
    summary = run(experiment)
    assert summary.analysis["operating_point"]["variant"] == "jpeg:quality=20"
