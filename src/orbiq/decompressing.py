"""Files that a codec made back to images that everybody opens: whole, or a window of them.

A fixed-quality stream is decoded piece by piece; a GeoTIFF is written as it comes, with its place on the ground, nodata
or mask, and all that the image's file said. Other files (JPEG XL, JPEG 2000, WebP, …) are read, and written without
loss.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from orbiq.arrays import Array, BoolArray
from orbiq.codecs.neural_container import Container
from orbiq.errors import ImageError, SettingError
from orbiq.imageio import WRITABLE_SUFFIXES, open_pixel_sink, read_image, write_image
from orbiq.modifiers.placing import moved_profile
from orbiq.progress import Progress, Quiet
from orbiq.stream_notes import from_json, needs_mask, to_file
from orbiq.stream_parts import damaged_tiles, is_stream, model_of, naming, read_container

if TYPE_CHECKING:
    from orbiq.codecs.neural_decoding import Decoder
    from orbiq.codecs.neural_passes import Area

Damaged = Literal["refuse", "skip"]
_RASTERS = (".tif", ".tiff")
_MOST_NAMED = 8
_WORTH_SHOWING = 8
"""So many pieces take long enough to be counted."""
_BEFORE_PX, _BEHIND_PX = 32, 16
"""Pixels above and to the left of a damaged tile, and below and to the right, that would show what is not there."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """A part of an image, in pixels."""

    row: int
    col: int
    rows: int
    cols: int

    @classmethod
    def of(cls, text: str) -> "Window":
        """From "row,col,rows,cols".

        >>> Window.of("0,512,100,200")
        Window(row=0, col=512, rows=100, cols=200)
        """
        try:
            row, col, rows, cols = (int(part) for part in text.split(","))
        except ValueError:
            row = col = rows = cols = -1
        if min(row, col) < 0 or min(rows, cols) < 1:
            raise SettingError(f"--window is {text!r}; expected ROW,COL,ROWS,COLS in pixels, as 0,512,1000,1000")
        return cls(row=row, col=col, rows=rows, cols=cols)

    def within(self, name: str, shape: tuple[int, ...]) -> tuple[slice, slice]:
        """Its rows and cols; SettingError where it leaves an image of `shape`."""
        if self.row + self.rows > shape[0] or self.col + self.cols > shape[1]:
            raise SettingError(
                f"--window {self.row},{self.col},{self.rows},{self.cols} leaves {name!r}, which has {shape[0]} rows "
                f"and {shape[1]} cols; expected a part of it"
            )
        return slice(self.row, self.row + self.rows), slice(self.col, self.col + self.cols)


@dataclass(frozen=True, kw_only=True)
class Restored:
    """An image that was written: (rows, cols, bands) with alpha, dtype, and what is worth a warning."""

    source: Path
    path: Path
    shape: tuple[int, int, int]
    dtype: str
    warnings: tuple[str, ...] = ()


def suffix_of(source: Path) -> str:
    """Of the image that will be: .png where the stream was coded from one and it can hold the bands, else .tif."""
    if is_stream(source):
        _, container = read_container(source)
        with naming(source):
            notes = from_json(container.notes)
        n_bands = container.head.shape[2] + (notes.alpha is not None)
        png = notes.suffix == ".png" and container.head.dtype in ("uint8", "uint16") and n_bands in (1, 3, 4)
        return ".png" if png else ".tif"
    return ".tif"


def decompress(
    source: Path,
    path: Path,
    *,
    window: Window | None = None,
    damaged: Damaged = "refuse",
    model: str = "",
    progress: Progress | None = None,
) -> Restored:
    """Write the image at `path`, whole or not at all."""
    if path.suffix.lower() not in WRITABLE_SUFFIXES:
        raise SettingError(
            f"--output is {str(path)!r}; expected a name that ends in one of {', '.join(sorted(WRITABLE_SUFFIXES))}, "
            "which lose nothing"
        )
    if not is_stream(source):
        return _other(source, path, window)
    _, container = read_container(source)
    with naming(source):
        from orbiq.codecs.neural_decoding import Decoder

        decoder = Decoder(model_of(container.head, model), container)
        picture = Decoded(source, decoder, window, damaged)
        return picture.written(path, progress or Quiet())


class Decoded:
    """An image on its way out of a stream."""

    def __init__(self, source: Path, decoder: "Decoder", window: Window | None, damaged: Damaged) -> None:
        self.source, self.decoder = source, decoder
        self.head = decoder.head
        rows, cols, self._bands = self.head.shape
        chosen = window or Window(row=0, col=0, rows=rows, cols=cols)
        self.rows, self.cols = chosen.within(str(source), self.head.shape)
        notes = from_json(decoder.container.notes)
        self.notes = replace(notes, profile=moved_profile(notes.profile, (1, 0, -chosen.col, 0, 1, -chosen.row)))
        self.lost = [tile for tile in damaged_tiles(decoder.container) if _shared(self._reach(tile), self._place)]
        if self.lost and damaged == "refuse":
            raise ImageError(self._damage(decoder.container))

    @property
    def _place(self) -> tuple[slice, slice]:
        return self.rows, self.cols

    @property
    def shape(self) -> tuple[int, int, int]:
        """(rows, cols, bands), alpha included."""
        bands = self._bands + (self.notes.alpha is not None)
        return self.rows.stop - self.rows.start, self.cols.stop - self.cols.start, bands

    @property
    def highest(self) -> int:
        """The largest value that a pixel may have."""
        peak = self.notes.profile.peak
        return self.head.highest if peak is None else min(self.head.highest, int(peak))

    @property
    def masked(self) -> bool:
        """Whether some pixels may not be valid."""
        return self.decoder.container.mask is not None or bool(self.lost)

    def written(self, path: Path, progress: Progress) -> Restored:
        """The file; a GeoTIFF piece by piece."""
        unsaid = self.masked and needs_mask(self.notes, self.head.dtype)
        if path.suffix.lower() in _RASTERS:
            profile, held = self.notes.profile, self._largest
            with open_pixel_sink(
                path, self.shape, self.head.dtype, highest=held, profile=profile, masked=unsaid
            ) as write:
                for rows, cols, array, mask in self._parts(progress):
                    write(rows, cols, array, mask)
        else:
            whole = np.empty(self.shape, self.head.dtype)
            for rows, cols, array, _ in self._parts(progress):
                whole[rows, cols] = array
            write_image(path, whole, profile=self.notes.profile)
        return Restored(
            source=self.source,
            path=path,
            shape=self.shape,
            dtype=self.head.dtype,
            warnings=tuple(self._warnings(path, unsaid=unsaid)),
        )

    @property
    def _largest(self) -> int:
        """The largest value that the file will hold, alpha and nodata included."""
        if self.notes.alpha is not None:
            return int(np.iinfo(self.head.dtype).max)
        nodata = self.notes.profile.nodata
        unused = nodata is None or needs_mask(self.notes, self.head.dtype)
        return self.highest if unused else max(self.highest, int(nodata or 0))

    def _parts(self, progress: Progress) -> Iterator[tuple[slice, slice, Array, BoolArray | None]]:
        """Where a piece lies in what is written, its pixels and mask."""
        from orbiq.codecs.neural_passes import areas

        wanted = [area for area in areas(self.head.shape, self.head.tile_px) if self._part_of(area)]
        progress.stage(self.source.name, len(wanted) if len(wanted) >= _WORTH_SHOWING else 0)
        for done, area in enumerate(wanted, 1):
            origin, part = area.pixels(self.head.shape), self._part_of(area)
            decoded = self.decoder.area(area)[_moved(part, origin)]
            mask = self._mask(part)
            yield *_moved(part, self._place), to_file(decoded, mask, self.notes, highest=self.highest), mask
            if len(wanted) >= _WORTH_SHOWING:
                progress.tick(done)

    def _part_of(self, area: "Area") -> tuple[slice, slice] | tuple[()]:
        """What the window has of an area, () where nothing."""
        return _shared(area.pixels(self.head.shape), self._place)

    def _mask(self, part: tuple[slice, ...]) -> BoolArray | None:
        known = self.decoder.container.mask
        if not self.masked:
            return None
        size = [s.stop - s.start for s in part]
        mask = np.ones(size, bool) if known is None else known[part].copy()
        for tile in self.lost:
            if there := _shared(self._reach(tile), part):
                mask[_moved(there, part)] = False
        return mask

    def _reach(self, tile: tuple[int, int]) -> tuple[slice, slice]:
        """The pixels that see a tile."""
        side = self.head.tile_px
        first, end = ([(k + more) * side for k in tile] for more in (0, 1))
        rows, cols = (slice(max(0, a - _BEFORE_PX), b + _BEHIND_PX) for a, b in zip(first, end, strict=True))
        return rows, cols

    def _damage(self, container: Container) -> str:
        """What is damaged, and the ways out."""
        rows, cols = container.head.grid
        named = ", ".join(f"({row}, {col})" for row, col in self.lost[:_MOST_NAMED])
        more = f" and {len(self.lost) - _MOST_NAMED} more" if len(self.lost) > _MOST_NAMED else ""
        return (
            f"of {rows * cols} tiles of {container.head.tile_px} pixels a side these are damaged or cut off: "
            f"(row, col) {named}{more}. Fetch the file again, or leave them out: --damaged skip"
        )

    def _warnings(self, path: Path, *, unsaid: bool) -> Iterator[str]:
        if self.lost:
            tiles = "1 damaged tile" if len(self.lost) == 1 else f"{len(self.lost)} damaged tiles"
            yield f"{tiles} left out, with up to {_BEFORE_PX} pixels around: no pixel there is valid"
        if unsaid and path.suffix.lower() not in _RASTERS:
            yield f"a {path.suffix} file cannot say which pixels are valid: the others are 0; .tif can"


def _shared(one: tuple[slice, ...], other: tuple[slice, ...]) -> tuple[slice, slice] | tuple[()]:
    """Where two windows overlap, () where they do not."""
    rows, cols = (slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(one, other, strict=True))
    return (rows, cols) if rows.start < rows.stop and cols.start < cols.stop else ()


def _moved(part: tuple[slice, ...], origin: tuple[slice, ...]) -> tuple[slice, slice]:
    """A window, counted from the beginning of another."""
    rows, cols = (slice(p.start - o.start, p.stop - o.start) for p, o in zip(part, origin, strict=True))
    return rows, cols


def _other(source: Path, path: Path, window: Window | None) -> Restored:
    picture = read_image(source)
    array, mask, profile = picture.array, picture.mask, picture.profile
    if window is not None:
        part = window.within(str(source), array.shape)
        array, mask = array[part], None if mask is None else mask[part]
        profile = moved_profile(profile, (1, 0, -window.col, 0, 1, -window.row))
    write_image(path, np.ascontiguousarray(array), profile=profile, mask=mask)
    rows, cols, bands = array.shape
    return Restored(source=source, path=path, shape=(rows, cols, bands), dtype=str(array.dtype))
