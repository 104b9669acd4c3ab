"""COCO detection: known answers, laws, and equality with pycocotools."""

import contextlib
import io
import math
from types import SimpleNamespace

import numpy as np
import pytest

from orbiq.errors import ContractError, DatasetError, SettingError
from orbiq.metrics.base import Outcomes, plain_scores
from orbiq.metrics.detection import AREA_RANGES, DETECTION_SCORES, coco_detection
from orbiq.metrics.detection_outcomes import detection_outcomes_from


def make_truth(objects, *, n_images=2, names=("plane",)):
    return SimpleNamespace(
        images=[SimpleNamespace(id=k + 1, file_name=f"{k}.png") for k in range(n_images)],
        categories=[SimpleNamespace(id=k + 1, name=name) for k, name in enumerate(names)],
        objects=[SimpleNamespace(**{"area": None, "iscrowd": False, "category_id": 1, **o}) for o in objects],
    )


def detection(image_id, box, score, category_id=1):
    return {"image_id": image_id, "category_id": category_id, "bbox": box, "score": score}


BOX = [10.0, 10.0, 20.0, 20.0]
FAR = [500.0, 500.0, 20.0, 20.0]


# known answers


def test_a_perfect_detector_scores_one():
    truth = make_truth([{"image_id": 1, "bbox": BOX}, {"image_id": 2, "bbox": FAR}])
    scored = coco_detection([detection(1, BOX, 0.9), detection(2, FAR, 0.8)], truth)
    assert scored.scores["ap"] == pytest.approx(1.0)
    assert scored.scores["ar_1"] == 1.0
    assert scored.scores["ap/plane"] == pytest.approx(1.0)
    assert scored.stated["max_dets"] == [1, 10, 100]
    assert scored.stated["area_ranges_px2"]["small"] == [0.0, 1024.0]


def test_one_hit_one_miss_and_a_surer_false_alarm():
    truth = make_truth([{"image_id": 1, "bbox": BOX}, {"image_id": 2, "bbox": FAR}])
    scored = coco_detection([detection(1, FAR, 0.9), detection(1, BOX, 0.8)], truth)
    # recall reaches 0.5 with precision 1/2: 51 of the 101 recall points
    assert scored.scores["ap50"] == pytest.approx(51 / 101 / 2)
    assert scored.scores["ar_1"] == 0.0
    assert scored.scores["ar_10"] == 0.5


def test_no_predictions_score_zero_and_no_truth_scores_nan_with_a_reason():
    truth = make_truth([{"image_id": 1, "bbox": BOX}], names=("plane", "ship"))
    scored = coco_detection([], truth)
    assert scored.scores["ap"] == 0.0
    assert math.isnan(scored.scores["ap_large"])
    assert scored.reasons["ap_large"] == "the truth has no object of area 9216 to 1e+10 px² (large)"
    assert scored.reasons["ap50/ship"] == "the truth has no object of class 'ship'"
    assert set(scored.reasons) == {k for k, v in scored.scores.items() if math.isnan(v)}
    nothing = coco_detection([detection(1, BOX, 0.5)], make_truth([]))
    assert nothing.reasons["ap"] == "the truth has no object"
    assert math.isnan(plain_scores(nothing.outcomes)["ap"])
    assert math.isnan(coco_detection([], make_truth([], n_images=0, names=())).scores["ap"])


def test_a_threshold_that_is_not_there_says_so():
    truth = make_truth([{"image_id": 1, "bbox": BOX}])
    scored = coco_detection([detection(1, BOX, 0.9)], truth, iou_thresholds=[0.3, 0.5])
    assert scored.scores["ap50"] == pytest.approx(1.0)
    assert scored.reasons["ap75"] == "IoU 0.75 is not among the thresholds 0.3, 0.5"


def test_merged_categories_forgive_the_wrong_class():
    truth = make_truth([{"image_id": 1, "bbox": BOX, "category_id": 2}], names=("plane", "ship"))
    found = [detection(1, BOX, 0.9, category_id=1)]
    assert coco_detection(found, truth).scores["ap50"] == 0.0
    merged = coco_detection(found, truth, merge_categories=True)
    assert merged.scores["ap50"] == pytest.approx(1.0)
    assert not any("/" in name for name in merged.scores)


def test_detections_beyond_the_limit_are_counted():
    truth = make_truth([{"image_id": 1, "bbox": BOX}])
    many = [detection(1, FAR, 0.9)] * 11 + [detection(1, BOX, 0.1)]
    scored = coco_detection(many, truth, max_dets=(1, 10))
    assert scored.scores["ar_10"] == 0.0
    assert scored.stated["n_capped"] == 1
    assert coco_detection(many, truth).stated["n_capped"] == 0


def test_ids_may_be_words_and_names_may_repeat():
    truth = make_truth([{"image_id": "b", "bbox": BOX, "category_id": "x"}], names=("plane", "plane"))
    truth.images = [SimpleNamespace(id=i, file_name=f"{i}.png") for i in "ba"]
    truth.categories = [SimpleNamespace(id=i, name="plane") for i in "yx"]
    scored = coco_detection([detection("b", BOX, 0.9, category_id="x")], truth)
    assert scored.scores["ap/plane (x)"] == pytest.approx(1.0)
    assert scored.outcomes.images == ("a.png", "b.png")


BAD = {
    "not a list": ({"a": 1}, r"predictions are \{'a': 1\} \(dict\); expected a list"),
    "not an object": ([7], r"prediction 1 of 1 is 7 \(int\); expected an object"),
    "no score": ([{"image_id": 1, "category_id": 1, "bbox": BOX}], "prediction 1 of 1 has no 'score'"),
    "image": ([detection(1, BOX, 1), detection(9, BOX, 1)], r"prediction 2 of 2: image_id is 9 \(int\).* as in 1, 2"),
    "image list": ([detection([1], BOX, 1)], r"image_id is \[1\] \(list\)"),
    "category": ([detection(1, BOX, 1, category_id=5)], r"category_id is 5 \(int\); expected .* categories, as in 1"),
    "length": ([detection(1, [1, 2, 3], 1)], r"bbox is \[1, 2, 3\] \(list\); expected four finite numbers"),
    "nan": ([detection(1, [1, 2, math.nan, 3], 1)], r"bbox is .*nan.* expected four finite numbers"),
    "negative": ([detection(1, [1, 2, -3, 3], 1)], "width and height ≥ 0"),
    "text": ([detection(1, [1, 2, "3", 3], 1)], r"bbox is \[1, 2, '3', 3\]"),
    "huge": ([detection(1, [1, 2, 10**400, 3], 1)], "expected four finite numbers"),
    "score nan": ([detection(1, BOX, math.nan)], r"score is nan \(float\); expected a finite number"),
    "score none": ([detection(1, BOX, None)], r"score is None \(NoneType\)"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_predictions_are_named(name):
    predictions, message = BAD[name]
    with pytest.raises(ContractError, match=message):
        coco_detection(predictions, make_truth([{"image_id": 1, "bbox": BOX}]))


def test_bad_truth_and_options_are_named():
    with pytest.raises(DatasetError, match="truth object 1 is in image_id 7, which is not among"):
        coco_detection([], make_truth([{"image_id": 7, "bbox": BOX}]))
    with pytest.raises(DatasetError, match="truth object 1 has category_id 7"):
        coco_detection([], make_truth([{"image_id": 1, "bbox": BOX, "category_id": 7}]))
    with pytest.raises(DatasetError, match=r"truth object 1 .* has the box None"):
        coco_detection([], make_truth([{"image_id": 1, "bbox": None}]))
    twins = make_truth([])
    twins.images[1].file_name = "0.png"
    with pytest.raises(DatasetError, match=r"image '0.png' is 2 times"):
        coco_detection([], twins)
    truth = make_truth([{"image_id": 1, "bbox": BOX}])
    with pytest.raises(SettingError, match=r"max_dets are \(10, 1\); expected rising"):
        coco_detection([], truth, max_dets=(10, 1))
    with pytest.raises(SettingError, match=r"iou_thresholds are \[0\]"):
        coco_detection([], truth, iou_thresholds=[0])
    with pytest.raises(SettingError, match=r"area range 'tiny' is \(5, 1\)"):
        coco_detection([], truth, area_ranges={"tiny": (5, 1)})
    outcomes = coco_detection([], truth).outcomes
    with pytest.raises(SettingError, match=r"weights have shape \(1, 3\); expected \(replicates, 2 images\)"):
        outcomes.scores(np.ones((1, 3)))


# laws


def random_set(seed, *, n_images=12, ties=False, word_ids=False):
    """Seeded truth and detections with crowds, ties, empty images and now and then more than 100 detections."""
    rng = np.random.default_rng(seed)
    n_classes = int(rng.integers(1, 5))
    ids = rng.permutation(100)[:n_images] + 1
    objects, predictions = [], []
    for image_id in map(int, ids):
        n = int(rng.integers(0, 9)) if rng.random() > 0.2 else 0
        corners, sizes = rng.uniform(0, 300, (n, 2)), np.exp(rng.uniform(1.5, 5.2, (n, 2)))
        boxes = np.hstack([corners, sizes]).round(1)
        for box in boxes.tolist():
            crowd = bool(rng.random() < 0.12)
            area = None if rng.random() < 0.5 else round(float(box[2] * box[3] * rng.uniform(0.5, 1)), 2)
            category = int(rng.integers(1, n_classes + 1))
            objects.append({"image_id": image_id, "bbox": box, "iscrowd": crowd, "area": area, "category_id": category})
        for _ in range(int(rng.choice([0, 5, 20, 130], p=[0.15, 0.4, 0.4, 0.05]))):
            base = boxes[rng.integers(n)] if n and rng.random() < 0.7 else np.array([*rng.uniform(0, 300, 2), 40, 40])
            box = (base + rng.normal(0, 0.12, 4) * np.tile(base[2:], 2)).clip(0.5).round(1).tolist()
            score = float(rng.choice([0.2, 0.5, 0.8])) if ties else float(rng.random())
            predictions.append(detection(image_id, box, score, category_id=int(rng.integers(1, n_classes + 1))))
    truth = make_truth(objects, names=[f"class {k}" for k in range(n_classes)])
    truth.images = [SimpleNamespace(id=int(i), file_name=f"{i}.png") for i in ids]
    return predictions, truth


@pytest.mark.parametrize("seed", range(6))
def test_outcomes_with_all_ones_give_the_plain_scores(seed):
    predictions, truth = random_set(seed, ties=seed % 2 == 0)
    scored = coco_detection(predictions, truth, max_dets=(1, 10, 200))
    plain = plain_scores(scored.outcomes)
    assert isinstance(scored.outcomes, Outcomes)
    assert {"ap", "ap50", "ap75", "ar_1", "ar_200", "ap/class 0", "ap50/class 0"} <= set(plain)
    for name, value in plain.items():
        assert value == pytest.approx(scored.scores[name], abs=1e-12, nan_ok=True), name


@pytest.mark.parametrize("seed", range(4))
def test_an_image_of_weight_two_is_the_image_twice(seed):
    predictions, truth = random_set(seed)
    outcomes = coco_detection(predictions, truth).outcomes
    doubled, dropped = truth.images[3].id, truth.images[5].id
    weight = {f"{doubled}.png": 2.0, f"{dropped}.png": 0.0}
    weights = np.array([[weight.get(name, 1.0) for name in outcomes.images]])
    kept = [o for o in truth.objects if o.image_id != dropped]
    twin = [SimpleNamespace(**{**vars(o), "image_id": 1000}) for o in kept if o.image_id == doubled]
    copy = SimpleNamespace(
        images=[i for i in truth.images if i.id != dropped] + [SimpleNamespace(id=1000, file_name="twin.png")],
        categories=truth.categories,
        objects=kept + twin,
    )
    found = [p for p in predictions if p["image_id"] != dropped]
    found += [{**p, "image_id": 1000} for p in found if p["image_id"] == doubled]
    physical = coco_detection(found, copy)
    for name, value in outcomes.scores(weights).items():
        assert value[0] == pytest.approx(physical.scores[name], abs=1e-12, nan_ok=True), name


def test_scores_do_not_depend_on_the_scale_of_the_weights_nor_on_chunks(monkeypatch):
    predictions, truth = random_set(3)
    outcomes = coco_detection(predictions, truth).outcomes
    weights = np.random.default_rng(0).integers(0, 4, (7, len(outcomes.images))).astype(float)
    whole = outcomes.scores(weights)
    monkeypatch.setattr("orbiq.metrics.detection_outcomes._CHUNK_NUMBERS", 1)
    for name, values in outcomes.scores(weights * 4).items():
        np.testing.assert_allclose(values, whole[name], atol=1e-12)


def test_columns_come_back_as_the_same_outcomes():
    predictions, truth = random_set(5, ties=True)
    outcomes = coco_detection(predictions, truth, max_dets=(1, 50)).outcomes
    columns, metadata = outcomes.columns()
    assert len({len(v) for v in columns.values()}) == 1
    back = detection_outcomes_from(columns, metadata)
    assert back.images == outcomes.images
    weights = np.random.default_rng(0).integers(0, 3, (5, len(outcomes.images))).astype(float)
    for name, values in outcomes.scores(weights).items():
        np.testing.assert_array_equal(back.scores(weights)[name], values)


# agreement with pycocotools


def peer(predictions, truth, *, max_dets=(1, 10, 100), areas=AREA_RANGES):
    """pycocotools' arrays, summed up by name."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def area(o):
        return o.bbox[2] * o.bbox[3] if o.area is None else o.area

    annotations = [
        {**vars(o), "id": k, "area": area(o), "iscrowd": int(o.iscrowd)} for k, o in enumerate(truth.objects, 1)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": i.id} for i in truth.images],
            "categories": [vars(c) for c in truth.categories],
            "annotations": annotations,
        }
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(predictions), "bbox")
        evaluation.params.maxDets = list(max_dets)
        evaluation.params.areaRng = [list(v) for v in areas.values()]
        evaluation.params.areaRngLbl = list(areas)
        evaluation.evaluate()
        evaluation.accumulate()
        if areas is AREA_RANGES and max_dets == (1, 10, 100):
            evaluation.summarize()
    precision, recall = evaluation.eval["precision"][..., -1], evaluation.eval["recall"]
    named = {"ap": precision[..., 0], "ap50": precision[0, ..., 0], "ap75": precision[5, ..., 0]}
    for k, name in list(enumerate(areas))[1:]:
        named |= {f"ap_{name}": precision[..., k], f"ar_{name}": recall[:, :, k, -1]}
    named |= {f"ar_{m}": recall[:, :, 0, k] for k, m in enumerate(max_dets)}
    for c, category in enumerate(truth.categories):
        named |= {f"ap/{category.name}": precision[:, :, c, 0], f"ap50/{category.name}": precision[0, :, c, 0]}
    means = {name: v[v > -1].mean() if (v > -1).any() else -1.0 for name, v in named.items()}
    return means, getattr(evaluation, "stats", None)


def assert_equal(ours, theirs):
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        assert (-1.0 if math.isnan(ours[name]) else ours[name]) == pytest.approx(value, abs=1e-10), name


@pytest.mark.parametrize("seed", range(60))
def test_the_twelve_scores_equal_pycocotools(seed):
    predictions, truth = random_set(seed, ties=seed % 3 == 0)
    ours = coco_detection(predictions, truth).scores
    theirs, stats = peer(predictions, truth)
    assert_equal(ours, theirs)
    twelve = [ours[spec.name] for spec in DETECTION_SCORES]
    np.testing.assert_allclose(np.nan_to_num(twelve, nan=-1.0), stats, atol=1e-10)


@pytest.mark.parametrize("seed", range(100, 106))
def test_other_limits_and_areas_equal_pycocotools(seed):
    predictions, truth = random_set(seed, ties=True)
    areas = {"all": (0, 1e10), "tiny": (0, 300), "rest": (300, 1e10)}
    ours = coco_detection(
        predictions, truth, max_dets=(1, 10, 500), area_ranges={k: areas[k] for k in ("tiny", "rest")}
    )
    theirs, _ = peer(predictions, truth, max_dets=(1, 10, 500), areas=areas)
    assert_equal(ours.scores, theirs)


@pytest.mark.parametrize("seed", range(200, 204))
def test_merged_categories_equal_pycocotools_on_one_class(seed):
    predictions, truth = random_set(seed)
    one = make_truth([{**vars(o), "category_id": 1} for o in truth.objects], names=("object",))
    one.images = truth.images
    theirs, _ = peer([{**p, "category_id": 1} for p in predictions], one)
    ours = coco_detection(predictions, truth, merge_categories=True).scores
    assert_equal(ours, {k: v for k, v in theirs.items() if "/" not in k})
