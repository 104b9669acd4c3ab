"""COCO JSON."""

import json

import pytest
from pycocotools.coco import COCO

from orbiq.datasets.annotations import Annotations, Category, ImageEntry, Object
from orbiq.datasets.coco import from_coco, read_coco, to_coco, write_coco
from orbiq.errors import DatasetError, StorageError

CONTENT = {
    "info": {"year": 2020},
    "licenses": [{"id": 1}],
    "images": [
        {"id": 1, "file_name": "a.png", "width": 30, "height": 20, "coco_url": "http://example.org"},
        {"id": 2, "file_name": "b.png", "width": 30, "height": 20, "scene": "north", "label": "beach", "value": 0.5},
    ],
    "annotations": [
        {
            "id": 1,
            "image_id": 1,
            "category_id": 3,
            "bbox": [1, 2, 3.5, 4],
            "rotated_bbox": [2, 4, 3, 4, 30.0],
            "segmentation": [[1, 2, 4.5, 2, 4.5, 6], [0, 0, 1, 0, 1, 1]],
            "keypoints": [1, 2, 2, 0, 0, 0],
            "area": 14,
            "iscrowd": 0,
            "num_keypoints": 1,
            "attributes": {"flying": False},
        },
        {
            "id": "x2",
            "image_id": 2,
            "category_id": 3,
            "segmentation": {"size": [20, 30], "counts": [0, 600]},
            "iscrowd": 1,
        },
    ],
    "categories": [{"id": 3, "name": "ship", "supercategory": "vehicle"}],
}


def written(tmp_path, text, name="annotations.json"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_file_comes_back_with_every_key_in_its_order(tmp_path):
    read = read_coco(written(tmp_path, json.dumps(CONTENT)))
    write_coco(tmp_path / "again.json", read)
    again = json.loads((tmp_path / "again.json").read_text())
    assert again == CONTENT
    assert json.dumps(again) == json.dumps(CONTENT)
    assert read_coco(tmp_path / "again.json") == read


def test_what_is_read():
    read = from_coco(CONTENT)
    ship, crowd = read.objects
    assert (ship.bbox, ship.rbox, ship.area) == ((1, 2, 3.5, 4), (2, 4, 3, 4, 30.0), 14)
    assert ship.polygons == (((1, 2), (4.5, 2), (4.5, 6)), ((0, 0), (1, 0), (1, 1)))
    assert ship.keypoints == ((1, 2, 2), (0, 0, 0))
    assert ship.extra == {"num_keypoints": 1, "attributes": {"flying": False}}
    assert (crowd.id, crowd.iscrowd, crowd.mask["counts"]) == ("x2", True, [0, 600])
    assert (read.images[1].scene, read.images[1].label, read.images[1].value) == ("north", "beach", 0.5)
    assert (read.images[0].rows, read.images[0].cols) == (20, 30)


def test_a_flat_polygon_and_an_empty_one_are_understood():
    flat, empty = (dict(CONTENT["annotations"][0], segmentation=value) for value in ([1, 2, 3, 4, 5, 6], []))
    assert from_coco(CONTENT | {"annotations": [flat]}).objects[0].polygons == (((1, 2), (3, 4), (5, 6)),)
    again = to_coco(from_coco(CONTENT | {"annotations": [empty]}))["annotations"][0]
    assert again["segmentation"] == []


def test_a_mask_beside_polygons_survives():
    mask = {"size": [20, 30], "counts": [0, 600]}
    thing = Object(id=1, image_id=1, category_id=3, polygons=(((1, 2), (3, 4), (5, 6)),), mask=mask)
    read = Annotations(
        images=(ImageEntry(id=1, file_name="a.png"),), categories=(Category(id=3, name="s"),), objects=(thing,)
    )
    assert from_coco(json.loads(json.dumps(to_coco(read)))) == read


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty; expected COCO JSON"),
        (" \n", "the file is empty"),
        ('{"images": [}', "broken JSON: Expecting value in line 1, column 13"),
        ("[1, 2]", "holds a list; expected a COCO object.*what detections look like"),
        ("3", "holds a number; expected a COCO object"),
        ('{"images": [], "annotations": []}', "the key 'categories' is missing; found images, annotations"),
        ('{"images": {}, "annotations": [], "categories": []}', "'images' is an object; expected a list"),
        ('{"images": [3], "annotations": [], "categories": []}', r"images\[0\] is a number; expected an object"),
        ('{"images": [{"id": 1}], "annotations": [], "categories": []}', r"images\[0\] has no 'file_name'; found id"),
        (
            '{"images": [], "annotations": [], "categories": [{"id": true, "name": "a"}]}',
            "has id True; expected a whole",
        ),
        ('{"images": [{"id": NaN}], "annotations": [], "categories": []}', "holds NaN, which is no JSON number"),
    ],
)
def test_a_broken_file_is_named(tmp_path, text, message):
    with pytest.raises(DatasetError, match=r"annotations\.json'"):
        read_coco(written(tmp_path, text))
    with pytest.raises(DatasetError, match=message):
        read_coco(written(tmp_path, text))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("bbox", [1, 2, 3], r"annotations\[0\] has bbox \[1, 2, 3\]; expected 4 numbers"),
        ("bbox", "all", "expected 4 numbers"),
        ("bbox", [1, 2, 3, None], "expected 4 numbers"),
        ("rotated_bbox", [1, 2, 3, 4], "expected 5 numbers"),
        ("segmentation", [[1, 2, 3]], "no list of polygons"),
        ("segmentation", "poly", "no list of polygons"),
        ("segmentation", {"size": 4}, "run-length code without"),
        ("keypoints", [1, 2], "keypoints that are no list"),
        ("area", "big", r"area \['big'\]; expected 1 number"),
        ("image_id", 99, "annotation 1 refers to image 99"),
        ("image_id", 1.5, "image_id 1.5; expected a whole number or a text"),
    ],
)
def test_a_broken_annotation_is_named(key, value, message):
    with pytest.raises(DatasetError, match=message):
        from_coco(CONTENT | {"annotations": [CONTENT["annotations"][0] | {key: value}]})


@pytest.mark.parametrize(("key", "value"), [("width", 0), ("height", 2.5), ("width", "30"), ("height", True)])
def test_a_broken_size_is_named(key, value):
    with pytest.raises(DatasetError, match=rf"images\[0\] has {key} {value!r}; expected a whole number of pixels"):
        from_coco(CONTENT | {"images": [CONTENT["images"][0] | {key: value}], "annotations": []})


def test_a_missing_file_and_bad_text_are_named(tmp_path):
    with pytest.raises(DatasetError, match=r"none\.json' do not exist"):
        read_coco(tmp_path / "none.json")
    (tmp_path / "latin.json").write_bytes('{"ä": 1}'.encode("latin-1"))
    with pytest.raises(DatasetError, match=r"latin\.json' cannot be read.*Expected COCO JSON in UTF-8"):
        read_coco(tmp_path / "latin.json")


def test_a_byte_order_mark_is_no_obstacle(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(CONTENT), encoding="utf-8-sig")
    assert read_coco(tmp_path / "a.json") == from_coco(CONTENT)


def test_writing_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        write_coco(tmp_path / "file" / "a.json", from_coco(CONTENT))


def test_pycocotools_reads_what_is_written(tmp_path, capsys):
    content = json.loads(json.dumps(CONTENT))
    write_coco(tmp_path / "a.json", from_coco(content))
    coco = COCO(str(tmp_path / "a.json"))
    assert coco.annToMask(coco.anns[1]).sum() > 0
    assert coco.annToMask(coco.anns["x2"]).sum() == 600


REAL = {
    "satellogic-airports/train/annotations.json": (38, 561, 2),
    "satellogic-airports/test/annotations.json": (14, 184, 2),
    "iquaflow-test-datasets/ds_coco_dataset/coco_annotations.json": (10, 130, 80),
    "tree-crowns-deepforest/coco_sample_file.json": (2, 6, 1),
    "aerial-vehicles-sahi/terrain1_coco.json": (1, 7, 1),
    "aerial-vehicles-sahi/terrain2_coco.json": (1, 5, 1),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files_come_back_unchanged(test_data, tmp_path, name):
    read = read_coco(test_data / name)
    assert (len(read.images), len(read.objects), len(read.categories)) == REAL[name]
    write_coco(tmp_path / "a.json", read)
    assert json.loads((tmp_path / "a.json").read_text()) == json.loads((test_data / name).read_text())


def test_a_real_file_with_flat_polygons(test_data):
    read = read_coco(test_data / "spacenet-solaris/coco_sample_3.json")
    assert len(read.objects) == 89
    assert all(thing.polygons for thing in read.objects)


def test_a_real_empty_file_is_said_to_be_empty(test_data):
    with pytest.raises(DatasetError, match=r"annotations\.json'.*the file is empty"):
        read_coco(test_data / "iquaflow-test-datasets/ds_inria_dataset/annotations.json")
