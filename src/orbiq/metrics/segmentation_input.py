"""Class maps as segmentation scores take them: one band of whole numbers, read window by window, checked.

A class map is an array (rows, cols) or (rows, cols, 1) of whole numbers, a `Scene`, an opened file, or a `MapFile`
that is opened when its turn comes.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from orbiq.arrays import Affine, Array, BoolArray, Raster, Scene
from orbiq.errors import ContractError, DatasetError, ImageError, OrbiqError
from orbiq.imagebytes import sniff
from orbiq.imageio import image_shape, open_class_map, open_raster

NO_CLASS = -1
"""In the truth: the pixel takes no part. In a prediction: it is of no class, and so not found."""


@dataclass(frozen=True, kw_only=True)
class MapFile:
    """A class map on disk; `name` what messages call it.

    Of a truth, `image` is the picture that it belongs to: where that has no data, by itself or by `nodata`, nothing
    is judged.
    """

    path: Path
    name: str
    image: Path | None = None
    nodata: float | None = None

    def read(self) -> Array:
        """The class numbers (rows, cols) as they are stored."""
        with _opened(self) as raster:
            array, _ = raster.window(slice(0, raster.shape[0]), slice(0, raster.shape[1]))
        return np.asarray(array[..., 0])


ClassMap = Array | Raster | MapFile
_INT64: np.dtype[Any] = np.dtype(np.int64)


@dataclass(frozen=True, eq=False, kw_only=True)
class Labels:
    """A checked class map as a raster of int64: class numbers ≥ 0, or NO_CLASS."""

    shape: tuple[int, int, int]
    name: str
    read: Callable[[slice, slice], Array]
    dtype: np.dtype[Any] = _INT64
    peak: float | None = None
    gsd_m: float | None = None
    transform: Affine | None = None

    def window(self, rows: slice, cols: slice) -> tuple[Array, None]:
        """Class numbers (rows, cols, 1) of a part; what is masked is NO_CLASS."""
        return self.read(rows, cols)[..., None], None


@contextmanager
def open_labels(
    truth: ClassMap, prediction: ClassMap, *, image: str, ignore: tuple[int, ...]
) -> Iterator[tuple[Labels, Labels]]:
    """The true and the predicted class map of an image, on the same pixels; numbers of `ignore` are NO_CLASS.

    Raises DatasetError where the truth, ContractError where the prediction is not what it should be.
    """
    with ExitStack() as stack:
        said_name = f"output.json: the mask of {image!r}{_called(prediction)}"
        true_name = f"the true mask of {image!r}{_called(truth)}"
        with _as(DatasetError, truth, true_name):
            true = stack.enter_context(_opened(truth))
            picture = _picture(truth, stack)
            true_labels = _labels(true, true_name, ignore=ignore, error=DatasetError, picture=picture)
        with _as(ContractError, prediction, said_name):
            said = stack.enter_context(_opened(prediction))
            said_labels = _labels(said, said_name, ignore=ignore, error=ContractError)
        if said.shape[:2] != true.shape[:2]:
            raise ContractError(
                f"{said_name} is {said.shape[:2]} but the truth is {true.shape[:2]} (rows, cols); "
                "write it in the size of the judged image, for scores never resize."
            )
        yield true_labels, said_labels


def _called(given: ClassMap) -> str:
    return f" ({given.name})" if isinstance(given, MapFile) else ""


@contextmanager
def _as(error: type[OrbiqError], given: ClassMap, subject: str) -> Iterator[None]:
    """What is wrong with a file becomes an error of the right kind, without the folders of this computer."""
    try:
        yield
    except ImageError as unfit:
        message = str(unfit)
        if isinstance(given, MapFile):
            message = message.replace(str(given.path), given.name).replace(
                str(given.image), Path(given.image or "").name
            )
        raise error(f"{subject} cannot be used: {message}") from unfit


@contextmanager
def _opened(given: ClassMap) -> Iterator[Raster]:
    _refuse_masked(given.array if isinstance(given, Scene) else given)
    if isinstance(given, MapFile):
        _check_coding(given)
        with open_class_map(given.path, name=given.name) as raster:
            yield raster
    elif isinstance(given, np.ndarray):
        if given.ndim not in {2, 3} or 0 in given.shape:
            raise ImageError(f"it has shape {given.shape}; expected (rows, cols), none of them 0.")
        numbers = given.astype(np.uint8) if given.dtype == bool else given
        yield Scene(array=numbers if numbers.ndim == 3 else numbers[..., None])
    else:
        yield given


def _refuse_masked(array: object) -> None:
    if isinstance(array, np.ma.MaskedArray):
        raise ImageError(
            "it is a masked array, whose mask would be lost; pass its .data as "
            "Scene(array=data[..., None], mask=~np.ma.getmaskarray(array)), the mask True where a pixel is valid."
        )


def _check_coding(given: MapFile) -> None:
    """Refuse codings under which class numbers come out as others."""
    try:
        with given.path.open("rb") as source:
            head = source.read(26)
    except OSError:
        head = b""  # `open_raster` says what is wrong
    kind = sniff(head, given.name) if head else ""
    if kind == "jpeg":
        raise ImageError("it is a JPEG, which changes class numbers; write PNG or TIFF.")
    if kind == "png" and head[25] == 3:
        raise ImageError("it is a PNG with a palette, read as colours; write the class numbers as a grey PNG.")
    if kind == "png" and head[24] < 8:
        # a decoder stretches 0 and 1 to 0 and 255
        raise ImageError(f"it is a {head[24]}-bit PNG, whose numbers are stretched on reading; write 8 or 16 bits.")


def _picture(truth: ClassMap, stack: ExitStack) -> Raster | None:
    """The image of a truth, opened where it could have pixels without data."""
    if not isinstance(truth, MapFile) or truth.image is None:
        return None
    with truth.image.open("rb") as source:
        kind = sniff(source.read(16), str(truth.image))
    if kind not in {"tiff", "jp2"} and truth.nodata is None and image_shape(truth.image)[2] != 4:
        return None
    return stack.enter_context(open_raster(truth.image, nodata=truth.nodata, name=truth.image.name))


def _labels(
    raster: Raster, name: str, *, ignore: tuple[int, ...], error: type[OrbiqError], picture: Raster | None = None
) -> Labels:
    if raster.shape[2] != 1 or raster.dtype.kind not in "ui":
        bands = raster.shape[2]
        came = f"{bands} bands of {raster.dtype}" if bands > 1 else str(raster.dtype)
        raise error(f"{name} holds {came}; expected one band of whole numbers, the class of each pixel.")
    if picture is not None and picture.shape[:2] != raster.shape[:2]:
        raise error(
            f"{name} is {raster.shape[:2]} but its image is {picture.shape[:2]} (rows, cols); make them of one size."
        )

    def read(rows: slice, cols: slice) -> Array:
        array, valid = raster.window(rows, cols)
        stored = array[..., 0]
        left_out = _is_among(stored, ignore)
        for mask in (valid, None if picture is None else picture.window(rows, cols)[1]):
            if mask is not None:
                left_out |= ~mask
        _check_range(stored[~left_out], name, error=error)
        return np.where(left_out, NO_CLASS, stored.astype(np.int64))

    return Labels(shape=(*raster.shape[:2], 1), name=name, read=read)


def _is_among(stored: Array, numbers: tuple[int, ...]) -> BoolArray:
    """Where a map holds one of the numbers, compared in its own dtype: int64 or float64 would alter those of uint64."""
    span = np.iinfo(stored.dtype)
    possible = [v for v in numbers if span.min <= v <= span.max]
    return np.isin(stored, np.array(possible, stored.dtype))


def _check_range(numbers: Array, name: str, *, error: type[OrbiqError]) -> None:
    way = "State it in ignore if it means no class."
    if numbers.size and numbers.min() < 0:
        raise error(f"{name} holds class {numbers.min()}; expected numbers ≥ 0. {way}")
    if numbers.size and numbers.max() > np.iinfo(_INT64).max:
        raise error(f"{name} holds class {numbers.max()}; expected numbers below 2⁶³. {way}")
