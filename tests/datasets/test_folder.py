"""The dataset folder."""

import json

import numpy as np
import pytest

from orbiq.datasets.folder import check_images, open_dataset, read_scene
from orbiq.errors import DatasetError, ImageError
from orbiq.imageio import Profile, write_image


@pytest.fixture
def make(tmp_path):
    """Builds tmp_path/ships: a gray 4×6 image for each name, a text for each other file."""

    def build(*names, texts=(), describe=None):
        folder = tmp_path / "ships"
        folder.mkdir(exist_ok=True)
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_image(folder / name, np.full((4, 6, 1), 7, np.uint8))
        for name, text in dict(texts).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        if describe is not None:
            (folder / "dataset.json").write_text(json.dumps(describe))
        return folder

    return build


def coco(*file_names):
    images = [{"id": k, "file_name": name} for k, name in enumerate(file_names)]
    return json.dumps({"images": images, "annotations": [], "categories": []})


def test_images_annotations_and_masks_are_found(make):
    texts = {"annotations.json": coco("a.png", "b.tif"), "fields.geojson": "{}", "variant.json": "{}", "notes.txt": ""}
    folder = make("images/b.tif", "images/a.png", "masks/a.png", texts=texts)
    dataset = open_dataset(str(folder) + "/")
    assert (dataset.path, dataset.name) == (folder, "ships")
    assert dataset.images_dir == folder / "images"
    assert dataset.images == ("a.png", "b.tif")
    assert dataset.annotations_path == folder / "annotations.json"
    assert dataset.geojson_path == folder / "fields.geojson"
    assert dataset.masks_dir == folder / "masks"
    assert dataset.image_path("a.png").is_file()
    check_images(dataset)


def test_the_folder_one_stands_in_has_a_name(make, monkeypatch):
    folder = make("images/a.png")
    monkeypatch.chdir(folder)
    assert open_dataset(".").path == folder
    monkeypatch.chdir(folder / "images")
    assert open_dataset("..").name == "ships"


def test_ground_truth_is_optional(make):
    dataset = open_dataset(make("tiles/a.png"))
    assert (dataset.annotations_path, dataset.geojson_path, dataset.masks_dir) == (None, None, None)
    check_images(dataset)


def test_masks_beside_images_and_other_folders_are_no_images(make):
    folder = make(
        "images/a.png", "images_mask/a.png", "A_MASKS/a.png", "stats/plot.png", ".cache/a.png", "images/.a.png"
    )
    dataset = open_dataset(folder)
    assert dataset.images == ("a.png",)
    assert dataset.masks_dir == folder / "images_mask"


def test_class_folders_are_labels(make):
    dataset = open_dataset(make("images/beach/1.png", "images/beach/2.png", "images/river/1.PNG", "images/loose.png"))
    assert dataset.images == ("beach/1.png", "beach/2.png", "loose.png", "river/1.PNG")
    assert dataset.labels() == {
        "beach/1.png": "beach",
        "beach/2.png": "beach",
        "loose.png": None,
        "river/1.PNG": "river",
    }


def test_what_dataset_json_says(make):
    described = {"peak": 4095, "gsd_m": 0.5, "nodata": 0, "scenes": {"a.png": "north"}, "params": {"sensor": "x"}}
    dataset = open_dataset(make("images/a.png", describe=described | {"schema": 1, "name": "harbour"}))
    assert (dataset.peak, dataset.gsd_m, dataset.nodata, dataset.name) == (4095, 0.5, 0, "harbour")
    assert (dict(dataset.scene_ids), dict(dataset.params)) == ({"a.png": "north"}, {"sensor": "x"})
    with pytest.raises(TypeError, match="does not support item assignment"):
        dataset.params["sensor"] = "y"


def test_of_several_folders_the_annotated_one_is_taken(make):
    folder = make("full/a.png", "full/b.png", "previews/a.jpg.png", texts={"truth.json": coco("a.png", "b.png")})
    assert open_dataset(folder).images_dir.name == "full"


def test_of_several_folders_dataset_json_names_one(make):
    dataset = open_dataset(make("full/a.png", "previews/b.png", describe={"images": "previews/"}))
    assert dataset.images == ("b.png",)


def test_of_several_folders_none_is_guessed(make):
    folder = make("full/a.png", "previews/a.png")
    with pytest.raises(DatasetError, match=r'2 folders with images: full, previews\. Say which.*"images": "full"'):
        open_dataset(folder)
    make(texts={"truth.json": coco("a.png")})
    with pytest.raises(DatasetError, match="2 folders with images"):
        open_dataset(folder)


def test_what_is_missing_is_said(make, tmp_path):
    with pytest.raises(DatasetError, match="none' does not exist; expected a folder of images"):
        open_dataset(tmp_path / "none")
    folder = make()
    with pytest.raises(DatasetError, match=r"ships' has no images; expected a subfolder.*ships/images/\*\.png"):
        open_dataset(folder)
    make("a.png")
    with pytest.raises(DatasetError, match=r"has images directly in it \(a\.png\); expected a subfolder"):
        open_dataset(folder)
    with pytest.raises(DatasetError, match=r"a\.png' is a file; expected the folder"):
        open_dataset(folder / "a.png")


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ({"images": "tiles"}, "names images folder 'tiles', which holds no images"),
        ({"annotations": "none.json"}, r"names annotations 'none\.json', which do not exist"),
        ({"scenes": {"z.png": "north"}}, r"gives a scene to 1 images that do not exist: z\.png"),
    ],
)
def test_dataset_json_names_what_is_not_there(make, described, message):
    with pytest.raises(DatasetError, match=message):
        open_dataset(make("images/a.png", describe=described))


def test_annotated_images_that_are_missing_are_named(make):
    folder = make("images/a.png", texts={"truth.json": coco("a.png", *[f"{k}.png" for k in range(7)])})
    with pytest.raises(DatasetError, match=r"lists 7 images that are not in images/: 0\.png, .*, and 2 more"):
        check_images(open_dataset(folder))


@pytest.mark.parametrize("name", ["/etc/passwd.png", "../b.png", "x/../../../b.png", "C:\\b.png", "..\\b.png"])
def test_names_that_climb_out_are_refused(make, name):
    folder = make("images/a.png", texts={"truth.json": coco("a.png", name)})
    with pytest.raises(DatasetError, match="lies outside the dataset's folder; expected a name relative to images/"):
        check_images(open_dataset(folder))


def test_links_that_lead_out_are_refused(make, tmp_path):
    folder = make("images/a.png")
    (folder / "images" / "inside.png").symlink_to(folder / "images" / "a.png")
    check_images(open_dataset(folder))
    write_image(tmp_path / "secret.png", np.zeros((2, 2, 1), np.uint8))
    (folder / "images" / "b.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(DatasetError, match=r"image 'b\.png'.*no link that leads outside"):
        check_images(open_dataset(folder))


def test_empty_images_are_named(make):
    folder = make("images/a.png", texts={"images/b.png": ""})
    with pytest.raises(DatasetError, match=r"has 1 empty images \(0 bytes\): b\.png"):
        check_images(open_dataset(folder))


def test_a_broken_annotation_file_is_said(make):
    folder = make("images/a.png", texts={"annotations.json": ""})
    with pytest.raises(DatasetError, match="the file is empty"):
        check_images(open_dataset(folder))


def test_a_scene_of_8_bits_has_peak_255(make):
    scene, profile = read_scene(open_dataset(make("images/a.png")), "a.png")
    assert (scene.peak, scene.name, scene.mask, scene.gsd_m) == (255, "a.png", None, None)
    assert profile == Profile(format="png")


def test_a_scene_knows_what_dataset_json_and_file_state(make):
    folder = make(describe={"peak": 1023, "gsd_m": 0.5, "nodata": 0})
    (folder / "images").mkdir()
    array = np.arange(24, dtype=np.uint16).reshape(4, 6, 1)
    transform = (0.5, 0.0, 100.0, 0.0, -0.5, 200.0)
    write_image(folder / "images/a.tif", array, profile=Profile(format="tiff", transform=transform))
    write_image(
        folder / "images/b.tif", array, profile=Profile(format="tiff", nodata=5.0, options={"nbits": 12}, peak=4095)
    )
    dataset = open_dataset(folder)
    plain, _ = read_scene(dataset, "a.tif")
    assert (plain.peak, plain.gsd_m, plain.transform) == (1023, 0.5, transform)
    assert np.array_equal(plain.mask, array[..., 0] != 0)
    stated, profile = read_scene(dataset, "b.tif")
    assert (stated.peak, profile.peak) == (1023, 4095)
    assert np.array_equal(stated.mask, array[..., 0] != 5)


def test_16_bits_without_a_statement_have_no_peak(make):
    folder = make()
    (folder / "images").mkdir()
    write_image(folder / "images/a.tif", np.ones((4, 6, 1), np.uint16))
    scene, _ = read_scene(open_dataset(folder), "a.tif")
    with pytest.raises(ImageError, match=r"nobody said the largest value.*dataset\.json"):
        scene.required_peak()


def test_names_are_listed_and_loaded_on_use():
    import orbiq.datasets

    assert "open_dataset" in dir(orbiq.datasets)
    assert all(getattr(orbiq.datasets, name) for name in orbiq.datasets.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        orbiq.datasets.nothing  # noqa: B018  the look-up is the test


def test_real_datasets(test_data):
    airports = open_dataset(test_data / "satellogic-airports/train")
    assert len(airports.images) == 38
    check_images(airports)
    scene, _ = read_scene(airports, airports.images[0])
    assert (scene.shape, scene.peak) == ((1024, 1024, 3), 255)
    fields = open_dataset(test_data / "iquaflow-test-datasets/ds_geo_dataset")
    assert (len(fields.images), fields.geojson_path.name) == (10, "annots.geojson")
    scene, _ = read_scene(fields, fields.images[0])
    assert (scene.array.dtype, scene.peak, scene.transform[0]) == (np.uint16, None, 0.5)
    with pytest.raises(DatasetError, match="21 folders with images: agricultural, airplane"):
        open_dataset(test_data / "uc-merced-jpg")
