"""Outcomes on disk: one Parquet file a run and metric, its kind and small metadata in the schema."""

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from orbiq.cache import write_bytes
from orbiq.errors import DatasetError
from orbiq.metrics.base import MeanOutcomes, Outcomes, mean_outcomes_from
from orbiq.metrics.classification_outcomes import ClassificationOutcomes, classification_outcomes_from
from orbiq.metrics.detection_outcomes import DetectionOutcomes, detection_outcomes_from
from orbiq.metrics.regression import RegressionOutcomes, regression_outcomes_from
from orbiq.metrics.segmentation_outcomes import SegmentationOutcomes, segmentation_outcomes_from

_KEY = b"orbiq"
_KINDS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Outcomes]] = {
    MeanOutcomes.kind: lambda columns, _: mean_outcomes_from(columns),
    DetectionOutcomes.kind: detection_outcomes_from,
    SegmentationOutcomes.kind: segmentation_outcomes_from,
    ClassificationOutcomes.kind: classification_outcomes_from,
    RegressionOutcomes.kind: regression_outcomes_from,
}
"""What makes outcomes of the columns and metadata of a file, by kind."""


def write_outcomes(path: Path, outcomes: Outcomes) -> None:
    """Write outcomes as Parquet, whole or absent; `read_outcomes` gives an equal object back."""
    import pyarrow as pa
    from pyarrow import parquet

    columns, metadata = outcomes.columns()
    table = pa.table(columns).replace_schema_metadata({_KEY: json.dumps({"schema": 1, **metadata}).encode()})
    buffer = io.BytesIO()
    parquet.write_table(table, buffer)
    write_bytes(path, buffer.getvalue())


def read_outcomes(path: Path) -> Outcomes:
    """Read what `write_outcomes` wrote; DatasetError where it is something else."""
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
        metadata = json.loads((table.schema.metadata or {})[_KEY])
    except (OSError, KeyError, ValueError) as error:
        raise DatasetError(f"{path.name} holds no outcomes of orbiq ({error}); delete it and score again") from None
    columns: dict[str, Any] = {name: _column(table.column(name)) for name in table.column_names}
    if metadata["kind"] not in _KINDS:
        raise DatasetError(f"{path.name} holds outcomes of kind {metadata['kind']!r}, which this orbiq does not know")
    return _KINDS[metadata["kind"]](columns, metadata)


def _column(column: Any) -> Any:
    import pyarrow as pa

    plain = pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)
    return column.to_numpy() if plain else column.to_pylist()
