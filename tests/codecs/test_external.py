"""Any codec by two command lines: what is handed over, and what is said when it goes wrong."""

import io
import shlex
import sys
import time

import cv2
import numpy as np
import pytest
import tifffile

from orbiq.codecs.pnm import pnm_bytes, read_pnm
from orbiq.errors import ImageError, SettingError
from tests.codecs.pictures import codec_of, picture

COPY = "cp {input} {output}"
DEFLATE = "import sys,zlib; open(sys.argv[2],'wb').write(zlib.compress(open(sys.argv[1],'rb').read()))"
INFLATE = "import sys,zlib; open(sys.argv[2],'wb').write(zlib.decompress(open(sys.argv[1],'rb').read()))"
COARSE = (
    "import sys,zlib; s=int(sys.argv[3]); d=open(sys.argv[1],'rb').read(); "
    "open(sys.argv[2],'wb').write(zlib.compress(bytes(v//s*s for v in d)))"
)


def python(code, arguments="{input} {output}"):
    return f"{shlex.quote(sys.executable)} -ISc {shlex.quote(code)} {arguments}"


def external(encode=COPY, decode=COPY, **given):
    return codec_of("external", encode_command=encode, decode_command=decode, **given)


@pytest.mark.parametrize("handover", ["raw", "tiff", "pgm"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_a_real_program(handover, dtype):
    codec = external(python(DEFLATE), python(INFLATE), handover=handover, lossless=True)
    for bands in (1, 3, 2):
        array = picture((13, 17, bands), dtype)
        stream = codec.encode(array)
        assert np.array_equal(codec.decode(stream), array)
    flat = codec.encode(np.zeros((200, 200, 1), dtype))
    assert len(flat) < 400, "the size is that of the program's stream"


def test_the_picture_file_is_what_others_read():
    for bands in (1, 3):
        array = picture((9, 11, bands), "uint16")
        pgm = external(handover="pgm", bits=12).encode(array)
        assert pgm.split()[:4] == [b"P5" if bands == 1 else b"P6", b"11", b"9", b"4095"]
        read = cv2.imdecode(np.frombuffer(pgm, np.uint8), cv2.IMREAD_UNCHANGED)
        plain = read[:, :, None] if bands == 1 else read[:, :, ::-1]
        assert np.array_equal(plain, array)
        tiff = external(handover="tiff").encode(array)
        with tifffile.TiffFile(io.BytesIO(tiff)) as file:
            assert file.pages[0].shape == array.shape[: 2 if bands == 1 else 3]
    raw = external(handover="raw").encode(array)
    assert raw.endswith(array.astype("<u2").tobytes())


def test_pgm_with_comments():
    data = b"P5 # made by hand\n# twice\n2 1\n# depth\n1000\n\x00\x05\x03\xe8"
    assert read_pnm(data).tolist() == [[5, 1000]]
    assert read_pnm(pnm_bytes(np.array([[7]], np.uint8), peak=255)).tolist() == [[7]]
    with pytest.raises(ImageError, match="was cut off: 3 bytes of samples came"):
        read_pnm(data[:-1])


def test_places_are_filled_in(tmp_path):
    said = tmp_path / "said.txt"
    code = f"import sys,shutil; open({str(said)!r},'a').write(' '.join(sys.argv[3:])+';'); shutil.copy(*sys.argv[1:3])"
    words = "{input} {output} -q={value} {rows}x{cols}x{bands} {bits}"
    codec = external(python(code, words), python(code, words), value=2.5, bits=12, handover="raw")
    array = picture((4, 6, 3), "uint16")
    assert np.array_equal(codec.decode(codec.encode(array)), array)
    assert said.read_text() == "-q=2.5 4x6x3 12;" * 2
    assert codec.suffix(3) == "", "decoding must be told the shape"


def test_the_value_is_a_knob():
    array = picture((40, 40, 1))
    coarse, fine = (
        external(
            python(COARSE, "{input} {output} {value}"),
            python(INFLATE),
            handover="raw",
            value=value,
            value_smallest=64.0,
            value_best=1.0,
        )
        for value in (32.0, 2.0)
    )
    assert fine.knob_range == (64, 1)
    assert len(coarse.encode(array)) < len(fine.encode(array))
    assert np.abs(fine.decode(fine.encode(array)).astype(int) - array).max() == 1


def test_no_shell_is_asked(tmp_path):
    trap = tmp_path / "trap"
    codec = external(
        python(DEFLATE, f"{{input}} {{output}} ; touch {trap} $(touch {trap}) `touch {trap}`"), python(INFLATE)
    )
    codec.encode(picture((4, 4, 1)))
    assert not trap.exists()


def test_quotes_hold_together(tmp_path):
    folder = tmp_path / "my programs"
    folder.mkdir()
    (folder / "codec.py").write_text(DEFLATE)
    codec = external(f"{sys.executable} -IS '{folder}/codec.py' {{input}} {{output}}", python(INFLATE), lossless=True)
    array = picture((4, 4, 1))
    assert np.array_equal(codec.decode(codec.encode(array)), array)


def test_a_program_that_fails_is_quoted():
    array = picture((4, 4, 1))
    with pytest.raises(ImageError, match="ended with exit code 3; it said: no licence found"):
        external(python("import sys; print('no licence found'); sys.exit(3)")).encode(array)
    with pytest.raises(ImageError, match="ended well, but left no .output.; it said: nothing"):
        external("true {input} {output}").encode(array)
    with pytest.raises(SettingError, match="'no-such-program' cannot be started .No such file.*install it"):
        external("no-such-program {input} {output}").encode(array)
    with pytest.raises(ImageError, match="gave 5 bytes; expected 4 × 4 × 1 samples of 1 bytes"):
        broken = external(decode=python("import sys; open(sys.argv[2],'wb').write(b'12345')"), handover="raw")
        broken.decode(broken.encode(array))


def test_a_program_that_hangs_is_ended_with_its_children():
    code = "import subprocess,time; subprocess.Popen(['sleep','30']); time.sleep(30)"
    before = time.monotonic()
    with pytest.raises(ImageError, match="was not done after 0.3 s: state a longer timeout_s"):
        external(python(code), timeout_s=0.3).encode(picture((4, 4, 1)))
    assert time.monotonic() - before < 10


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    codec = external(handover="pgm")
    codec.decode(codec.encode(picture((4, 4, 2))))
    with pytest.raises(ImageError):
        external("false {input} {output}").encode(picture((4, 4, 1)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"encode": "cp {input}"}, "encode_command is 'cp .input.'; expected .* with .output. among them"),
        ({"decode": "cp a b"}, "decode_command is 'cp a b'; expected .* with .input. among them"),
        ({"encode": "cp '{input} {output}"}, "cannot be split into arguments: No closing quotation"),
        ({"encode": "cp {input} {output} {value}"}, "asks for .value., and external:value is not stated"),
        ({"handover": "bmp"}, "handover is 'bmp'; expected raw, tiff, pgm"),
        ({"stream_suffix": "jp2"}, "stream_suffix is 'jp2'; expected a suffix such as .jp2"),
        ({"timeout_s": 0.0}, "timeout_s is 0.0; expected seconds above 0"),
        ({"bits": 8}, "external:bits is 8; expected 9 to 16"),
        ({"bands": "all"}, "external:bands is 'all'"),
        ({"value_best": 0.0}, "value_smallest and value_best are both 0; expected a range"),
    ],
)
def test_what_cannot_be_set_is_said(given, message):
    with pytest.raises(SettingError, match=message):
        external(**given)
