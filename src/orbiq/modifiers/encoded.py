"""A codec's own file in place of the source's: whether it can stand there, and what it no longer holds."""

from dataclasses import replace
from pathlib import Path

from orbiq.datasets.folder import Dataset
from orbiq.errors import SettingError
from orbiq.imageio import IMAGE_SUFFIXES, read_profile, write_bytes
from orbiq.modifiers.base import Modified
from orbiq.pictures import Profile


def check_encoded(source: Dataset, profile: Profile) -> None:
    """SettingError where labels lie on the ground, and the image would lose its place there.

    A GeoJSON is in pixels where its image has no place on the ground.
    """
    placed = profile.transform is not None or profile.crs is not None
    if source.geojson_path is not None and placed:
        raise SettingError(
            f"store: encoded keeps the codec's own files, which hold no place on the ground, and the labels in "
            f"{source.geojson_path.name} lie there; use store: source"
        )


def encoded_suffix(modified: Modified, name: str) -> str:
    """The suffix of the codec's own file; SettingError where there is none, or none that can be read again."""
    if modified.stream is None or not modified.suffix:
        raise SettingError(
            f"store: encoded keeps the codec's own files, and the last step leaves none for {name!r} "
            f"({modified.scene.shape[2]} bands). Use store: source, or end the chain with a codec that has files."
        )
    if modified.suffix.lower() not in IMAGE_SUFFIXES:
        raise SettingError(
            f"store: encoded would leave {modified.suffix!r} files, which orbiq cannot read again to measure them; use "
            f"store: source, or a stream_suffix that says what the files are ({', '.join(sorted(IMAGE_SUFFIXES))})"
        )
    return modified.suffix


def kept_without(modified: Modified, path: Path, before: Profile, *, alpha: bool, peak: float | None) -> Modified:
    """The codec's own file written to `path`, with a note of what it no longer says of the image.

    `before` is what the source's file states; `alpha` whether it had an alpha band; `peak` that of dataset.json, which
    goes before what a file says.
    """
    write_bytes(path, modified.stream or b"")
    after = read_profile(path)
    lost = {
        "nodata": before.nodata is not None or (modified.scene.mask is not None and not alpha),
        "alpha": alpha,
        "the place on the ground (CRS, transform)": before.crs is not None or before.transform is not None,
        "ground control points": bool(before.gcps),
        "RPC": "RPC" in before.tags,
        "the peak": peak is None and before.peak is not None and after.peak != before.peak,
        "the calibration": bool(before.calibrations),
        "the palette": before.colormap is not None,
    }
    words = [word for word, gone in lost.items() if gone]
    if not words:
        return modified
    listed = " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
    note = f"the {path.suffix} file no longer holds {listed}, which store: source keeps"
    return replace(modified, notes=(*modified.notes, note))
