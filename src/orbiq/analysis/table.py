"""The tidy table: one row a run, with its variant, settings, parameters, rate and scores."""

import csv
import io
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
    found = [_row(experiment_folder, record, reference) for record in records]
    columns = dict.fromkeys(key for row in found for key in row)
    last = [c for c in ("duration_s", "started", "reason") if c in columns]
    order = [*(c for c in columns if c not in last), *last]
    return [{key: row.get(key) for key in order} for row in found]


def _row(folder: Path, record: Record, reference: dict[str, float]) -> Row:
    scores, _ = all_scores(folder / "runs" / record.run, record)
    rate = record.rate
    dearest = reference.get(record.judged)
    row: Row = {"run": record.run, "status": record.status, "variant": record.variant}
    row["family"] = family_of(record.modifier)
    _add(row, record.settings, "modifier")
    _add(row, record.params, "param")
    row |= {"repetition": record.repetition, "seed": record.seed}
    row |= {name: getattr(rate, name) for name in _RATE}
    row |= {"rate_ratio": rate.bits_per_pixel / dearest if dearest else None, "coding": rate.coding}
    _add(row, scores, "score")
    _add(row, {k: v for k, v in record.task_params.items() if k not in scores}, "result")
    row |= {"duration_s": record.duration_s, "started": record.started, "reason": record.reason}
    return row


def _add(row: Row, values: dict[str, Any], origin: str) -> None:
    row |= {(f"{origin}.{name}" if name in row else name): value for name, value in values.items()}


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
    """Rows as CSV with a header; unknown is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(found[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return text.getvalue()
