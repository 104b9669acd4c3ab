"""Tables of files that a codec made: what they cost, how their blocks came out, and what a file says of itself."""

from collections.abc import Sequence
from dataclasses import asdict
from math import inf
from typing import Any

from orbiq.coded_blocks import BlockQuality
from orbiq.compressing import Written
from orbiq.reports.tables import Cell, Heading, Row, Table, number_cell, text_cell
from orbiq.reports.wording import bytes_text, number_text, percent_text, plural
from orbiq.stream_info import Facts

_BAR = 20


def file_table(found: Sequence[Written], *, codec: str) -> Table:
    """A row an image: bytes, rates, and how many times smaller than its file; several images have their sum."""
    headings = (
        Heading(text="file", numeric=False),
        Heading(text="bytes"),
        Heading(text="bits per pixel"),
        Heading(text="per sample", minor=True),
        Heading(text="ratio to the file"),
    )
    rows = [
        _file_row(str(one.path), one.n_bytes, one.source_bytes, pixels=one.n_pixels, samples=one.n_samples)
        for one in found
    ]
    if len(found) > 1:
        sums = [
            sum(values)
            for values in zip(*((w.n_bytes, w.source_bytes, w.n_pixels, w.n_samples) for w in found), strict=True)
        ]
        rows.append(
            _file_row(plural(len(found), "image"), sums[0], sums[1], pixels=sums[2], samples=sums[3], chosen=True)
        )
    return Table(caption=f"Coded by {codec}.", headings=headings, rows=tuple(rows))


def _file_row(name: str, n_bytes: int, source_bytes: int, *, pixels: int, samples: int, chosen: bool = False) -> Row:
    cells = (
        text_cell(name),
        number_cell(n_bytes, text=bytes_text(n_bytes)),
        number_cell(8 * n_bytes / pixels),
        number_cell(8 * n_bytes / samples),
        number_cell(source_bytes / n_bytes),
    )
    return Row(cells=cells, chosen=chosen)


def quality_table(found: Sequence[Written]) -> Table | None:
    """A row a group of bands of each image: targets, and how far from them its blocks came out."""
    rows = [
        _quality_row(f"{one.path.name}{'' if block.bands == 'all' else f' band {block.bands}'}", block, one)
        for one in found
        for block in one.blocks
        if block.n_blocks
    ]
    if not rows:
        return None
    headings = (
        Heading(text="blocks", numeric=False),
        Heading(text="number", minor=True),
        Heading(text="target"),
        Heading(text="mean miss"),
        Heading(text="spread"),
        Heading(text="worst"),
        Heading(text="out of reach"),
        Heading(text="always better"),
        Heading(text="λ map", minor=True),
    )
    caption = (
        "Quality of the blocks as decoded, in dB against the target: above 0 is better than asked. Mean and spread are "
        "of those in reach; always better are those that the lowest quality is too good for."
    )
    return Table(caption=caption, headings=headings, rows=tuple(rows), reasons_of="rows")


def _quality_row(name: str, block: BlockQuality, of: Written) -> Row:
    none = "every block is out of reach, or always better"
    return Row(
        cells=(
            text_cell(name),
            number_cell(block.n_blocks),
            Cell(text=_target(block)),
            number_cell(block.mean_db, text=_signed(block.mean_db), reason=none),
            number_cell(block.sd_db, text=f"{block.sd_db:.2f} dB", reason=none),
            number_cell(block.worst_db, text=_signed(block.worst_db), reason="no block has an error"),
            number_cell(block.out_of_reach, text=percent_text(block.out_of_reach)),
            number_cell(block.always_better, text=percent_text(block.always_better)),
            number_cell(of.level_bytes, text=bytes_text(of.level_bytes)),
        )
    )


def _target(block: BlockQuality) -> str:
    low, high = block.target_db or block.target_mse
    unit = " dB" if block.target_db else " DN²"
    texts = dict.fromkeys(number_text(end) for end in (low, high))
    return " to ".join(texts) + unit


def _signed(value: float) -> str:
    return "∞" if value == inf else f"{value:+.2f} dB".replace("-", "−")


def file_row(one: Written) -> dict[str, Any]:
    """A file for JSON."""
    return {
        "image": str(one.source),
        "file": str(one.path),
        "n_bytes": one.n_bytes,
        "image_bytes": one.source_bytes,
        "ratio": one.source_bytes / one.n_bytes,
        "rows": one.shape[0],
        "cols": one.shape[1],
        "bands": one.shape[2],
        "bits_per_pixel": 8 * one.n_bytes / one.n_pixels,
        "bits_per_sample": 8 * one.n_bytes / one.n_samples,
        "level_bytes": one.level_bytes,
        "blocks": [asdict(block) for block in one.blocks],
        "achieved": one.achieved,
        "lost": list(one.lost),
    }


def info_lines(facts: Facts) -> list[tuple[str, str]]:
    """A file's facts as pairs of words for a person."""
    rates = f"{number_text(facts['bits_per_pixel'])} bits per pixel, {number_text(facts['bits_per_sample'])} per sample"
    told = [
        ("size", f"{facts['rows']} × {facts['cols']} pixels, {plural(facts['bands'], 'band')} of {facts['dtype']}"),
        ("bytes", f"{bytes_text(facts['n_bytes'])}, {rates}"),
        ("format", _format(facts)),
        ("peak", "255" if facts["dtype"] == "uint8" and facts["peak"] is None else _plain(facts["peak"])),
        ("nodata", _plain(facts["nodata"])),
        ("place", _place(facts)),
    ]
    return told + (_stream_lines(facts) if facts["format"] == "fixed-quality" else [])


def _format(facts: Facts) -> str:
    if facts["format"] == "fixed-quality":
        return f"fixed-quality, version {facts['version']}, {facts['bits']} significant bits"
    return str(facts["format"]) + (f", {facts['compress']}" if facts["compress"] else "")


def _plain(value: float | None) -> str:
    return "not stated" if value is None else f"{value:g}"


def _place(facts: Facts) -> str:
    said = []
    if facts["transform"] is not None:
        a, b, c, d, e, f = facts["transform"]
        turned = "" if b == d == 0 else ", turned"
        said.append(f"corner at {c:.10g}, {f:.10g}, pixels of {abs(a):g} × {abs(e):g}{turned}")
    if facts["control_points"]:
        said.append(plural(facts["control_points"], "control point"))
    if facts["rpc"]:
        said.append("RPC")
    return ", ".join([facts["crs"] or "no CRS", *said]) if said or facts["crs"] else "not on the ground"


def _stream_lines(facts: Facts) -> list[tuple[str, str]]:
    rows, cols = facts["block_px"]
    parts = facts["bytes"]
    whole = sum(parts.values())
    spent = [f"{name.replace('_', ' ')} {bytes_text(n)} ({percent_text(n / whole)})" for name, n in parts.items() if n]
    named = f" ({facts['model_name']})" if facts["model_name"] else ""
    told = [
        ("valid", percent_text(facts["valid_share"]) + (", from an alpha band" if facts["alpha"] else "")),
        ("model", facts["model"] + named),
        ("bands", f"coded {facts['bands_coded']}" + (", with a residual" if facts["residual"] else "")),
        ("blocks", f"{rows} × {cols} pixels" if rows else "one quality for the whole image"),
        ("tiles", f"{facts['tile_px']} pixels a side" + _damage(facts["damaged_tiles"])),
        ("spent on", ", ".join(spent)),
    ]
    return told + _lmbda_lines(facts)


def _damage(tiles: list[list[int]]) -> str:
    return f"; {len(tiles)} damaged, (row, col) {tuple(tiles[0])} first" if tiles else ""


def _lmbda_lines(facts: Facts) -> list[tuple[str, str]]:
    spread = facts["lmbda"]
    if spread is None:
        return [("λ", f"unknown: {facts['lmbda_reason'] or 'no tile is whole'}")]
    least, middle, most = (number_text(spread[key]) for key in ("min", "median", "max"))
    if spread["min"] == spread["max"]:
        return [("λ", f"{least} in {plural(spread['n_blocks'], 'block')}")]
    lines = [("λ", f"{least} to {most}, median {middle}, in {plural(spread['n_blocks'], 'block')}")]
    highest = max(spread["blocks"])
    for k, count in enumerate(spread["blocks"]):
        bar = "█" * round(_BAR * count / highest) or ("▏" if count else "")
        lines.append(
            ("", f"{number_text(spread['edges'][k]):>7} to {number_text(spread['edges'][k + 1]):<7} {bar} {count}")
        )
    return lines
