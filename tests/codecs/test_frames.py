"""The frame before streams that are no plain picture files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbiq.arrays import DTYPES
from orbiq.codecs.frames import Frame, is_framed, opened
from orbiq.errors import ImageError

SIDES = st.integers(1, 2**31)


@given(
    st.sampled_from(DTYPES), st.integers(1, 64), SIDES, SIDES, st.lists(st.binary(max_size=300), min_size=1, max_size=9)
)
def test_round_trip(dtype, bits, rows, cols, streams):
    frame = Frame(dtype=dtype, bits=bits, shape=(rows, cols, len(streams)))
    assert opened(frame.around(streams)) == (frame, streams)
    joint = Frame(dtype=dtype, bits=bits, shape=(rows, cols, 200), joint=True)
    assert opened(joint.around(streams[:1])) == (joint, streams[:1])


@given(st.binary(max_size=40))
def test_nonsense_is_refused_or_opens(noise):
    try:
        frame, streams = opened(b"\xb5" + noise)
    except ImageError:
        return
    assert len(streams) == (1 if frame.joint else frame.shape[2])


def test_no_standard_starts_like_a_frame():
    starts = (b"\xff\xd8", b"\xff\x4f", b"\xff\x0a", b"\x00\x00", b"RIFF", b"Lerc2 ", b"\x89PNG", b"P5", b"II", b"MM")
    assert not any(is_framed(start) for start in starts)


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        ("b5", "1 bytes start like a framed stream, but the frame is broken"),
        ("b5000800050101", r"a frame says .0, 5, 1. .rows, cols, bands. and 8 bits, which cannot be"),
        ("b500000105 01 01", "0 bits, which cannot be"),
        ("b57f08050501", "the frame is broken"),
        ("b500080505ffffffffffffffffffff01", "the frame is broken"),
        ("b50008050502 7f 01", "the stream ends after 8 bytes; its bands need at least 134"),
    ],
)
def test_broken_frames(stream, message):
    with pytest.raises(ImageError, match=message):
        opened(bytes.fromhex(stream))
