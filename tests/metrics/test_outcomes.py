"""Outcomes on disk, and the catalogue of metrics."""

from types import SimpleNamespace

import numpy as np
import pytest

from orbiq.errors import DatasetError, UnknownName
from orbiq.metrics.base import MeanOutcomes
from orbiq.metrics.catalogue import METRICS, metric_spec
from orbiq.metrics.detection import coco_detection
from orbiq.metrics.outcomes import read_outcomes, write_outcomes


def detection_outcomes():
    truth = SimpleNamespace(
        images=[SimpleNamespace(id=k, file_name=f"{k}.png") for k in range(4)],
        categories=[SimpleNamespace(id=1, name="plane"), SimpleNamespace(id=2, name="ship")],
        objects=[
            SimpleNamespace(image_id=k, category_id=1 + k % 2, bbox=[5, 5, 20, 20], area=None, iscrowd=k == 3)
            for k in (0, 1, 3)
        ],
    )
    found = [
        {"image_id": k % 4, "category_id": 1 + k % 2, "bbox": [5 + k / 3, 5, 20, 20], "score": 1 / (k + 1)}
        for k in range(9)
    ]
    return coco_detection(found, truth).outcomes


def mean_outcomes():
    return MeanOutcomes(images=("a", "b", "ü c"), values={"mse": np.array([1.0, np.nan, 3.0]), "bias": np.arange(3.0)})


@pytest.mark.parametrize("make", [detection_outcomes, mean_outcomes])
def test_outcomes_come_back_equal(make, tmp_path):
    outcomes = make()
    write_outcomes(tmp_path / "o.parquet", outcomes)
    back = read_outcomes(tmp_path / "o.parquet")
    assert type(back) is type(outcomes)
    assert back.images == outcomes.images
    weights = np.random.default_rng(0).integers(0, 3, (6, len(outcomes.images))).astype(float)
    found = back.scores(weights)
    for name, values in outcomes.scores(weights).items():
        np.testing.assert_array_equal(found[name], values)
    assert [p.name for p in tmp_path.iterdir()] == ["o.parquet"]


def test_detection_outcomes_without_detections_or_truth_come_back(tmp_path):
    truth = SimpleNamespace(
        images=[SimpleNamespace(id=1, file_name="a.png"), SimpleNamespace(id=2, file_name="b.png")],
        categories=[SimpleNamespace(id=1, name="plane")],
        objects=[],
    )
    write_outcomes(tmp_path / "o.parquet", coco_detection([], truth).outcomes)
    back = read_outcomes(tmp_path / "o.parquet")
    assert back.images == ("a.png", "b.png")
    assert np.isnan(back.scores(np.ones((1, 2)))["ap"][0])


def test_what_is_no_outcome_is_named(tmp_path):
    (tmp_path / "broken.parquet").write_bytes(b"no parquet")
    with pytest.raises(DatasetError, match=r"broken.parquet holds no outcomes of orbiq"):
        read_outcomes(tmp_path / "broken.parquet")
    with pytest.raises(DatasetError, match=r"absent.parquet holds no outcomes of orbiq"):
        read_outcomes(tmp_path / "absent.parquet")


def test_every_metric_has_a_function_and_a_spec_that_agree():
    for name in METRICS:
        assert callable(METRICS.load(name))
        assert metric_spec(name).name == name
        assert metric_spec(name).scores
    with pytest.raises(UnknownName, match="no metric named 'coco'"):
        metric_spec("coco")
