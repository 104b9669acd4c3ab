"""Work in tiles: every pixel once, margins as promised, in order, whatever the threads."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbiq.arrays import Scene
from orbiq.errors import ImageError, SettingError
from orbiq.tiles import map_tiles, tiling


def _scene(rows, cols, mask=None):
    return Scene(array=np.arange(rows * cols, dtype=float).reshape(rows, cols, 1), mask=mask)


@settings(deadline=None)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    size=st.integers(1, 50),
    margin=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    align=st.sampled_from([1, 2, 8]),
    threads=st.integers(1, 3),
)
def test_cores_cover_the_image_once_with_their_margin(shape, size, margin, align, threads):
    scene = _scene(*shape)
    seen = np.zeros(shape)
    with tiling(size=size, threads=threads):
        tiles = list(map_tiles([scene], lambda tile: tile, margin=margin, align=align))
    for tile in tiles:
        seen[tile.rows, tile.cols] += 1
        assert np.array_equal(tile.arrays[0][tile.core], scene.array[tile.rows, tile.cols])
        assert tile.rows.start % align == 0
        assert tile.top == min(margin[0], tile.rows.start)
        below = tile.arrays[0].shape[0] - tile.top - (tile.rows.stop - tile.rows.start)
        assert below == min(margin[1], shape[0] - tile.rows.stop)
    assert (seen == 1).all()
    assert [(t.rows.start, t.cols.start) for t in tiles] == sorted((t.rows.start, t.cols.start) for t in tiles)


def test_a_mask_holds_where_all_do():
    first, second = np.ones((4, 4), bool), np.ones((4, 4), bool)
    first[0, 0], second[3, 3] = False, False
    scenes = [_scene(4, 4, first), _scene(4, 4, second)]
    [tile] = map_tiles(scenes, lambda tile: tile, mask=np.eye(4, dtype=bool))
    assert np.array_equal(tile.mask, np.diag([False, True, True, False]))


def test_tiles_without_a_masked_pixel_have_no_mask():
    mask = np.ones((4, 4), bool)
    mask[0, 0] = False
    with tiling(size=2):
        masks = [tile.mask is None for tile in map_tiles([_scene(4, 4, mask)], lambda tile: tile)]
    assert masks == [False, True, True, True]


def test_images_of_other_sizes_are_refused():
    with pytest.raises(ImageError, match="expected the same rows and cols"):
        map_tiles([_scene(4, 4), _scene(4, 5)], lambda tile: tile)


def test_a_failing_tile_ends_the_work_with_its_error():
    def fail(tile):
        if tile.rows.start == 4:
            raise ImageError("tile 4 is bad")
        return tile

    with tiling(size=2, threads=2), pytest.raises(ImageError, match="tile 4 is bad"):
        list(map_tiles([_scene(40, 40)], fail))


def test_never_more_tiles_at_once_than_threads():
    lock, now, most = threading.Lock(), [0], [0]

    def work(_):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        threading.Event().wait(0.005)
        with lock:
            now[0] -= 1

    with tiling(size=4, threads=3):
        list(map_tiles([_scene(40, 40)], work))
    assert 1 < most[0] <= 3


def test_whoever_watches_is_told_how_far_it_is():
    told = []
    with tiling(size=2, threads=1, watch=lambda done, total: told.append((done, total))):
        list(map_tiles([_scene(4, 4)], lambda tile: tile))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_tiling_ends_with_its_block():
    with tiling(size=7, threads=1) as outer:
        with tiling(threads=2) as inner:
            assert (inner.size, inner.threads) == (7, 2)
        assert outer.threads == 1
    with pytest.raises(SettingError, match="expected a size and a number of threads"), tiling(size=-1):
        pass
