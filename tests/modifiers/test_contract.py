"""What every modifier keeps to, whoever wrote it: one test for the whole registry.

A newcomer adds its examples to `examples.py`, and nothing here.
"""

import json
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest
from rasterio.transform import from_origin

from orbiq.arrays import IDENTITY, Scene
from orbiq.codecs.base import CODECS
from orbiq.datasets.shapes import moved_points, scale_of_area
from orbiq.errors import OrbiqError
from orbiq.imageio import Profile, read_image, write_image
from orbiq.modifiers.base import MODIFIERS
from orbiq.modifiers.variants import modify
from orbiq.numerics import image_rng
from orbiq.registry import build, config
from tests.modifiers.examples import EXAMPLES

TEXTS = [text for texts in EXAMPLES.values() for text in texts]
MOVES_PIXELS = {"gsd", "flip", "crop", "rotate", "shift", "resize", "super-resolve", "sensor"}
DTYPES = ("uint8", "uint16", "int16", "float32")
SHAPES = [(1, 1, 3), (1, 7, 3), (5, 3, 3), (17, 31, 1), (17, 31, 3), (17, 31, 4), (17, 31, 8), (5, 3, 200)]
PEAKS = {"uint8": 255.0, "uint16": 4095.0, "int16": 2047.0, "float32": 4095.0}
PLACE = tuple(from_origin(431000.25, 4582000.75, 0.5, 0.5))[:6]
MEASURED = {"mtf:nyquist=0.1", "rer:rer=0.3", "snr:snr=20"}
"""Those that measure first, and refuse images that show nothing to measure."""
TOO_SMALL = {"crop", "gsd", "sensor", "shift", "rotate"}
"""Those of whose new pixels a small image may fill none."""


def name_of(text):
    return text.partition(":")[0]


@pytest.fixture(autouse=True)
def _with_its_extra(request):
    """A codec whose networks cannot run here is left out, with the reason."""
    params = getattr(getattr(request.node, "callspec", None), "params", {})
    name = name_of(params.get("text", ""))
    if name in CODECS.built_in and CODECS[name].extra:
        pytest.importorskip("torch", reason=f"codec {name} needs the extra {CODECS[name].extra}")


def built(text):
    return build(MODIFIERS, text)


def scene(shape, dtype, *, masked=False):
    """A smooth scene with noise; masked pixels hold nodata, floats NaN."""
    rng = np.random.default_rng(sum(shape))
    rows, cols = np.indices(shape[:2])
    light = 0.5 + 0.3 * np.sin(rows / 3 + cols / 5)[..., None] + 0.02 * rng.standard_normal(shape)
    array = (light * PEAKS[dtype] - (500 if dtype == "int16" else 0)).astype(dtype)
    mask = None
    if masked:
        mask = rng.random(shape[:2]) > 0.3
        mask[-1, -1] = True
        mask[0, 0] = mask.size == 1
        array[~mask] = np.nan if dtype == "float32" else 0
    return Scene(array=array, mask=mask, peak=PEAKS[dtype], gsd_m=0.5, transform=PLACE, name="sub/a.tif")


def applied(text, given):
    return built(text)(given, rng=image_rng(0, given.name))


def refused_or_applied(text, given):
    """What came of it, or the words in which orbiq said no; any other error is one."""
    try:
        return applied(text, given)
    except OrbiqError as error:
        return str(error)


def may_refuse(text, shape, dtype):
    name = name_of(text)
    if name in CODECS.built_in:
        return dtype not in CODECS.load(name).dtypes
    return text in MEASURED or (name in TOO_SMALL and min(shape[:2]) < 6)


def shapes_for(text, dtype, *, masked):
    """All for whole images, some for masked ones; an outside program is started for each of 200 bands but once."""
    some = [(1, 1, 3), (5, 3, 3), (17, 31, 1), (17, 31, 8), (5, 3, 200)] if masked else SHAPES
    return some if name_of(text) != "external" or (dtype, masked) == ("uint8", False) else some[:-1]


def test_every_modifier_has_an_example():
    unknown, missing = sorted(set(EXAMPLES) - set(MODIFIERS)), sorted(set(MODIFIERS) - set(EXAMPLES))
    assert not missing, f"add examples of {', '.join(missing)} to tests/modifiers/examples.py"
    assert not unknown, f"examples of {', '.join(unknown)}, which the registry does not have"
    assert all(name_of(text) == name for name, texts in EXAMPLES.items() for text in texts)


@pytest.mark.parametrize("text", TEXTS)
def test_settings_are_data(text):
    one, other = built(text), built(text)
    assert build(MODIFIERS, json.loads(json.dumps(config(one)))) == one
    assert (one, hash(one)) == (other, hash(other))
    assert config(one)["name"] == name_of(text)
    for field in fields(one):
        with pytest.raises(FrozenInstanceError):
            setattr(one, field.name, None)


@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("text", TEXTS)
def test_contract(text, dtype, masked):
    for shape in shapes_for(text, dtype, masked=masked):
        given = scene(shape, dtype, masked=masked)
        kept = given.array.copy(), None if given.mask is None else given.mask.copy()
        first, second = refused_or_applied(text, given), refused_or_applied(text, given)
        check_same(given.array, kept[0], shape)
        check_same(given.mask, kept[1], shape)
        if isinstance(first, str) or isinstance(second, str):
            assert may_refuse(text, shape, dtype), f"{shape}: {first}"
            check_sentence(first, second)
            continue
        check_same(first.scene.array, second.scene.array, shape)
        check_same(first.scene.mask, second.scene.mask, shape)
        check_values(first.scene, given, shape)
        check_place(first, given, shape)
        if name_of(text) not in MOVES_PIXELS:
            check_stays(first, given, shape)


def check_sentence(message, again):
    assert message == again != ""
    assert "\n" not in message
    assert len(message) < 400
    assert "Traceback" not in message


def check_same(one, other, shape):
    assert (one is None) == (other is None), shape
    assert one is None or (one.dtype == other.dtype and one.tobytes() == other.tobytes()), shape


def check_values(after, before, shape):
    """Dtype and bands; finite where valid, nodata where not, and no integer above the peak."""
    assert after.array.dtype == before.array.dtype, shape
    assert after.shape[2] == before.shape[2], shape
    valid = np.ones(after.shape[:2], bool) if after.mask is None else after.mask
    values, rest = after.array[valid], after.array[~valid]
    assert np.isfinite(values).all(), shape
    nodata = 0 if before.mask is None or before.mask.all() else before.array[~before.mask][0, 0]
    assert np.array_equal(rest, np.full_like(rest, nodata), equal_nan=rest.dtype.kind == "f"), shape
    if values.dtype.kind in "iu" and values.size:
        assert values.max() <= before.peak, shape


def check_place(modified, given, shape):
    """Name and peak stay; transform and GSD are those of the moved pixels."""
    after = modified.scene
    assert (after.name, after.peak) == (given.name, given.peak), shape
    spots = [(0, 0), (3, 1), (-2, 5)]
    moved = moved_points(spots, modified.affine)
    assert np.allclose(moved_points(moved, after.transform), moved_points(spots, given.transform), atol=1e-6), shape
    assert after.gsd_m == pytest.approx(given.gsd_m / scale_of_area(modified.affine) ** 0.5), shape


def check_stays(modified, given, shape):
    """Where no pixel moves: the shape, the mask, and what masked pixels hold."""
    assert modified.affine == IDENTITY, shape
    assert modified.scene.shape == given.shape, shape
    check_same(modified.scene.mask, given.mask, shape)
    if given.mask is not None:
        check_same(modified.scene.array[~given.mask], given.array[~given.mask], shape)


# ---- variants ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Five images of odd sizes in either dtype, one with nodata, one that is nearly dark; and the last two alone."""
    place = tmp_path_factory.mktemp("contract")
    for dtype in ("uint8", "uint16"):
        for k in range(5):
            array = scene((17 + 2 * k, 31 - 2 * k, 3), dtype, masked=k == 3).array // (50 if k == 4 else 1)
            array = np.maximum(array, 1) if k == 4 else array
            for name in ("all", "last") if k > 2 else ("all",):
                (place / dtype / name / "images").mkdir(parents=True, exist_ok=True)
                profile = Profile(format="tiff", transform=PLACE, nodata=0.0)
                write_image(place / dtype / name / "images" / f"im_{k}.tif", array, profile=profile)
                (place / dtype / name / "dataset.json").write_text(f'{{"schema": 1, "peak": {PEAKS[dtype]}}}')
    return place


@pytest.fixture(scope="module")
def clear(tmp_path_factory):
    """Images with an alpha band, as PNG and as TIFF (grey and alpha), one corner of them clear, one half clear."""
    place = tmp_path_factory.mktemp("clear") / "set"
    (place / "images").mkdir(parents=True)
    alpha = np.full((17, 31, 1), 255, np.uint8)
    alpha[:5, :7], alpha[12:, 20:] = 0, 128
    colours = scene((17, 31, 3), "uint8").array
    write_image(place / "images/a.png", np.concatenate([colours, alpha], axis=2))
    profile = Profile(format="tiff", colorinterp=("gray", "alpha"), transform=PLACE)
    write_image(place / "images/b.tif", np.concatenate([colours[..., :1], alpha], axis=2), profile=profile)
    return place


@pytest.mark.parametrize("text", [text for text in TEXTS if text not in MEASURED])
def test_an_alpha_band_is_no_light(clear, text):
    if may_refuse(text, (17, 31, 3), "uint8"):
        pytest.skip("takes no 8 bits")
    variant = modify(clear, text, variants_dir=clear.parent / "variants").path
    for name, index in (("a.png", 3), ("b.tif", 1)):
        before, after = (read_image(folder / "images" / name) for folder in (clear, variant))
        assert after.array.shape[2] == before.array.shape[2]
        alpha = after.array[..., index]
        assert set(np.unique(alpha)) <= {0, 128, 255}
        if name_of(text) not in MOVES_PIXELS:
            assert np.array_equal(alpha, before.array[..., index])
            assert np.array_equal(after.array[..., :index][alpha == 0], before.array[..., :index][alpha == 0])


def contents(variant):
    files = {path.relative_to(variant).as_posix(): path.read_bytes() for path in variant.rglob("*") if path.is_file()}
    about = json.loads(files.pop("variant.json"))
    return files, {key: value for key, value in about.items() if key not in ("made", "duration_s")}


@pytest.mark.parametrize("text", [text for text in TEXTS if text not in MEASURED])
def test_variants_are_the_same_by_any_number_of_workers_and_in_any_company(folder, text):
    dtype = "uint16" if may_refuse(text, (17, 31, 3), "uint8") else "uint8"
    one, two = (modify(folder / dtype / "all", text, variants_dir=folder / f"by_{k}", jobs=k).path for k in (1, 2))
    files, about = contents(one)
    assert (files, about) == contents(two)
    few, _ = contents(modify(folder / dtype / "last", text, variants_dir=folder / "few", jobs=1).path)
    images = {name for name in few if name.startswith("images/")}
    assert len(images) == 2
    assert {name: few[name] for name in images} == {name: files[name] for name in images}
    if name_of(text) not in MOVES_PIXELS:
        check_valid(folder / dtype / "all", one)


def check_valid(source, variant):
    """What was valid still is when the files are read, even where it came to be as dark as nodata."""
    for path in sorted((source / "images").iterdir()):
        before, after = (read_image(each) for each in (path, variant / "images" / path.name))
        check_same(after.mask, before.mask, path.name)
