"""Files of fastMRI, made here as their description says."""

import sys

import numpy as np
import pytest

from orbiq.errors import DatasetError, MissingExtra
from orbiq.mri.fastmri import centre, read_header, slices
from orbiq.mri.phantoms import phantom
from orbiq.mri.reconstruction import root_sum_of_squares, to_kspace

h5py = pytest.importorskip("h5py", reason="files of fastMRI need the extra mri: h5py")

HEADER = """<?xml version="1.0"?><ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><encoding><encodedSpace><matrixSize>
<x>640</x><y>372</y><z>1</z></matrixSize></encodedSpace><reconSpace><matrixSize><x>320</x><y>320</y><z>1</z></matrixSize>
</reconSpace></encoding></ismrmrdHeader>"""


def images(slices=2, size=(400, 352), coils=None):
    made = np.stack([phantom(k, size).image for k in range(slices)])
    if coils:
        shades = np.linspace(0.5, 1, coils)[:, None, None] * np.exp(1j * np.arange(coils))[:, None, None]
        made = made[:, None] * shades
    return made.astype(np.complex64)


@pytest.fixture
def written(tmp_path):
    def write(made=None, *, header=HEADER, target=True, kspace=None, **others):
        made = images() if made is None else made
        path = tmp_path / "file1000001.h5"
        with h5py.File(path, "w") as file:
            file["kspace"] = to_kspace(made) if kspace is None else kspace
            if header is not None:
                file["ismrmrd_header"] = header
            if target:
                several = made.ndim == 4
                magnitude = root_sum_of_squares(made, axis=1) if several else np.abs(made)
                file["reconstruction_rss" if several else "reconstruction_esc"] = centre(magnitude, (320, 320))
            for name, value in others.items():
                file[name] = value
            file.attrs.update(max=1.25, norm=310.5, acquisition="CORPD_FBK", patient_id="0beb8905d9b7fad3")
        return path

    return write


# known answers


@pytest.mark.parametrize("coils", [None, 3])
def test_magnitudes_are_those_of_the_file(written, coils):
    path = written(images(coils=coils))
    found = list(slices(path))
    assert [one.index for one in found] == [0, 1]
    for one in found:
        assert (one.kspace.shape, one.kspace.dtype) == ((coils or 1, 400, 352), np.complex64)
        assert (one.magnitude.shape, one.magnitude.dtype) == ((320, 320), np.float32)
        assert one.magnitude == pytest.approx(one.target, abs=1e-5)
        assert one.mask is None


def test_the_header_is_what_the_file_says(written):
    header = read_header(written(images(coils=3)))
    assert (header.slices, header.coils, header.rows, header.cols) == (2, 3, 400, 352)
    assert (header.acquisition, header.patient_id) == ("CORPD_FBK", "0beb8905d9b7fad3")
    assert (header.maximum, header.norm) == (1.25, 310.5)
    assert (header.encoded, header.reconstructed) == ((640, 372, 1), (320, 320, 1))


def test_a_file_with_less_is_read_too(written):
    path = written(header=None, target=False)
    assert read_header(path).encoded is None
    assert next(slices(path)).target is None


def test_lines_of_the_test_set(written):
    lines = np.arange(352) % 4 == 0
    mask = next(slices(written(mask=lines))).mask
    assert mask.shape == (400, 352)
    assert (mask == lines).all()


def test_a_narrow_image_is_cut_where_it_is_larger(written):
    assert next(slices(written(images(size=(400, 300)), target=False))).magnitude.shape == (320, 300)


def test_another_size(written):
    whole, part = (next(slices(written(), size=size)).magnitude for size in ((400, 352), (10, 4)))
    assert (part == whole[195:205, 174:178]).all()


def test_the_middle_is_as_fast_mri_cuts_it():
    assert centre(np.arange(7)[None], (1, 4)).tolist() == [[1, 2, 3, 4]]


# refusals


@pytest.mark.parametrize(
    ("kspace", "message"),
    [
        (np.zeros((2, 8, 8), np.float32), r"is float32 \(2, 8, 8\); expected complex64 \(slices, rows, cols\) or"),
        (np.zeros((8, 8), np.complex64), r"is complex64 \(8, 8\); expected"),
    ],
)
def test_other_k_space_is_refused(written, kspace, message):
    with pytest.raises(DatasetError, match=message):
        read_header(written(kspace=kspace))


def test_a_file_without_k_space_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["image"] = 1
    with pytest.raises(DatasetError, match="a.h5' holds image; expected a data set 'kspace'"):
        next(slices(tmp_path / "a.h5"))


@pytest.mark.parametrize("header", ["<a", "<a/>", "no xml"])
def test_a_broken_header_is_refused(written, header):
    with pytest.raises(DatasetError, match="ismrmrd_header of .* is not XML with the encoding's matrix sizes"):
        read_header(written(header=header))


def test_a_mask_of_other_lines_is_refused(written):
    with pytest.raises(DatasetError, match="a mask of 5 lines and k-space of 352; expected as many"):
        next(slices(written(mask=np.ones(5))))


def test_what_is_no_hdf5_is_refused(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"no HDF5")
    for name in ("a.h5", "none.h5"):
        with pytest.raises(DatasetError, match=rf"{name}' cannot be read as HDF5: .*\. Name a \.h5 file of fastMRI\."):
            next(slices(tmp_path / name))


def test_without_h5py_the_extra_is_named(written, monkeypatch):
    path = written()
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtra, match=r"files of fastMRI need 'h5py': pip install 'orbiq\[mri\]'"):
        next(slices(path))
