"""Hostile tasks, datasets, disks, stores and neighbours: a clear message each, and nothing that is finished is lost."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from orbiq.analysis.table import csv_text, rows
from orbiq.cli.main import app
from orbiq.errors import DatasetError, ImageError, OrbiqError, StorageError
from orbiq.experiment import run
from orbiq.progress import Quiet
from orbiq.records import read_records
from orbiq.rescoring import rescore
from orbiq.settings import Experiment, load_experiment
from orbiq.tracking.tracker import sync
from tests.tasks.test_processes import gone
from tests.toys import write_dataset

QUICK = [sys.executable, "-S", "task.py"]
"""A task without site packages starts in milliseconds."""
HEAD = """
import json, os, sys, time
args = dict(zip(sys.argv[1::2], sys.argv[2::2]))
out = args["--outputpath"]
judged = args.get("--testds", args["--trainds"])
def write(results, name="results.json"):
    with open(os.path.join(out, name), "w") as file:
        file.write(results if isinstance(results, str) else json.dumps(results))
"""
GOOD = HEAD + "write({'loss': [3, 2, 1], 'size': os.path.getsize(judged)})\n"
DEGRADED = "'#' in judged"


def toy(folder, body=GOOD, **settings):
    """Two runs, the reference and one variant, judged by `loss`."""
    if not (folder / "train").exists():
        write_dataset(folder / "train")
    (folder / "task.py").write_text(body if body.startswith(HEAD) else HEAD + body)
    defaults = {
        "name": "toy",
        "datasets": {"train": "train"},
        "modifiers": ["jpeg:quality=20"],
        "task": {"command": QUICK},
        "objective": {"score": "loss", "direction": "lower"},
        "tracking": "off",
        "jobs": 1,
    }
    return Experiment.model_validate({**defaults, **settings}).at(folder)


def by_variant(experiment):
    return {r.variant: r for r in read_records(experiment.experiment_folder)}


def leftovers(folder):
    return [p for p in folder.rglob("*") if p.name.endswith(".part")]


# ---- tasks


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("sys.exit(3)", "the task exited with code 3; see its log"),
        ("os.kill(os.getpid(), 9)", "the task was ended by signal 9; see its log"),
        ("write('{\"loss\": [1')", "results.json is no JSON"),
        ("write([1])", "results.json holds a list; expected an object"),
        ("write('')", "results.json is no JSON"),
        ("pass", "the task wrote no results.json into its --outputpath"),
        ("import shutil; shutil.rmtree(out)", "the task wrote no results.json into its --outputpath"),
        ("import shutil; shutil.rmtree(os.path.dirname(out))", "the task wrote no results.json"),
        ("os.rmdir(out); open(out, 'w').close()", "the task wrote no results.json"),
        ("os.mkdir(out + '/results.json')", "the task wrote no results.json"),
        ("write({'loss': 1}); write('{', 'output.json')", "output.json is no JSON"),
        ("write({'loss': 1}); write(['../../secret.png'], 'output.json')", "which leaves the output folder"),
        ("write({'loss': 1}); write(['a\\0b'], 'output.json')", "which is not in the output folder"),
        ("write({'loss': 1}); write(['x' * 5000], 'output.json')", "which is not in the output folder"),
    ],
)
def test_a_task_that_fails_on_one_variant_costs_that_run_alone(tmp_path, body, reason):
    experiment = toy(
        tmp_path, f"if {DEGRADED}:\n    print('the last words'); {body}\nelse:\n    write({{'loss': [1]}})\n"
    )
    summary = run(experiment)
    assert (summary.n_runs, summary.n_failed) == (2, 1)
    records = by_variant(experiment)
    assert records["reference"].status == "finished"
    assert records["jpeg:quality=20"].status == "failed"
    assert reason in records["jpeg:quality=20"].reason
    assert leftovers(tmp_path) == []
    (tmp_path / "task.py").write_text(GOOD)
    assert run(experiment).n_failed == 0


def test_a_task_that_hangs_is_ended_with_its_whole_family(tmp_path):
    body = f"""
if {DEGRADED}:
    import subprocess
    nap = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
    ids = [subprocess.Popen(nap).pid, subprocess.Popen(nap, start_new_session=True).pid]
    open({str(tmp_path / "ids")!r}, "w").write(" ".join(map(str, ids)))
    time.sleep(60)
write({{"loss": [1]}})
"""
    experiment = toy(tmp_path, body, task={"command": QUICK, "timeout_s": 1.0})
    assert run(experiment).n_failed == 1
    record = by_variant(experiment)["jpeg:quality=20"]
    assert record.reason == "the task ran longer than timeout_s=1 and was ended"
    assert gone(map(int, (tmp_path / "ids").read_text().split()))


def test_nan_is_a_finished_run_without_a_score(tmp_path):
    experiment = toy(tmp_path, f"write({{'loss': float('nan') if {DEGRADED} else 1.5}})")
    summary = run(experiment)
    assert summary.n_failed == 0
    record = by_variant(experiment)["jpeg:quality=20"]
    assert (record.status, record.reason) == ("finished", "results.json: loss is NaN")
    assert json.loads((experiment.experiment_folder / "runs" / record.run / "record.json").read_text())[
        "task_params"
    ] == {"loss": None}
    level = next(v for v in summary.analysis["operating_point"]["levels"] if v["variant"] == "jpeg:quality=20")
    assert level["score"] is None
    assert level["reason"]
    assert summary.analysis["operating_point"]["variant"] in {None, "reference"}


def test_numbers_at_the_edge(tmp_path):
    body = "write('{\"loss\": [1e400, -1e400, ' + '9' * 400 + '], \"big\": ' + '9' * 400 + ', \"inf\": Infinity}')"
    experiment = toy(tmp_path, body)
    assert run(experiment).n_failed == 0
    assert rows(experiment.experiment_folder)[0]["loss"] == float("inf")
    assert run(experiment).n_done_now == 0


def test_a_hundred_megabytes_of_log(tmp_path):
    body = f"""
if {DEGRADED}:
    for k in range(100):
        os.write(1, (b"%06d " % k) * 142_857)
    os.write(1, b"the end\\n")
    sys.exit(1)
write({{"loss": [1]}})
"""
    experiment = toy(tmp_path, body)
    assert run(experiment).n_failed == 1
    record = by_variant(experiment)["jpeg:quality=20"]
    assert record.log_tail.endswith("the end")
    assert len(record.log_tail) <= 6000
    assert (experiment.experiment_folder / "runs" / record.run / "log.txt").stat().st_size < 10 << 20


def test_many_and_odd_names_in_results(tmp_path):
    body = """
results = {f"metric/{k}": k / 7 for k in range(20)}
results |= {"größe ✓": 1, "a b": 2, "../up": 3, "": 4, "run": 5, "status": "six", "\\ud800": 7, "x" * 400: 8, "nul\\0": 9}
write({**results, "loss": [1.0]})
"""
    experiment = toy(tmp_path, body, tracking=None)
    summary = run(experiment)
    assert (summary.n_failed, summary.problems) == (0, ())
    (row, _) = rows(experiment.experiment_folder)
    assert (row["größe ✓"], row["metric/7"], row["status"], row["\\ud800"]) == (1, 1, "finished", 7)
    assert csv_text([row]).encode()


def test_a_huge_results_file(tmp_path):
    body = "write({**{f'metric/{k}': [[k, k / 7]] for k in range(4_000)}, 'loss': [1.0] * 20_000})"
    assert run(toy(tmp_path, body)).n_failed == 0


def test_json_of_the_wrong_kind_for_a_metric_is_a_score_without_value(tmp_path):
    for k, output in enumerate(
        [
            '[{"image_id": null}]',
            '{"values": 5}',
            "[[1]]",
            '"word"',
            '[{"image_id": 1, "category_id": 1, "bbox": ["a"], "score": "b"}]',
        ]
    ):
        place = tmp_path / str(k)
        experiment = toy(
            place, f"write({{'loss': [1]}}); write({output!r}, 'output.json')", metrics=["coco-detection", "regression"]
        )
        summary = run(experiment)
        assert summary.n_failed == 0
        assert len(read_records(experiment.experiment_folder)) == 2


# ---- settings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"params": {"outputpath": 1}}, "line 1: parameter 'outputpath' is reserved: orbiq passes --outputpath itself"),
        ({"params": {"seed": 1}, "seed_argument": "seed"}, "parameter 'seed' is reserved"),
        ({"seed_argument": "trainds"}, "seed_argument 'trainds' is reserved"),
        ({"params": {"a b": 1}}, "'a b' makes no command line flag"),
        ({"params": {"lr": float("nan")}}, "parameter 'lr' is nan; a number that is not finite goes as a word"),
        ({"params": {"lr": []}}, "params.lr is an empty list"),
        ({"modifiers": ["jpg:quality=3"]}, "no modifier named 'jpg'. Did you mean 'jpeg'"),
        ({"modifiers": ["jpeg:quality=400"]}, "quality"),
        ({"modifiers": [{"jpeg": {"quality": []}}]}, "jpeg:quality is an empty list; give the values to sweep"),
        ({"modifiers": [{"chain": 5}]}, "modifier 'chain' has 5"),
        ({"modifiers": [5]}, "modifier 5 is neither text such as jpeg:quality=70"),
        ({"modifiers": ["no_such_module:Thing"]}, "no module named 'no_such_module'"),
        ({"metrics": ["coco-detektion"]}, "no metric named 'coco-detektion'. Did you mean 'coco-detection'"),
        ({"metrics": [5]}, "metric 5 is neither text such as coco-detection"),
        ({"tracking": "runs/mlflow"}, "tracking URI 'runs/mlflow' is a folder"),
        ({"tracking": "htp://x"}, "MLflow knows no store 'htp'"),
        ({"name": "../up"}, "names a folder; use letters"),
        ({"datasets": {"train": "no/such/folder"}}, "does not exist; expected a folder of images. Correct the path."),
        ({"datasets": {"train": "task.py"}}, "is a file; expected the folder"),
        ({"task": {"script": "no_such.py"}}, "task.script 'no_such.py' is not there"),
        ({"task": {"command": ["/no/such/program"]}}, "the task's program '/no/such/program' is not there"),
        ({"task": {"command": [*QUICK, "a\0b"]}}, "cannot be started: embedded null byte"),
        ({"task": {"command": QUICK, "gpus": 99}}, "task.gpus is 99, and"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(tmp_path, changes, message):
    toy(tmp_path)
    settings = {"name": "toy", "datasets": {"train": "train"}, "task": {"command": QUICK}, "tracking": "off", **changes}
    (tmp_path / "experiment.yaml").write_text(yaml.safe_dump(settings, default_flow_style=True, width=10_000))
    with pytest.raises(OrbiqError) as caught:
        run(load_experiment(tmp_path / "experiment.yaml"))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# ---- datasets


def break_image(folder, name, data):
    (folder / "train" / "images" / name).write_bytes(data)


def climbing(name):
    def apply(folder):
        truth = json.loads((folder / "train" / "annotations.json").read_text())
        truth["images"][1]["file_name"] = name
        (folder / "train" / "annotations.json").write_text(json.dumps(truth))
        (folder / "x.png").write_bytes((folder / "train" / "images" / "im_0.png").read_bytes())

    return apply


def truncated(folder):
    path = folder / "train" / "images" / "im_1.png"
    path.write_bytes(path.read_bytes()[:-200])


def linked_out(folder):
    shutil.move(folder / "train" / "images" / "im_1.png", folder / "secret.png")
    (folder / "train" / "images" / "im_1.png").symlink_to(folder / "secret.png")


@pytest.mark.parametrize(
    ("spoil", "kind", "message"),
    [
        (lambda f: (f / "train/images/im_1.png").unlink(), DatasetError, r"lists 1 images that are not in images/: im_1\.png"),
        (truncated, ImageError, r"im_1\.png.*(truncated|damaged|ends|cannot be decoded)"),
        (lambda f: break_image(f, "im_1.png", b""), DatasetError, r"has 1 empty images \(0 bytes\): im_1\.png"),
        (lambda f: break_image(f, "im_1.png", b"hello"), ImageError, r"im_1\.png"),
        (climbing("../x.png"), DatasetError, r"image '\.\./x\.png' .* lies outside the dataset's folder"),
        (climbing("/etc/passwd"), DatasetError, r"image '/etc/passwd' .* lies outside the dataset's folder"),
        (climbing("..\\x.png"), DatasetError, r"lies outside the dataset's folder"),
        (linked_out, DatasetError, r"image 'im_1\.png' .* lies outside .* no link that leads outside"),
        (lambda f: (shutil.rmtree(f / "train"), (f / "train").mkdir()), DatasetError, r"has no images; expected a subfolder"),
        (lambda f: (f / "train/annotations.json").write_text("{"), DatasetError, r"annotations .*broken JSON"),
        (lambda f: (f / "train/annotations.json").write_text("[]"), DatasetError, r"expected a COCO object"),
        (lambda f: (f / "train/dataset.json").write_text("{"), DatasetError, r"dataset\.json"),
    ],
)  # fmt: skip
def test_a_dataset_that_is_not_whole(tmp_path, spoil, kind, message):
    experiment = toy(tmp_path)
    spoil(tmp_path)
    with pytest.raises(kind, match=message):
        run(experiment)
    assert read_records(experiment.experiment_folder) == []
    assert list(tmp_path.glob("*#*")) == []
    assert leftovers(tmp_path) == []


def test_finished_runs_survive_a_dataset_that_breaks(tmp_path):
    experiment = toy(tmp_path)
    run(experiment)
    image = tmp_path / "train" / "images" / "im_1.png"
    whole = image.read_bytes()
    image.write_bytes(whole[:-200])
    with pytest.raises(ImageError, match=r"im_1\.png"):
        run(experiment)
    image.write_bytes(whole)
    assert run(experiment).n_done_now == 0


def test_names_that_a_shell_would_trip_over(tmp_path):
    place = tmp_path / "a;touch pwned #1 & 'q' $(touch pwned)"
    odd = [
        "a b.png",
        "c#d.png",
        "é ü 中.png",
        "q'uo\"te.png",
        "$(touch pwned).png",
        "-rf.png",
        "100%.png",
        "new\nline.png",
    ]
    write_dataset(place / "tr ain;touch pwned", n_images=len(odd))
    data = place / "tr ain;touch pwned"
    text = (data / "annotations.json").read_text()
    truth = json.loads(text)
    for k, name in enumerate(odd):
        (data / "images" / f"im_{k}.png").rename(data / "images" / name)
        truth["images"][k]["file_name"] = name
    (data / "annotations.json").write_text(json.dumps(truth))
    body = "write({'loss': len(os.listdir(judged + '/images')), 'word': args['--word']})"
    word = "'; touch pwned; $(touch pwned) `touch pwned`"
    experiment = toy(
        place, body, datasets={"train": data.name}, params={"word": word}, metrics=["own_metric_of_hostile:mean"]
    )
    (place / "own_metric_of_hostile.py").write_text(
        "def mean(image, reference):\n    return float(image.array.mean())\n"
    )
    sys.path.append(str(place))
    try:
        summary = run(experiment)
    finally:
        sys.path.remove(str(place))
    assert summary.n_failed == 0
    assert {r.task_params["word"] for r in read_records(experiment.experiment_folder)} == {word}
    assert {r["loss"] for r in rows(experiment.experiment_folder)} == {len(odd)}
    assert all(r["mean"] > 0 for r in rows(experiment.experiment_folder))
    assert not list(tmp_path.rglob("pwned"))


def test_pipes_links_to_nowhere_and_names_that_are_no_text(tmp_path):
    write_dataset(tmp_path / "train")
    (tmp_path / "train" / "annotations.json").unlink()
    images = tmp_path / "train" / "images"
    os.mkfifo(images / "pipe.png")
    os.mkfifo(tmp_path / "train" / "pipe")
    (images / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (images / "loop").symlink_to(images)
    (images / "folder.png").mkdir()
    (images / "im_0.png").rename(os.fsdecode(os.fsencode(images) + b"/\xff\xfe.png"))
    experiment = toy(tmp_path, "write({'loss': len(os.listdir(judged + '/images'))})")
    assert run(experiment).n_failed == 0
    assert by_variant(experiment)["jpeg:quality=20"].task_params["loss"] == 4


def test_training_and_judging_on_the_same_folder(tmp_path):
    experiment = toy(tmp_path, datasets={"train": "train", "test": "./train"})
    assert run(experiment).n_failed == 0
    assert len(list(tmp_path.glob("train#*"))) == 1
    only_test = toy(tmp_path, name="only-test", datasets={"train": "train", "test": "train"}, apply_to=["test"])
    assert run(only_test).n_failed == 0
    splits = by_variant(only_test)["jpeg:quality=20"].splits
    assert (splits["train"].variant, splits["test"].variant) == ("reference", "jpeg:quality=20")


# ---- disks


@contextmanager
def small_disk(folder, size="1m"):
    """A disk of its own below `folder`; skips where this process may not mount one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    made = subprocess.run(command, capture_output=True, check=False)
    if made.returncode:
        pytest.skip("mounting is not permitted here; the patched tests beside this one stand for it")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def refuse(monkeypatch, what, number):
    """Let every new file whose path contains `what` be refused by the system."""
    real = Path.open

    def opened(self, mode="r", *args, **kwargs):
        if ("w" in mode or "x" in mode) and what in str(self):
            raise OSError(number, os.strerror(number))
        return real(self, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", opened)


def test_no_right_to_write_beside_the_dataset(tmp_path, monkeypatch):
    experiment = toy(tmp_path)
    real = Path.mkdir

    def mkdir(self, *args, **kwargs):
        if "#" in self.name:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with pytest.raises(StorageError, match=r"cannot be written.* State variants_dir: .* a folder that can"):
        run(experiment)


def test_a_dataset_on_a_disk_that_is_read_only(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        write_dataset(disk / "train")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        experiment = toy(tmp_path, datasets={"train": "disk/train"})
        with pytest.raises(StorageError, match=r"cannot be written.* State variants_dir"):
            run(experiment)
        assert run(toy(tmp_path, datasets={"train": "disk/train"}, variants_dir="variants")).n_failed == 0


@pytest.mark.parametrize("where", ["im_2.png", "variant.json", "annotations.json"])
def test_a_full_disk_while_variants_are_made(tmp_path, monkeypatch, where):
    experiment = toy(tmp_path)
    with monkeypatch.context() as patched:
        refuse(patched, where, errno.ENOSPC)
        real = shutil.copyfile
        patched.setattr(
            shutil,
            "copyfile",
            lambda a, b: (
                (_ for _ in ()).throw(OSError(28, "No space left on device")) if where in str(b) else real(a, b)
            ),
        )
        with pytest.raises(StorageError, match=r"No space left on device\. Free some space"):
            run(experiment)
    assert list(tmp_path.glob("*#*")) == []
    assert leftovers(tmp_path) == []
    assert run(experiment).n_failed == 0


@pytest.mark.parametrize("where", ["record.json", "log.txt", "scores"])
def test_a_full_disk_while_a_run_is_written(tmp_path, monkeypatch, where):
    experiment = toy(tmp_path, repetitions=2, metrics=["coco-detection"])
    with monkeypatch.context() as patched:

        class FullAfterTwo(Quiet):
            def tick(self, done):
                if done == 2 and (experiment.experiment_folder / "runs").is_dir():
                    refuse(patched, where, errno.ENOSPC)

        with pytest.raises(StorageError, match=r"No space left on device\. Free some space and run the same command"):
            run(experiment, progress=FullAfterTwo())
    n_done = len(read_records(experiment.experiment_folder))
    assert n_done == (3 if where == "scores" else 2)  # a run is not lost over its scores
    assert leftovers(tmp_path) == []
    assert run(experiment).n_done_now == 4 - n_done


def test_a_disk_that_really_fills_up(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        body = f"write({{'loss': [1]}}); write('x' * (800_000 if {DEGRADED} else 10), 'model.bin')"
        experiment = toy(tmp_path, body, workspace="disk/orbiq-runs", repetitions=2)
        try:
            assert run(experiment).n_failed > 0  # the task itself noticed
        except StorageError as error:  # or orbiq did
            assert "No space left on device. Free some space" in str(error)  # noqa: PT017
        kept = read_records(experiment.experiment_folder)
        assert all(r.status == "finished" for r in kept if r.variant == "reference")
        assert leftovers(disk) == []
        (tmp_path / "task.py").write_text(HEAD + "write({'loss': [1]})\n")
        subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
        assert run(experiment).n_failed == 0


# ---- MLflow

CLOSED = "http://127.0.0.1:9"
"""The discard port: nobody listens there."""


def test_a_full_disk_under_mlflow_costs_no_run(tmp_path, monkeypatch):
    experiment = toy(tmp_path, tracking=None)

    def full(self, *_args, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("orbiq.tracking.session.write", full)
        summary = run(experiment)
    assert summary.n_failed == 0
    assert len(by_variant(experiment)) == 2
    assert len(summary.problems) == 2
    assert all("was not sent to MLflow: [Errno 28] No space left on device" in p for p in summary.problems)
    assert run(experiment).problems == ()


def test_an_mlflow_out_of_reach_costs_nothing_and_sync_sends_all_later(tmp_path):
    experiment = toy(tmp_path, tracking=CLOSED)
    summary = run(experiment)
    assert (summary.n_done_now, summary.n_failed) == (2, 0)
    (problem,) = summary.problems
    assert problem.startswith(
        f"MLflow at {CLOSED} cannot be written (connection refused). The records are whole; 2 of them wait"
    )
    said = sync(
        experiment.experiment_folder,
        uri=f"sqlite:///{tmp_path / 'later.db'}",
        experiment="toy",
        workspace=tmp_path / "orbiq-runs",
    )
    assert (said.sent, said.kept, said.problems) == (2, 0, [])


# ---- neighbours


def test_two_experiments_make_the_same_variant_at_once(tmp_path):
    first = toy(tmp_path, name="first")
    second = toy(tmp_path, name="second")
    done = []
    threads = [threading.Thread(target=lambda e=e: done.append(run(e).n_failed)) for e in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [0, 0]
    assert len(list(tmp_path.glob("train#*"))) == 1
    assert leftovers(tmp_path) == []


def test_files_of_other_programs_stay(tmp_path):
    experiment = toy(tmp_path)
    mine = tmp_path / ".download.iso.part"
    mine.write_text("half of something")
    run(experiment)
    assert mine.exists()


# ---- what is on disk is damaged


def damage(path, text):
    path.write_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"schema": 1}',
        '{"schema": 1, "splits": 3, "series": [], "scores": 5, "key": "x"}',
        "\udcff",
    ],
)
def test_damaged_files_are_made_again(tmp_path, text):
    experiment = toy(
        tmp_path, "write({'loss': [1]}); write([], 'output.json')", metrics=["coco-detection", "own_of_damaged:mean"]
    )
    (tmp_path / "own_of_damaged.py").write_text("def mean(image):\n    return float(image.array.mean())\n")
    sys.path.append(str(tmp_path))
    try:
        first = run(experiment)
        before = rows(experiment.experiment_folder)
        folder = experiment.experiment_folder
        places = [
            *folder.glob("runs/jpeg*/record.json"), *folder.glob("runs/reference*/scores/*.json"),
            *folder.glob("*.json"), *folder.glob("image-scores/*/scores/*.json"), *folder.glob("runs/*/mlflow.json"),
            *tmp_path.glob("orbiq-runs/rates/*.json"), *tmp_path.glob("orbiq-runs/fingerprints/*.json"),
            next(tmp_path.glob("train#*/variant.json")),
        ]  # fmt: skip
        assert len(places) >= 10
        for path in places:
            path.write_bytes(text.encode(errors="surrogateescape"))
        again = run(experiment)
        after = rows(experiment.experiment_folder)
    finally:
        sys.path.remove(str(tmp_path))
    assert (first.n_done_now, again.n_done_now, again.n_failed) == (2, 1, 0)
    for row in (*before, *after):
        for column in ("started", "duration_s"):
            row.pop(column)
    assert after == before
    assert again.analysis == first.analysis
    assert leftovers(tmp_path) == []


# ---- code of the user's own

OWN = """
from dataclasses import dataclass
import numpy as np
from orbiq.modifiers.base import Modified

@dataclass(frozen=True, kw_only=True)
class Raises:
    def __call__(self, scene, *, rng):
        raise RuntimeError("no idea")

@dataclass(frozen=True, kw_only=True)
class GivesNothing:
    def __call__(self, scene, *, rng):
        return None

@dataclass(frozen=True, kw_only=True)
class GivesAList:
    def __call__(self, scene, *, rng):
        return Modified(scene=[1, 2])

@dataclass(frozen=True, kw_only=True)
class GivesFloats:
    def __call__(self, scene, *, rng):
        return Modified(scene=scene.with_array(scene.array / 3.0))

@dataclass(frozen=True, kw_only=True)
class Refuses:
    def __post_init__(self):
        raise TypeError("not today")

class NoDataclass:
    pass

def raises(image):
    raise RuntimeError("no idea")

def gives_words(image):
    return "sharp"

def gives_nothing(predictions, truth):
    return None

def exits(image):
    raise SystemExit(7)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_hostile.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("own_hostile", None)


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Raises", "modifier own_hostile:Raises failed on train/im_0.png: RuntimeError: no idea"),
        ("GivesNothing", "modifier own_hostile:GivesNothing .*train/im_0.png"),
        ("GivesAList", "modifier own_hostile:GivesAList .*train/im_0.png"),
        ("GivesFloats", "train/im_0.png: .*png cannot hold 3 bands of float"),
    ],
)
def test_a_modifier_that_fails_names_itself_and_the_image(tmp_path, name, message):
    experiment = toy(tmp_path, modifiers=[f"own_hostile:{name}"])
    with pytest.raises(OrbiqError, match=message):
        run(experiment)
    assert list(tmp_path.glob("*#*")) == []


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("name", "message"), [("Refuses", "TypeError: not today"), ("NoDataclass", "is not a frozen dataclass")]
)
def test_a_modifier_that_cannot_be_built(tmp_path, name, message):
    with pytest.raises(ValueError, match=message):
        toy(tmp_path, modifiers=[f"own_hostile:{name}"])


@pytest.mark.usefixtures("own")
def test_a_metric_that_fails_is_a_score_without_value_and_is_asked_again(tmp_path):
    names = ["raises", "gives_words", "gives_nothing"]
    body = "write({'loss': [1]}); write([], 'output.json')"
    experiment = toy(tmp_path, body, metrics=[f"own_hostile:{n}" for n in names])
    assert run(experiment).n_failed == 0
    folder = next((experiment.experiment_folder / "runs").glob("reference*"))
    text = "".join(p.read_text() for p in (folder / "scores").glob("*.json"))
    assert "own_hostile:raises failed: RuntimeError: no idea" in text
    assert "gave 'sharp' for 'gives_words'; expected a number" in text
    assert "gave None for 'gives_nothing'; expected a number" in text
    (tmp_path / "own_hostile.py").write_text(OWN.replace('raise RuntimeError("no idea")', "return 7.0"))
    sys.modules.pop("own_hostile")
    assert run(experiment).n_done_now == 0
    assert {row["raises"] for row in rows(experiment.experiment_folder)} == {7.0}


@pytest.mark.usefixtures("own")
def test_changed_code_of_the_users_own_is_used(tmp_path):
    code = OWN.replace('raise RuntimeError("no idea")', "return Modified(scene=scene)", 1)
    code = code.replace('raise RuntimeError("no idea")', "return 1.0")
    values = []
    for text in (
        code,
        code.replace("return 1.0", "return 2.0").replace("scene=scene)", "scene=scene.with_array(255 - scene.array))"),
    ):
        (tmp_path / "own_hostile.py").write_text(text)
        sys.modules.pop("own_hostile", None)
        experiment = toy(tmp_path, modifiers=["own_hostile:Raises"])
        assert run(experiment).n_failed == 0
        said = rescore(experiment.experiment_folder, ["own_hostile:raises"], progress=Quiet())
        values.append({v for scores in said.values() for v in scores.values()})
    assert values == [{1.0}, {2.0}]
    assert len(list(tmp_path.glob("train#*"))) == 2


# ---- the command line


def cli(folder, *arguments, expected=None, **options):
    """(exit code, stdout, stderr); never a traceback."""
    command = [sys.executable, "-m", "orbiq.cli.main", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False, **options)
    assert "Traceback" not in done.stderr, done.stderr
    if expected is not None:
        assert done.returncode == expected, done.stderr + done.stdout
    return done.returncode, done.stdout, done.stderr


def yaml_toy(folder, body=GOOD, **settings):
    experiment = toy(folder, body, **settings)
    text = yaml.safe_dump(experiment.model_dump(mode="json", by_alias=True, exclude_unset=True))
    (folder / "experiment.yaml").write_text(text)
    return experiment


def test_exit_codes_and_pure_json(tmp_path):
    yaml_toy(tmp_path, f"print('noise'); sys.exit(3 if {DEGRADED} else write({{'loss': [1]}}))")
    _, out, _ = cli(tmp_path, "run", "experiment.yaml", "--json", expected=1)
    assert (json.loads(out)["n_runs"], json.loads(out)["n_failed"]) == (2, 1)
    (tmp_path / "task.py").write_text(GOOD)
    _, out, _ = cli(tmp_path, "run", "experiment.yaml", "--json", expected=0)
    assert (json.loads(out)["n_done_now"], json.loads(out)["n_failed"]) == (2, 0)
    _, _, err = cli(tmp_path, "run", "no-such.yaml", expected=2)
    assert err.startswith("orbiq: no experiment file 'no-such.yaml'")


HANGS = (
    "open(os.path.join(os.path.dirname(__file__), 'begun'), 'a').write(str(os.getpid()) + ' ')\nif "
    + DEGRADED
    + ": time.sleep(60)\nwrite({'loss': [1]})\n"
)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopped_from_outside(tmp_path, number):
    experiment = yaml_toy(tmp_path, HANGS)
    command = [sys.executable, "-m", "orbiq.cli.main", "run", "experiment.yaml"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    begun = tmp_path / "begun"
    deadline = time.monotonic() + 30
    while not (begun.exists() and len(begun.read_text().split()) == 2) and time.monotonic() < deadline:
        time.sleep(0.05)
    if number == signal.SIGINT:  # meanwhile a second one is sent away
        _, _, err = cli(tmp_path, "run", "experiment.yaml", expected=2)
        assert f"experiment 'toy' is being worked on by process {process.pid}. Wait for it, or stop it first." in err
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.strip().endswith("orbiq: stopped. What was finished is kept; the same command goes on from there.")
    assert "Traceback" not in err
    assert list(by_variant(experiment)) == ["reference"]
    assert gone(map(int, begun.read_text().split()))
    assert leftovers(tmp_path) == []


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of an experiment that has run."""
    folder = tmp_path_factory.mktemp("finished")
    body = "write({'loss': [1]}); write([], 'output.json')"
    run(yaml_toy(folder, body, params={"lr": 1}, metrics=["coco-detection"]))
    text = (folder / "experiment.yaml").read_text()
    (folder / "typo.yaml").write_text(text.replace("name: toy", "name: toy\nrepetition: 3"))
    (folder / "recursive.yaml").write_text("name: &m [*m]\n")
    (folder / "words.yaml").write_text("just words\n")
    return folder


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("run .", "'.' is a folder; name the experiment's YAML file"),
        ("run train/images/im_0.png", "'train/images/im_0.png' is no text; name the experiment's YAML file"),
        ("run recursive.yaml", "an alias (*name) contains itself"),
        ("run words.yaml", "holds no settings; expected name, datasets, modifiers, task"),
        ("run typo.yaml", "repetition is no setting. Did you mean 'repetitions'?"),
        ("table train", "train holds no experiment; name its YAML file"),
        ("table experiment.yaml --out x.txt", "a table is written as .csv or .parquet; 'x.txt' is neither"),
        (
            "score experiment.yaml --metric nope",
            "no metric named 'nope'. Known: aliasing, band_index, blockiness, blur, classification, coco-detection",
        ),
        ("score experiment.yaml --metric nope:nope", "no module named 'nope'. Your own module is looked for beside"),
        ("score experiment.yaml --metric os:nope", "no metric named 'os:nope'. Did you mean"),
        ("score experiment.yaml --metric coco-detection:foo=1", "has no option 'foo'. Its options: "),
        ("score experiment.yaml --metric coco-detection:merge_categories=maybe", "is 'maybe' (str); expected bool"),
        ("score experiment.yaml --metric coco-detection>regression", "is a chain; expected one metric"),
        ("report experiment.yaml --plot a.svg --x nope", "no column named 'nope'. Known: ap, "),
        ("report experiment.yaml --plot a.svg --kind pie", "no kind of plot named 'pie'. Known: bars, box"),
        ("report experiment.yaml --plot a.svg --x run --y status", "column 'status' holds 'finished'; y must be"),
        ("report experiment.yaml --plot a.pdf", "output 'a.pdf' ends in '.pdf'; expected .png or .svg"),
        ("report experiment.yaml --out train", "train: Is a directory"),
        ("diff experiment.yaml train", "train holds no experiment"),
        ("modify train --with jpeg:quality", "'quality' is not setting=value; write jpeg:quality=…"),
        ("modify train --with jpeg:qualty=50", "has no setting 'qualty'. Did you mean 'quality'?"),
        ("modify train --with jpeg:quality=[10", "has unbalanced brackets"),
        ("modify train --with jpeg:quality=50>", "has an empty step"),
        ("modify nope --with jpeg:quality=50", "dataset 'nope' does not exist"),
        ("modify train/images --with jpeg:quality=50", "has images directly in it"),
        ("modify train --with jpeg:quality=50 --store foo", "--store is 'foo'; expected source or encoded"),
        ("modify train --with quantize:bits=3 --store encoded", "Use store: source, or end the chain with a codec"),
        ("modify train --with jpeg:quality=50 --out task.py", "Not a directory"),
        ("list nope", "no list named 'nope'. Known: codecs"),
        ("clean nope", "dataset 'nope' does not exist"),
        ("sync experiment.yaml", "tracking is off, so there is nowhere to sync to"),
        ("sync experiment.yaml --tracking foo", "tracking URI 'foo' is a folder"),
        ("try experiment.yaml --set nope=1", "the experiment has no such parameter. Known: lr"),
        ("try experiment.yaml --set nope", "--set nope: expected NAME=VALUE, as in --set epochs=1"),
    ],
)
def test_a_wrong_word_on_the_command_line(finished, monkeypatch, line, message):
    monkeypatch.chdir(finished)
    said = CliRunner().invoke(app, line.split())
    assert isinstance(said.exception, SystemExit), said.exception
    assert said.exit_code == 2
    (error,) = [text for text in said.stderr.splitlines() if text.startswith("orbiq: ")]
    assert message in error
    assert said.stdout == ""


@pytest.mark.parametrize(
    "line",
    [
        "run experiment.yaml --json",
        "run experiment.yaml --dry-run --json",
        "table experiment.yaml --json",
        "list --json",
        "modify train --with jpeg:quality=50 --json",
        "diff experiment.yaml experiment.yaml --json",
        "score experiment.yaml --metric coco-detection --json",
    ],
)
def test_json_is_all_there_is_on_standard_output(finished, monkeypatch, line):
    monkeypatch.chdir(finished)
    said = CliRunner().invoke(app, line.split())
    assert (said.exit_code, said.exception) == (0, None)
    assert json.loads(said.stdout)
