"""Segmentation scores: known answers, laws, agreement with scikit-learn, scikit-image and SciPy."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbiq.arrays import Scene
from orbiq.errors import ContractError, DatasetError, SettingError
from orbiq.imageio import Profile, write_image
from orbiq.metrics.base import plain_scores
from orbiq.metrics.outcomes import read_outcomes, write_outcomes
from orbiq.metrics.segmentation import SEGMENTATION_SCORES, segmentation
from orbiq.metrics.segmentation_input import MapFile
from orbiq.tiles import tiling

MEANS = [spec.name for spec in SEGMENTATION_SCORES]


def judge(said, true, **options):
    """Scores of one image."""
    return segmentation({"a": np.asarray(said)}, {"a": np.asarray(true)}, **options)


def blobs(seed, *, n_classes=4, shape=(40, 50), sigma_px=3.0):
    """A class map of smooth patches."""
    noise = np.random.default_rng(seed).normal(size=(*shape, n_classes))
    smooth = np.stack([cv2.GaussianBlur(noise[..., k], (0, 0), sigma_px) for k in range(n_classes)], axis=-1)
    return smooth.argmax(axis=-1).astype(np.uint8)


def pair(seed, **options):
    """A true map, and a predicted one that is wrong in places."""
    true, other = blobs(seed, **options), blobs(seed + 1000, **options)
    wrong = blobs(seed + 2000, n_classes=3, shape=true.shape) == 0
    return true, np.where(wrong, other, true)


# ---- known answers


def test_overlap_of_three_classes():
    scores = judge([[0, 1, 1, 2], [0, 1, 0, 2]], [[0, 0, 1, 1], [0, 1, 1, 2]]).scores
    assert scores["iou/0"] == 2 / 4
    assert scores["iou/1"] == 2 / 5
    assert scores["iou/2"] == 1 / 2
    assert scores["iou"] == pytest.approx((0.5 + 0.4 + 0.5) / 3)
    assert [scores[f"dice/{c}"] for c in "012"] == pytest.approx([4 / 6, 4 / 7, 2 / 3])
    assert scores["pixel_accuracy"] == 5 / 8
    assert list(scores)[:4] == MEANS


def test_counts_are_pooled_over_images_of_any_size():
    true = {"a": np.zeros((1, 6), int), "b": np.ones((1, 2), int)}
    said = {"a": np.zeros((1, 6), int), "b": np.array([[0, 1]])}
    scored = segmentation(said, true)
    assert scored.scores["iou/0"] == 6 / 7
    assert scored.scores["pixel_accuracy"] == 7 / 8
    assert scored.outcomes.confusion().tolist() == [[6, 0, 0], [1, 1, 0]]


def test_a_class_that_is_nowhere_is_nan_and_takes_no_part():
    scored = judge([[0, 1]], [[0, 1]], classes=["water", "forest", "snow"])
    assert scored.scores["iou"] == 1
    assert math.isnan(scored.scores["iou/snow"])
    assert scored.reasons["iou/snow"] == "class 'snow' is neither in the truth nor in the predictions"
    assert scored.reasons["boundary_f1/snow"].startswith("class 'snow' has no boundary")
    assert set(scored.reasons) == {"iou/snow", "dice/snow", "boundary_f1/snow"}


def test_a_class_that_is_only_predicted_scores_0():
    assert judge([[0, 1]], [[0, 0]]).scores["iou/1"] == 0
    assert judge([[0, 1]], [[0, 0]]).scores["iou"] == 0.25


def test_ignored_pixels_take_no_part_and_ignored_predictions_are_misses():
    true, said = [[255, 255, 1, 1]], [[0, 1, 1, 255]]
    scored = judge(said, true, ignore=255)
    assert scored.scores["iou/1"] == 1 / 2
    assert scored.scores["pixel_accuracy"] == 1 / 2
    assert "iou/0" not in scored.scores
    assert scored.outcomes.confusion().tolist() == [[1, 1]]
    assert scored.stated == {"classes": "1", "ignore": "255", "tolerance_px": 2.0}


def test_masked_truth_takes_no_part_and_masked_predictions_are_misses():
    mask = np.array([[False, True, True, True]])
    true = Scene(array=np.array([[0, 1, 1, 1]])[..., None], mask=mask)
    said = Scene(array=np.array([[1, 1, 1, 0]])[..., None], mask=mask[:, ::-1])
    assert segmentation({"a": said}, {"a": true}).scores["iou/1"] == 2 / 3


def test_nothing_to_judge_is_nan_with_a_reason():
    for scored in (judge([[1, 1]], [[9, 9]], ignore=[9]), segmentation({}, {})):
        assert all(math.isnan(scored.scores[name]) for name in MEANS)
        assert scored.reasons["iou"] == "no pixel is judged"
        assert "no boundary" in scored.reasons["boundary_f1"]


@pytest.mark.parametrize(("tolerance_px", "f1"), [(0, 0), (0.99, 0), (1, 1), (2, 1)])
def test_a_boundary_displaced_by_one_pixel(tolerance_px, f1):
    true, said = np.zeros((6, 9), int), np.zeros((6, 9), int)
    true[:, 4:], said[:, 5:] = 1, 1
    assert judge(said, true, tolerance_px=tolerance_px).scores["boundary_f1"] == f1


def test_the_tolerance_is_a_circle():
    true, said = np.zeros((9, 9), int), np.zeros((9, 9), int)
    true[4, 4], said[5, 5] = 1, 1
    assert judge(said, true, tolerance_px=1.41).scores["boundary_f1/1"] == 0
    assert judge(said, true, tolerance_px=math.sqrt(2)).scores["boundary_f1/1"] == 1


def test_boundary_f1_is_the_harmonic_mean_of_precision_and_recall():
    true, said = np.zeros((1, 40), int), np.zeros((1, 40), int)
    true[0, [5, 15, 25]] = 1  # three dots, each its own boundary
    said[0, [5, 35]] = 1
    precision, recall = 1 / 2, 1 / 3
    expected = 2 * precision * recall / (precision + recall)
    assert judge(said, true, tolerance_px=2).scores["boundary_f1/1"] == pytest.approx(expected)


def test_neither_the_images_border_nor_that_of_ignored_pixels_is_a_boundary():
    true = np.zeros((8, 8), int)
    true[:, 4:] = 255
    scored = judge(np.zeros((8, 8), int), true, ignore=255)
    assert scored.scores["iou"] == 1
    assert math.isnan(scored.scores["boundary_f1"])


def test_an_unfound_boundary_scores_0():
    true = np.zeros((8, 8), int)
    true[:, 4:] = 1
    scores = judge(np.zeros((8, 8), int), true).scores
    assert scores["boundary_f1/1"] == scores["boundary_f1/0"] == 0


@pytest.mark.parametrize("numbers", [(3, 65535), (0, 10**12), (1 << 40, 1 << 62)])
def test_class_numbers_of_any_size(numbers):
    low, high = numbers
    scores = judge([[low, high, high]], [[low, low, high]]).scores
    assert (scores[f"iou/{low}"], scores[f"iou/{high}"]) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        (2, ["0", "1"]),
        (np.int64(2), ["0", "1"]),
        (np.arange(2), ["0", "1"]),
        (["water", "forest"], ["water", "forest"]),
        ([1, 0], ["1", "0"]),
        (["1=forest", "0=water"], ["forest", "water"]),
    ],
)
def test_classes_by_count_number_or_name(classes, names):
    scored = judge([[0, 1, 1]], [[0, 0, 1]], classes=classes)
    assert list(scored.outcomes.classes) == names
    assert scored.scores[f"iou/{names[0]}"] == 0.5


def test_an_ignored_class_needs_no_name_of_its_own():
    assert list(judge([[0, 1]], [[0, 1]], classes=["background", "car"], ignore=0).outcomes.classes) == ["car"]


@pytest.mark.parametrize("ignore", [np.uint8(1), np.array([1]), {1}, [np.int64(1)]])
def test_ignore_of_any_whole_sort(ignore):
    scored = judge([[0, 1]], [[0, 1]], ignore=ignore)
    assert (list(scored.outcomes.classes), scored.stated["ignore"]) == (["0"], "1")


def test_the_largest_numbers_can_be_ignored():
    largest = 2**64 - 1
    true = np.array([[0, largest, largest - 1]], np.uint64)
    said = np.array([[0, 1, 1]], np.uint64)
    assert judge(said, true, ignore=[largest, largest - 1, -1]).scores["pixel_accuracy"] == 1
    with pytest.raises(DatasetError, match=rf"holds class {largest - 1}; expected numbers below 2⁶³"):
        judge(said, true, ignore=largest)


def test_scores_per_class_can_be_left_out():
    assert list(judge([[0, 1]], [[0, 1]], per_class=False).scores) == MEANS


# ---- laws


@pytest.mark.parametrize("seed", range(3))
def test_the_truth_itself_scores_1(seed):
    true = blobs(seed)
    assert set(judge(true, true, tolerance_px=0).scores.values()) == {1.0}


@pytest.mark.parametrize("seed", range(3))
def test_truth_and_prediction_can_be_exchanged(seed):
    true, said = pair(seed)
    assert judge(true, said).scores == judge(said, true).scores


@given(seed=st.integers(0, 10**6), tolerance_px=st.sampled_from([0, 1, 2.5, 7]), size=st.integers(5, 30))
@settings(max_examples=15, deadline=None)
def test_tiled_is_whole(seed, tolerance_px, size):
    true, said = pair(seed)
    true[:9, :20] = 9
    with tiling(size=10**6):
        whole = judge(said, true, tolerance_px=tolerance_px, ignore=9)
    with tiling(size=size, threads=2):
        tiled = judge(said, true, tolerance_px=tolerance_px, ignore=9)
    assert np.array_equal(whole.outcomes.pixels, tiled.outcomes.pixels)
    assert np.array_equal(whole.outcomes.boundary, tiled.outcomes.boundary)


@given(seed=st.integers(0, 10**6), top=st.integers(1, 15), left=st.integers(1, 20))
@settings(max_examples=15, deadline=None)
def test_masked_is_cropped(seed, top, left):
    true, said = pair(seed)
    mask = np.zeros(true.shape, bool)
    mask[top:-4, left:-3] = True
    masked = segmentation({"a": said}, {"a": Scene(array=true[..., None], mask=mask)})
    assert masked.scores == judge(said[mask].reshape(-1, mask[top].sum()), true[top:-4, left:-3]).scores


def three_images(seed=0):
    pairs = [pair(seed + k) for k in range(3)]
    true = {name: p[0] for name, p in zip("abc", pairs, strict=True)}
    return {name: p[1] for name, p in zip("abc", pairs, strict=True)}, true


@pytest.mark.parametrize("seed", range(3))
def test_an_image_of_weight_2_stands_twice(seed):
    said, true = three_images(seed)
    weighted = segmentation(said, true).outcomes.scores(np.array([[2.0, 1.0, 0.0]]))
    repeated = segmentation(
        {"a": said["a"], "a2": said["a"], "b": said["b"]}, {"a": true["a"], "a2": true["a"], "b": true["b"]}
    )
    for name, value in repeated.scores.items():
        assert weighted[name][0] == value


def test_the_order_of_images_plays_no_part():
    said, true = three_images()
    turned = segmentation(said, dict(reversed(true.items())))
    assert turned.scores == segmentation(said, true).scores
    assert turned.outcomes.images == ("c", "b", "a")


def test_classes_have_no_order():
    true, said = pair(0)
    numbers = np.array([7, 0, 300, 2], np.uint16)
    scores, renumbered = judge(said, true).scores, judge(numbers[said], numbers[true]).scores
    assert all(renumbered[f"iou/{n}"] == scores[f"iou/{k}"] for k, n in enumerate(numbers))
    assert renumbered["boundary_f1"] == pytest.approx(scores["boundary_f1"], abs=1e-15)


def test_scores_are_of_any_whole_dtype():
    true, said = pair(0)
    expected = judge(said, true).scores
    for dtype in (np.uint16, np.int16, np.int64):
        assert judge(said.astype(dtype), true[..., None].astype(dtype)).scores == expected
    assert judge(said > 1, true > 1).scores == judge((said > 1) * 1, (true > 1) * 1).scores


def test_no_weight_leaves_nothing():
    said, true = three_images()
    scores = segmentation(said, true).outcomes.scores(np.zeros((2, 3)))
    assert all(np.isnan(value).all() for value in scores.values())


def test_outcomes_come_back_equal(tmp_path):
    said, true = three_images()
    true["b"] = np.full_like(true["b"], 200)  # an image of which nothing is judged
    said["a"][:5] = 200
    outcomes = segmentation(said, true, classes=["sea", "land", "ice", "é"], ignore=200).outcomes
    write_outcomes(tmp_path / "o.parquet", outcomes)
    back = read_outcomes(tmp_path / "o.parquet")
    assert (back.images, back.classes) == (("a", "b", "c"), ("sea", "land", "ice", "é"))
    weights = np.random.default_rng(0).integers(0, 4, (20, 3)).astype(float)
    for name, values in outcomes.scores(weights).items():
        np.testing.assert_array_equal(back.scores(weights)[name], values)
    assert np.array_equal(back.confusion(), outcomes.confusion())


# ---- agreement


@pytest.mark.parametrize("seed", range(4))
def test_overlap_equals_scikit_learn(seed):
    from sklearn import metrics

    true, said = pair(seed, n_classes=5)
    flat = true.ravel(), said.ravel()
    scored = judge(said, true)
    labels = sorted({*flat[0].tolist(), *flat[1].tolist()})
    assert [scored.scores[f"iou/{c}"] for c in labels] == pytest.approx(metrics.jaccard_score(*flat, average=None))
    assert [scored.scores[f"dice/{c}"] for c in labels] == pytest.approx(metrics.f1_score(*flat, average=None))
    assert scored.scores["iou"] == pytest.approx(metrics.jaccard_score(*flat, average="macro"))
    assert scored.scores["pixel_accuracy"] == pytest.approx(metrics.accuracy_score(*flat))
    assert np.array_equal(scored.outcomes.confusion()[:, :-1], metrics.confusion_matrix(*flat))


def test_weighted_overlap_equals_scikit_learn():
    from sklearn import metrics

    said, true = three_images()
    weights = np.array([0.5, 2.0, 3.7])
    scores = segmentation(said, true).outcomes.scores(weights[None])
    flat = [np.concatenate([maps[name].ravel() for name in "abc"]) for maps in (true, said)]
    by_pixel = np.repeat(weights, true["a"].size)
    expected = metrics.jaccard_score(*flat, average="macro", sample_weight=by_pixel)
    assert scores["iou"][0] == pytest.approx(expected)
    assert scores["pixel_accuracy"][0] == pytest.approx(metrics.accuracy_score(*flat, sample_weight=by_pixel))


@pytest.mark.parametrize("tolerance_px", [0, 1, 1.5, 3, 5, 8.5])
def test_boundary_f1_equals_a_plain_one(tolerance_px):
    from scipy.ndimage import distance_transform_edt
    from skimage.segmentation import find_boundaries

    true, said = pair(7, n_classes=4, shape=(60, 50))
    scores = judge(said, true, tolerance_px=tolerance_px).scores
    for c in range(4):
        edges = [find_boundaries(m == c, connectivity=1, mode="inner") for m in (true, said)]
        near = [distance_transform_edt(~edge) <= tolerance_px + 1e-9 for edge in edges]
        precision, recall = near[0][edges[1]].mean(), near[1][edges[0]].mean()
        expected = 2 * precision * recall / (precision + recall) if precision + recall else 0
        assert scores[f"boundary_f1/{c}"] == pytest.approx(expected)


# ---- files


def in_file(path, array, **options):
    write_image(path, array if array.ndim == 3 else array[..., None], **options)
    return MapFile(path=path, name=path.name)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_maps_are_read_from_files(suffix, tmp_path):
    true, said = pair(0)
    files = in_file(tmp_path / f"t{suffix}", true.astype(np.uint16)), in_file(tmp_path / f"s{suffix}", said)
    assert segmentation({"a": files[1]}, {"a": files[0]}).scores == judge(said, true).scores
    assert np.array_equal(files[1].read(), said)


@pytest.mark.parametrize("dtype", ["int32", "uint32"])
def test_maps_of_32_bits_score_as_those_of_8(dtype, tmp_path):
    true, said = pair(0)
    files = in_file(tmp_path / "t.tif", true.astype(dtype)), in_file(tmp_path / "s.tif", said.astype(dtype))
    assert segmentation({"a": files[1]}, {"a": files[0]}).scores == judge(said, true).scores


def test_where_the_image_has_no_data_nothing_is_judged(tmp_path):
    true, said = pair(0)
    image = np.full((*true.shape, 1), 50, np.uint8)
    image[:, :12] = 0
    write_image(tmp_path / "a.tif", image, profile=Profile(format="tiff", nodata=0))
    write_image(tmp_path / "a.png", image)
    write_image(tmp_path / "rgba.png", np.concatenate([image] * 3 + [(image > 0) * np.uint8(255)], axis=2))
    file = in_file(tmp_path / "t.png", true)
    cropped = judge(said[:, 12:], true[:, 12:]).scores
    for name, nodata in (("a.tif", None), ("a.png", 0), ("rgba.png", None)):
        truth = MapFile(path=file.path, name="t.png", image=tmp_path / name, nodata=nodata)
        assert segmentation({"a": said}, {"a": truth}).scores == cropped
    truth = MapFile(path=file.path, name="t.png", image=tmp_path / "a.png")
    assert segmentation({"a": said}, {"a": truth}).scores == judge(said, true).scores


def test_nodata_of_a_predicted_file_is_a_miss(tmp_path):
    true, said = pair(0)
    said[:, :12] = 77
    file = in_file(tmp_path / "s.tif", said, profile=Profile(format="tiff", nodata=77))
    assert segmentation({"a": file}, {"a": true}).scores == judge(said, true, ignore=77).scores


# ---- what is refused


def png(path, array, *parameters):
    cv2.imwrite(str(path), array, parameters)
    return MapFile(path=path, name=f"pred/{path.name}")


def palette_png(path):
    from PIL import Image

    picture = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), mode="P")
    picture.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0])
    picture.save(path)
    return MapFile(path=path, name="pred/palette.png")


SQUARE = np.array([[0, 1], [2, 1]], np.uint8)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: SQUARE.astype(np.float32), r"the mask of 'a' holds float32; expected one band of whole numbers"),
        (lambda _: SQUARE.astype(complex), "holds complex128; expected one band"),
        (lambda _: np.stack([SQUARE] * 3, axis=-1), "holds 3 bands of uint8; expected one band"),
        (lambda _: SQUARE[:1], r"is \(1, 2\) but the truth is \(2, 2\) \(rows, cols\); write it in the size"),
        (lambda _: SQUARE[0], r"has shape \(2,\); expected \(rows, cols\)"),
        (lambda _: -SQUARE.astype(int), "holds class -2; expected numbers ≥ 0"),
        (lambda _: SQUARE.astype(np.uint64) + 2**63, "holds class 9223372036854775810; expected numbers below 2⁶³"),
        (lambda _: np.ma.masked_equal(SQUARE, 2), "cannot be used: it is a masked array, whose mask would be lost"),
        (lambda p: png(p / "rgb.png", np.stack([SQUARE] * 3, axis=-1)), r"\(pred/rgb.png\) holds 3 bands of uint8"),
        (lambda p: palette_png(p / "palette.png"), "it is a PNG with a palette"),
        (lambda p: png(p / "bits.png", SQUARE, cv2.IMWRITE_PNG_BILEVEL, 1), "it is a 1-bit PNG"),
        (lambda p: png(p / "a.jpg", SQUARE), "it is a JPEG, which changes class numbers"),
        (lambda p: MapFile(path=p / "none.png", name="pred/none.png"), "image 'pred/none.png' does not exist"),
    ],
)
def test_what_is_no_class_map_is_named(make, message, tmp_path):
    with pytest.raises(ContractError, match=message) as refused:
        segmentation({"a": make(tmp_path)}, {"a": SQUARE})
    assert str(refused.value).startswith("output.json: the mask of 'a'")
    assert str(tmp_path) not in str(refused.value)


def test_what_is_wrong_with_the_truth_is_said_of_the_truth(tmp_path):
    with pytest.raises(DatasetError, match=r"the true mask of 'a' holds float64; expected one band of whole numbers"):
        judge(SQUARE, SQUARE.astype(float))
    with pytest.raises(
        DatasetError, match=r"the true mask of 'a' \(pred/palette.png\) cannot be used: it is a PNG with"
    ):
        segmentation({"a": SQUARE}, {"a": palette_png(tmp_path / "palette.png")})
    write_image(tmp_path / "a.tif", np.zeros((3, 2, 1), np.uint8))
    file = png(tmp_path / "t.png", SQUARE)
    with pytest.raises(DatasetError, match=r"is \(2, 2\) but its image is \(3, 2\)"):
        segmentation({"a": SQUARE}, {"a": MapFile(path=file.path, name="t.png", image=tmp_path / "a.tif")})


def test_a_masked_array_is_a_scene_with_its_mask():
    array = np.ma.masked_equal(np.array([[0, 1], [9, 1]]), 9)
    with pytest.raises(DatasetError, match=r"the true mask of 'a' .* pass its .data as Scene\("):
        segmentation({"a": SQUARE}, {"a": array})
    scene = Scene(array=array.data[..., None], mask=~np.ma.getmaskarray(array))
    assert segmentation({"a": SQUARE}, {"a": scene}).scores["pixel_accuracy"] == 1


def test_classes_that_are_not_stated_are_named():
    with pytest.raises(ContractError, match=r"output.json: the mask of 'a' holds class 2; the stated classes are 0, 1"):
        judge([[0, 2]], [[0, 1]], classes=2)
    with pytest.raises(DatasetError, match=r"the true mask of 'a' holds class 2; .* Add it to classes, or to ignore"):
        judge([[0, 1]], [[0, 2]], classes=2)


def test_all_classes_ignored_are_not_those_that_occur():
    with pytest.raises(SettingError, match=r"classes are \[7\] and all of them are to be ignored"):
        judge([[0, 2]], [[0, 1]], classes=[7], ignore=7)


def test_more_numbers_than_classes_are_a_mistake():
    heights = np.arange(1100).reshape(1, -1)
    with pytest.raises(SettingError, match="hold 1100 different numbers; are they class maps"):
        judge(heights, heights)
    assert judge(heights, heights, classes=1100, per_class=False).scores["iou"] == 1


def test_missing_and_unknown_images_are_named():
    with pytest.raises(ContractError, match=r"says nothing of 1 of 1 images, first 'a'"):
        segmentation({}, {"a": SQUARE})
    with pytest.raises(ContractError, match="speaks of 1 images that are not judged, first 'b'"):
        segmentation({"a": SQUARE, "b": SQUARE}, {"a": SQUARE})
    with pytest.raises(ContractError, match=r'holds a list; these scores expect \{"masks"'):
        segmentation([], {"a": SQUARE})


@pytest.mark.parametrize(
    "classes",
    [
        0,
        -1,
        True,
        "water",
        [],
        ["water", "water"],
        [1, 1],
        ["1=a", "b"],
        ["x=a"],
        [1, "a"],
        [-2],
        [0.5],
        ["3="],
        2.5,
        np.True_,
    ],
)
def test_classes_that_cannot_be(classes):
    with pytest.raises(SettingError, match=r"classes are .*; expected how many there are, or a list of different"):
        judge(SQUARE, SQUARE, classes=classes)


@pytest.mark.parametrize("ignore", ["255", True, [0.5], [[1]], None, 2.5, np.True_])
def test_ignore_that_cannot_be(ignore):
    with pytest.raises(SettingError, match="ignore is .*; expected a class number such as 255"):
        judge(SQUARE, SQUARE, ignore=ignore)


@pytest.mark.parametrize("tolerance_px", [-1, 101, math.nan])
def test_tolerances_that_cannot_be(tolerance_px):
    with pytest.raises(SettingError, match="tolerance_px is .*; expected 0 to 100 pixels"):
        judge(SQUARE, SQUARE, tolerance_px=tolerance_px)


def test_weights_that_cannot_be():
    outcomes = judge(SQUARE, SQUARE).outcomes
    assert plain_scores(outcomes)["iou"] == 1
    for weights in (np.ones((1, 2)), np.ones(1), -np.ones((1, 1))):
        with pytest.raises(SettingError, match=r"expected \(replicates, 1 images\), none below 0"):
            outcomes.scores(weights)
