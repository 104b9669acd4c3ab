"""Slices of fastMRI's files: k-space as it was measured, and the magnitude image as the data set defines it.

A file is HDF5 with `kspace`, complex64 (slices, rows, cols) of one coil or (slices, coils, rows, cols) of several, rows
read out and cols phase encoded; where it is given `reconstruction_esc` (one coil) or `reconstruction_rss` (several),
float32 (slices, rows, cols); `ismrmrd_header`, XML; and the attributes `max`, `norm`, `acquisition`, `patient_id`.
Files of the test set have a `mask` (cols) of the lines that were measured.

Zbontar et al., fastMRI: an open dataset and benchmarks for accelerated MRI, arXiv:1811.08839. h5py is imported on use:
it comes with the extra "mri".
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt

from orbiq.arrays import Array, BoolArray
from orbiq.errors import DatasetError, MissingExtra
from orbiq.mri.reconstruction import root_sum_of_squares, to_image

TARGET_PX = 320
"""Sides of fastMRI's targets."""
_TARGETS = ("reconstruction_esc", "reconstruction_rss")
_NAMESPACE = "{http://www.ismrm.org/ISMRMRD}"


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a file says of all its slices.

    `slices`, `coils`, and the (rows, cols) of k-space; `acquisition`, as "CORPD_FBK"; `patient_id`, which is a hash;
    `maximum` and `norm` of the targets, NaN where they are not given; `encoded` and `reconstructed` are the matrices
    (x, y, z) of the ISMRMRD header, None without one.
    """

    slices: int
    coils: int
    rows: int
    cols: int
    acquisition: str = ""
    patient_id: str = ""
    maximum: float = float("nan")
    norm: float = float("nan")
    encoded: tuple[int, int, int] | None = None
    reconstructed: tuple[int, int, int] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Slice:
    """One slice: `kspace` complex64 (coils, rows, cols), frequency 0 at (rows // 2, cols // 2); `magnitude` float32,
    the root of the sum of squares over coils of its images, cut to the middle 320×320 or what there is of it; `target`
    the file's own reconstruction, if it has one; `mask` (rows, cols), True where a sample was measured, None where all.
    """

    index: int
    kspace: npt.NDArray[np.complex64]
    magnitude: npt.NDArray[np.float32]
    target: Array | None = None
    mask: BoolArray | None = None


def read_header(path: str | Path) -> Header:
    """What a file says of its slices; DatasetError where it is no fastMRI file, MissingExtra without h5py."""
    with _opened(Path(path)) as file:
        return _header(file, Path(path))


def slices(path: str | Path, *, size: tuple[int, int] = (TARGET_PX, TARGET_PX)) -> Iterator[Slice]:
    """The slices of a file, first to last, one in memory at a time, magnitudes cut to the middle `size` (rows, cols).

    DatasetError where it is no fastMRI file, MissingExtra without h5py.
    """
    with _opened(Path(path)) as file:
        header = _header(file, Path(path))
        target = next((file[name] for name in _TARGETS if name in file), None)
        mask = _mask(file, header)
        for k in range(header.slices):
            kspace = np.asarray(file["kspace"][k], np.complex64).reshape(-1, header.rows, header.cols)
            magnitude = centre(root_sum_of_squares(to_image(kspace)), size)
            own = None if target is None else np.asarray(target[k])
            yield Slice(index=k, kspace=kspace, magnitude=magnitude, target=own, mask=mask)


def centre(image: Array, size: tuple[int, int]) -> Array:
    """The middle (rows, cols) of an image (…, rows, cols), or all along a side that is shorter.

    >>> centre(np.arange(6)[None], (4, 4)).tolist()
    [[1, 2, 3, 4]]
    """
    rows, cols = (min(wanted, side) for wanted, side in zip(size, image.shape[-2:], strict=True))
    top, left = (image.shape[-2] - rows) // 2, (image.shape[-1] - cols) // 2
    return image[..., top : top + rows, left : left + cols]


def _header(file: Any, path: Path) -> Header:
    if "kspace" not in file:
        found = ", ".join(sorted(file)) or "nothing"
        raise DatasetError(f"{str(path)!r} holds {found}; expected a data set 'kspace', as fastMRI's files have")
    shape = file["kspace"].shape
    if len(shape) not in {3, 4} or file["kspace"].dtype.kind != "c":
        raise DatasetError(
            f"kspace of {str(path)!r} is {file['kspace'].dtype} {shape}; expected complex64 (slices, rows, cols) or "
            "(slices, coils, rows, cols)"
        )
    attributes = file.attrs
    return Header(
        slices=shape[0],
        coils=shape[1] if len(shape) == 4 else 1,
        rows=shape[-2],
        cols=shape[-1],
        acquisition=_text(attributes.get("acquisition", "")),
        patient_id=_text(attributes.get("patient_id", "")),
        maximum=float(attributes.get("max", "nan")),
        norm=float(attributes.get("norm", "nan")),
        **_matrices(file, path),
    )


def _matrices(file: Any, path: Path) -> dict[str, tuple[int, int, int]]:
    """Of the ISMRMRD header, if there is one."""
    if "ismrmrd_header" not in file:
        return {}
    try:
        root = ET.fromstring(_text(file["ismrmrd_header"][()]))  # noqa: S314  expat expands no bombs any more
        encoding = root.find(f"{_NAMESPACE}encoding")
        return {
            name: _matrix(encoding, space)
            for name, space in (("encoded", "encodedSpace"), ("reconstructed", "reconSpace"))
        }
    except (ET.ParseError, AttributeError, TypeError, ValueError) as error:
        raise DatasetError(
            f"ismrmrd_header of {str(path)!r} is not XML with the encoding's matrix sizes: {error}. Fetch it anew."
        ) from None


def _matrix(encoding: Any, space: str) -> tuple[int, int, int]:
    size = encoding.find(f"{_NAMESPACE}{space}/{_NAMESPACE}matrixSize")
    x, y, z = (int(size.find(f"{_NAMESPACE}{axis}").text) for axis in "xyz")
    return x, y, z


def _mask(file: Any, header: Header) -> BoolArray | None:
    if "mask" not in file:
        return None
    lines = np.asarray(file["mask"]).astype(bool).reshape(-1)
    if lines.size != header.cols:
        raise DatasetError(
            f"a mask of {lines.size} lines and k-space of {header.cols}; expected as many: fetch it anew"
        )
    return np.broadcast_to(lines, (header.rows, header.cols))


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise MissingExtra("files of fastMRI need 'h5py': pip install 'orbiq[mri]'") from error
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise DatasetError(f"{str(path)!r} cannot be read as HDF5: {error}. Name a .h5 file of fastMRI.") from None
    with file:
        yield file
