"""Metrics of images as metrics of an experiment: in records, MLflow, table, analysis and report."""

import json
from math import inf, isnan

import pytest

from orbiq.analysis.answer import analyse
from orbiq.analysis.table import rows
from orbiq.experiment import run
from orbiq.records import read_records, read_scores
from orbiq.reports.pages import write_report
from tests.toys import GOOD_TASK, write_toy

NOISY_TASK = GOOD_TASK.replace(
    "score=0.9)",
    "score=0.9) if size > 9000 - 700 * int(a['image_id']) else dict(image_id=a['image_id'], category_id=1, bbox=[0, 0, 1, 1], score=0.5)",
)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Six variants whose detector gets worse with the quality of the images."""
    folder = tmp_path_factory.mktemp("study")
    experiment = write_toy(
        folder,
        task=NOISY_TASK,
        modifiers=[{"jpeg": {"quality": [2, 5, 20, 60, 95]}}],
        repetitions=1,
        metrics=["coco-detection", "psnr", "ssim", "rer", "entropy"],
        tracking=None,
    )
    summary = run(experiment)
    assert summary.n_failed == 0
    return experiment


def test_every_record_has_the_scores_of_its_images(study):
    for record in read_records(study.experiment_folder):
        given = {g.metric: g for g in read_scores(study.experiment_folder / "runs" / record.run)}
        assert set(given) == {"coco-detection", "psnr", "ssim", "rer", "entropy"}
        assert given["psnr"].needs == "pair"
        assert given["entropy"].needs == "image"
        assert given["psnr"].outcomes
        if record.variant == "reference":
            assert given["psnr"].scores["psnr"] == inf
            assert given["ssim"].scores["ssim"] == pytest.approx(1)
        else:
            assert 10 < given["psnr"].scores["psnr"] < 60
        assert isnan(given["rer"].scores["rer"])  # 32 pixels of blurred noise have no edge to measure
        assert "edge" in given["rer"].reasons["rer"]


def test_quality_orders_the_scores(study):
    table = {row["variant"]: row for row in rows(study.experiment_folder)}
    by_quality = [table[f"jpeg:quality={q}"] for q in (2, 5, 20, 60, 95)]
    for score in ("psnr", "ssim"):
        values = [row[score] for row in by_quality]
        assert values == sorted(values)


def test_the_analysis_says_which_score_foretells_the_task(study):
    said = analyse(study.experiment_folder)["agreement"]
    assert said["score"] == "ap50"
    found = {item["score"]: item for item in said["scores"]}
    assert found["psnr"]["n_variants"] == 6
    assert found["rer"]["reason"] == "known for 0 variants; at least 5 are needed"
    assert json.loads((study.experiment_folder / "analysis.json").read_text())["agreement"]["scores"]


def test_the_report_has_its_section(study):
    text = write_report(study.experiment_folder).read_text()
    assert "Which image score tells how the task fares" in text


def test_mlflow_knows_the_scores(study):
    import mlflow

    store = study.experiment_folder.parent
    [database] = store.rglob("*.db")
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{database}")
    experiments = [e.experiment_id for e in client.search_experiments()]
    metrics = [r.data.metrics for r in client.search_runs(experiments)]
    assert any("ssim" in found for found in metrics)
