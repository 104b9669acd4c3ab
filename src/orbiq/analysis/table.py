"""The tidy table: one row a run, with its variant, settings, parameters, rate and scores."""

import csv
import io
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orbiq.cache import write_bytes, write_text
from orbiq.errors import DatasetError, SettingError
from orbiq.records import Record, all_scores, family_of, read_records

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]
_LEADING = ("run", "status", "variant", "family")
_RATE = ("bytes_per_image", "bits_per_pixel", "bits_per_sample")
_LAST = ("duration_s", "started", "reason")
_ORIGINS = ("", "modifier", "param", "", "", "score", "result", "")
"""Where the parts of a row come from; "" for orbiq's own, whose names never change."""


def table(experiment_folder: str | Path) -> "pd.DataFrame":
    """One row a run, as a pandas DataFrame.

    Columns: run, status, variant, family; the modifiers' settings (quality, sigma_px, …); the parameters;
    repetition, seed; bytes_per_image, bits_per_pixel, bits_per_sample, rate_ratio (to the reference's lossless
    coding), coding; every score; duration_s, started, reason. A name that two of these share gets its
    origin in front: `param.quality`.
    """
    import pandas as pd

    return pd.DataFrame(rows(Path(experiment_folder)))


def rows(experiment_folder: Path) -> list[Row]:
    """The table's rows, all with the same keys in the same order; unknown is None."""
    records = read_records(experiment_folder)
    if not records:
        raise DatasetError(
            f"{experiment_folder} holds no runs. Name an experiment's folder, or run it first: orbiq run …"
        )
    reference = {r.judged: r.rate.bits_per_pixel for r in records if not r.modifier}
    found = [_parts(experiment_folder, record, reference) for record in sorted(records, key=_in_order)]
    columns = _columns(found)
    named = [{columns[k][key]: value for k, part in enumerate(row) for key, value in part.items()} for row in found]
    order = [name for part in columns for name in part.values()]
    return [{name: row.get(name) for name in order} for row in named]


def _in_order(record: Record) -> tuple[Any, ...]:
    """The reference first, then family by family with numbers as numbers: quality 5 before 20."""
    pieces = re.split(r"(\d+(?:\.\d+)?)", record.variant)
    natural = [(float(piece), "") if k % 2 else (0.0, piece) for k, piece in enumerate(pieces)]
    return bool(record.modifier), family_of(record.modifier), natural, record.repetition, record.run


def _parts(folder: Path, record: Record, reference: dict[str, float]) -> list[Row]:
    """A row's values by their own names, in the parts that `_ORIGINS` names."""
    scores, _ = all_scores(folder / "runs" / record.run, record)
    dearest = reference.get(record.judged)
    ratio = record.rate.bits_per_pixel / dearest if dearest else None
    return [
        {name: getattr(record, name) for name in _LEADING[:-1]} | {"family": family_of(record.modifier)},
        record.settings,
        record.params,
        {"repetition": record.repetition, "seed": record.seed},
        {name: getattr(record.rate, name) for name in _RATE} | {"rate_ratio": ratio, "coding": record.rate.coding},
        scores,
        {k: v for k, v in record.task_params.items() if k not in scores},
        {name: getattr(record, name) for name in _LAST},
    ]


def _columns(found: list[list[Row]]) -> list[dict[str, str]]:
    """Name → column for each part of all rows; a name that two parts share gets its origin in front.

    Over all rows at once, so that a column never holds a setting in one row and a parameter in another.
    """
    keys = [dict.fromkeys(key for row in found for key in row[k]) for k in range(len(_ORIGINS))]
    taken = {key for part, origin in zip(keys, _ORIGINS, strict=True) if not origin for key in part}
    columns = []
    for part, origin in zip(keys, _ORIGINS, strict=True):
        columns.append({key: f"{origin}.{key}" if origin and key in taken else key for key in part})
        taken |= set(columns[-1].values())
    return columns


def write_table(path: Path, found: Sequence[Row]) -> None:
    """Write rows as CSV or Parquet, by the suffix, whole or absent."""
    suffix = path.suffix.lower()
    if suffix == ".csv":
        write_text(path, csv_text(found))
    elif suffix == ".parquet":
        import pandas as pd

        buffer = io.BytesIO()
        pd.DataFrame(list(found)).to_parquet(buffer, index=False)
        write_bytes(path, buffer.getvalue())
    else:
        raise SettingError(f"a table is written as .csv or .parquet; {path.name!r} is neither")


def csv_text(found: Sequence[Row]) -> str:
    """Rows as CSV with a header; unknown, NaN included, is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(found[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()} for row in found
    )
    return text.getvalue()
