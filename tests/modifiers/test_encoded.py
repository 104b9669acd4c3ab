"""store: encoded: the codec's own files are images like others, and what they no longer hold is said."""

import json

import cv2
import numpy as np
import pytest
from rasterio.crs import CRS
from typer.testing import CliRunner

from orbiq.analysis.table import rows
from orbiq.cli.main import app
from orbiq.datasets.folder import open_dataset, read_scene
from orbiq.errors import ImageError, SettingError
from orbiq.experiment import run
from orbiq.imageio import IMAGE_SUFFIXES, Profile, image_shape, read_image, write_image
from orbiq.measuring import measured, paired_subjects, readings
from orbiq.metrics.chosen import load_metric
from orbiq.modifiers import modify
from tests.codecs.pictures import SETTINGS, codec_of
from tests.toys import GOOD_TASK, write_toy

WAYS = (
    "jpeg:quality=40",
    "jpeg12:quality=60",
    "jpegxl:distance=2",
    "jpegxl",
    "avif:quality=40",
    "webp:quality=40",
    "webp",
    "jpeg2000:level_db=35",
    "htj2k:step=0.01",
    "jpegls:max_error=4",
    "png",
)
DEEP = ("jpeg12", "jpegxl", "avif", "jpeg2000", "htj2k", "jpegls", "png")


def smooth(shape, *, top, dtype, seed=0):
    rng = np.random.default_rng(seed)
    values = cv2.GaussianBlur(rng.random(shape), (0, 0), 2).reshape(shape)
    return (top * (values - values.min()) / np.ptp(values)).astype(dtype)


def folder_of(path, arrays, *, suffix=".tif", profile=None, mask=None, description=None):
    (path / "images").mkdir(parents=True)
    for k, array in enumerate(arrays):
        write_image(path / "images" / f"im_{k}{suffix}", array, profile=profile, mask=mask)
    if description is not None:
        (path / "dataset.json").write_text(json.dumps({"schema": 1, **description}))
    return path


def arrays_of(variant):
    dataset = open_dataset(variant.path)
    return [read_scene(dataset, name)[0].array for name in dataset.images]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("bands", [1, 3])
def test_the_codecs_own_files_read_as_those_of_the_sources_format(tmp_path, way, bands):
    dtype, top = ("uint16", 4095) if way.startswith("jpeg12") else ("uint8", 255)
    images = [smooth((45, 61, bands), top=top, dtype=dtype, seed=k) for k in range(2)]
    source = folder_of(tmp_path / "made", images, description={"peak": top})
    if way.startswith("webp") and bands == 1:
        with pytest.raises(SettingError, match="the last step leaves none"):
            modify(source, way, store="encoded")
        return
    plain, encoded = modify(source, way), modify(source, way, store="encoded")
    assert encoded.notes == ()
    for before, after in zip(arrays_of(plain), arrays_of(encoded), strict=True):
        assert before.dtype == after.dtype
        assert np.array_equal(before, after)
    for subject in paired_subjects(source, encoded.path):
        assert image_shape(subject.path) == (45, 61, bands, np.dtype(dtype))
    found = [
        [row.estimate.value for subject, applied in judged for row in readings(subject, applied)]
        for judged in (
            measured(paired_subjects(source, v.path), [load_metric({"name": "psnr"})], jobs=2) for v in (plain, encoded)
        )
    ]
    assert found[0] == found[1]
    assert len(found[0]) == 2
    assert not np.isnan(found[0]).any()


@pytest.mark.parametrize("name", DEEP)
def test_twelve_bits_come_back(tmp_path, name):
    way = name + {"jpeg12": ":quality=80", "avif": ":quality=60"}.get(name, "")
    source = folder_of(tmp_path / "made", [smooth((33, 40, 1), top=4095, dtype="uint16")], description={"peak": 4095})
    (before,), (after,) = arrays_of(modify(source, way)), arrays_of(modify(source, way, store="encoded"))
    assert before.dtype == after.dtype == np.uint16
    assert np.array_equal(before, after)


def test_many_bands_of_a_codestream_have_no_alpha(tmp_path):
    image = smooth((33, 40, 4), top=255, dtype="uint8")
    image[:9, :, 3] = 0
    source = folder_of(tmp_path / "made", [image], profile=Profile(format="tiff", colorinterp=("gray",) * 4))
    variant = modify(source, "jpeg2000", store="encoded")
    (subject,) = paired_subjects(source, variant.path)
    with subject.opened() as raster:
        assert raster.shape == (33, 40, 4)
        assert raster.window(slice(0, 33), slice(0, 40))[1] is None


@pytest.mark.parametrize(
    ("way", "kind"),
    [
        ("jpeg:quality=50", "jpg"),
        ("jpegxl:distance=3", "jxl"),
        ("avif:quality=30", "avif"),
        ("webp:quality=30", "webp"),
        ("jpeg2000:level_db=35", "j2k"),
        ("jpegls:max_error=5", "jls"),
    ],
)
def test_an_experiment_scores_every_codecs_files(tmp_path, way, kind):
    task = GOOD_TASK.replace(".png", f".{kind}")
    experiment = write_toy(
        tmp_path, task=task, store="encoded", modifiers=[way], repetitions=1, metrics=["psnr", "ssim", "coco-detection"]
    )
    summary = run(experiment)
    assert summary.n_failed == 0
    assert summary.problems == ()
    table = {row["variant"]: row for row in rows(experiment.experiment_folder)}
    assert table[way]["psnr"] > 20
    assert 0.3 < table[way]["ssim"] < 1
    assert table[way]["ap50"] == 1
    assert summary.analysis["operating_point"]["variant"] == way


def test_why_a_variant_has_no_score_is_said(tmp_path):
    task = (
        "import os, sys, glob\n"
        "args = dict(zip(sys.argv[1::2], sys.argv[2::2]))\n"
        "open(os.path.join(args['--outputpath'], 'results.json'), 'w').write('{\"x\": 1}')\n"
        "[open(p, 'wb').write(b'torn') for p in glob.glob(os.path.join(args['--testds'], 'images', '*.jxl'))]\n"
    )
    experiment = write_toy(
        tmp_path, task=task, store="encoded", modifiers=["jpegxl"], repetitions=1, metrics=["psnr"], objective=None
    )
    (said,) = run(experiment).problems
    assert said.startswith("jpegxl: no psnr: NaN on every image: image ")
    assert "begins with b'torn'" in said


GROUND = CRS.from_epsg(32631).to_wkt()


def rpc():
    one = " ".join(["1"] + ["0"] * 19)
    scales = {f"{a}_{b}": "1" for a in ("LINE", "SAMP", "LAT", "LONG", "HEIGHT") for b in ("OFF", "SCALE")}
    return scales | {f"{a}_{b}_COEFF": one for a in ("LINE", "SAMP") for b in ("NUM", "DEN")}


@pytest.mark.parametrize("way", ["jpeg:quality=90", "jpegxl", "jpeg2000", "jpegls"])
def test_what_the_file_no_longer_holds_is_noted(tmp_path, way):
    image = smooth((30, 40, 3), top=250, dtype="uint8") + np.uint8(1)
    image[:5] = 0
    placed = Profile(
        format="tiff", crs=GROUND, transform=(10.0, 0.0, 5e5, 0.0, -10.0, 4.6e6), nodata=0, tags={"RPC": rpc()}
    )
    source = folder_of(tmp_path / "made", [image, image], profile=placed)
    (note,) = modify(source, way, store="encoded").notes
    assert note.startswith("2 of 2 images: the .j")
    assert note.endswith(
        "no longer holds nodata, the place on the ground (CRS, transform) and RPC, which store: source keeps"
    )
    assert modify(source, way, store="encoded").notes == (note,)
    assert modify(source, way).notes == ()


def test_the_note_is_printed_and_valid_pixels_are_those_of_the_sources_format(tmp_path):
    image = smooth((30, 40, 3), top=200, dtype="uint8") + np.uint8(20)
    image[:5] = 0
    source = folder_of(tmp_path / "made", [image], profile=Profile(format="tiff", nodata=0))
    told = CliRunner().invoke(app, ["modify", str(source), "--with", "avif:quality=40", "--store", "encoded"])
    assert told.exit_code == 0
    assert "the .avif file no longer holds nodata, which store: source keeps" in " ".join(told.output.split())
    encoded = modify(source, "avif:quality=40", store="encoded")
    assert encoded.reused
    (before,), (after,) = arrays_of(modify(source, "avif:quality=40")), arrays_of(encoded)
    assert np.array_equal(before[5:], after[5:])
    assert not np.array_equal(before[:5], after[:5])


def test_a_lost_alpha_band_is_noted_and_no_nodata(tmp_path):
    image = np.dstack([smooth((30, 40, 3), top=255, dtype="uint8"), np.full((30, 40), 255, np.uint8)])
    image[:5, :, 3] = 0
    source = folder_of(tmp_path / "made", [image], suffix=".png")
    assert modify(source, "webp", store="encoded").notes == (
        "1 of 1 images: the .webp file no longer holds alpha, which store: source keeps",
    )


def test_a_peak_that_only_the_file_states_is_kept_or_noted(tmp_path):
    image = smooth((30, 40, 1), top=4095, dtype="uint16")
    source = folder_of(tmp_path / "made", [image], profile=Profile(format="tiff", options={"nbits": 12}))
    for way in ("jpegxl", "jpeg2000"):
        variant = modify(source, way, store="encoded")
        assert variant.notes == ()
        (name,) = open_dataset(variant.path).images
        assert read_scene(open_dataset(variant.path), name)[0].peak == 4095
    for way in ("jpeg12:quality=90", "avif:quality=90", "jpegls"):
        (note,) = modify(source, way, store="encoded").notes
        assert "no longer holds the peak" in note
    stated = folder_of(
        tmp_path / "told", [image], profile=Profile(format="tiff", options={"nbits": 12}), description={"peak": 4095}
    )
    assert modify(stated, "jpegls", store="encoded").notes == ()


def test_labels_on_the_ground_need_the_place(tmp_path):
    placed = Profile(format="tiff", crs=GROUND, transform=(10.0, 0.0, 5e5, 0.0, -10.0, 4.6e6))
    image = smooth((30, 40, 3), top=255, dtype="uint8")
    source = folder_of(tmp_path / "made", [image], profile=placed)
    outline = [[5e5, 4.6e6], [5e5 + 50, 4.6e6], [5e5 + 50, 4.6e6 - 50], [5e5, 4.6e6]]
    feature = {
        "type": "Feature",
        "properties": {"image_filename": "im_0.tif", "class_id": 1},
        "geometry": {"type": "Polygon", "coordinates": [outline]},
    }
    crs = {"type": "name", "properties": {"name": "EPSG:32631"}}
    (source / "truth.geojson").write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": [feature]}))
    with pytest.raises(
        SettingError, match=r"made/im_0\.tif: .*no place on the ground, and the labels in truth\.geojson lie there; use"
    ):
        modify(source, "jpegxl", store="encoded")
    assert modify(source, "jpegxl").notes == ()
    told = CliRunner().invoke(app, ["modify", str(source), "--with", "jpegxl", "--store", "encoded"])
    assert told.exit_code == 2
    assert "use store: source" in " ".join(told.output.split())


def test_labels_in_pixels_do_not(tmp_path):
    source = folder_of(tmp_path / "made", [smooth((30, 40, 3), top=255, dtype="uint8")], suffix=".png")
    feature = {
        "type": "Feature",
        "properties": {"image_filename": "im_0.png", "class_id": 1},
        "geometry": {"type": "Polygon", "coordinates": [[[1, 1], [9, 1], [9, 9], [1, 1]]]},
    }
    (source / "truth.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    variant = modify(source, "avif:quality=50", store="encoded")
    after = json.loads((variant.path / "truth.geojson").read_text())
    assert after["features"][0]["properties"]["image_filename"] == "im_0.avif"


def test_files_that_orbiq_cannot_read_again_are_refused(tmp_path):
    source = folder_of(tmp_path / "made", [smooth((30, 40, 3), top=255, dtype="uint8")], suffix=".png")
    own = {"name": "external", "encode_command": "cp {input} {output}", "decode_command": "cp {input} {output}"}
    with pytest.raises(SettingError, match=r"would leave '\.bin' files, which orbiq cannot read again.*store: source"):
        modify(source, [own], store="encoded")
    variant = modify(source, [own | {"stream_suffix": ".tif"}], store="encoded")
    assert open_dataset(variant.path).images == ("im_0.tif",)


def test_every_suffix_of_a_codec_is_an_image():
    for name, settings in SETTINGS.items():
        for some in settings if name != "external" else ():
            codec = codec_of(name, **some)
            found = {codec.suffix(bands, dtype) for bands in (1, 2, 3, 4, 7) for dtype in codec.dtypes} - {""}
            assert found <= IMAGE_SUFFIXES


def test_a_codecs_files_can_be_a_source(tmp_path):
    source = folder_of(tmp_path / "made", [smooth((30, 40, 3), top=255, dtype="uint8")], suffix=".png")
    first = modify(source, "jpegxl:distance=1", store="encoded")
    again = modify(first.path, "gain:gain=1")
    assert open_dataset(again.path).images == ("im_0.png",)
    assert np.array_equal(arrays_of(again)[0], arrays_of(first)[0])


def test_measure_and_compare_read_the_codecs_files(tmp_path):
    source = folder_of(tmp_path / "made", [smooth((30, 40, 3), top=255, dtype="uint8")], suffix=".png")
    variant = modify(source, "avif:quality=30", store="encoded")
    (path,) = (variant.path / "images").iterdir()
    for words in (["measure", str(path), "-m", "entropy"], ["compare", str(source), str(variant.path), "-m", "psnr"]):
        told = CliRunner().invoke(app, words)
        assert told.exit_code == 0, told.output


@pytest.mark.parametrize("way", WAYS)
def test_a_torn_file_is_one_sentence(tmp_path, way):
    dtype, top = ("uint16", 4095) if way.startswith("jpeg12") else ("uint8", 255)
    source = folder_of(tmp_path / "made", [smooth((45, 61, 3), top=top, dtype=dtype)], description={"peak": top})
    (path,) = (modify(source, way, store="encoded").path / "images").iterdir()
    data = path.read_bytes()
    for share in (0.05, 0.3, 0.6, 0.95):
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(ImageError, match=r"im_0\.") as said:
            read_image(path)
        assert "\n" not in str(said.value)
