"""Datasets: a folder of images with optional ground truth.

The public names are listed here and loaded on first use.
"""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "Annotations": "orbiq.datasets.annotations",
    "Category": "orbiq.datasets.annotations",
    "ImageEntry": "orbiq.datasets.annotations",
    "Object": "orbiq.datasets.annotations",
    "moved": "orbiq.datasets.annotations",
    "read_coco": "orbiq.datasets.coco",
    "write_coco": "orbiq.datasets.coco",
    "Dataset": "orbiq.datasets.folder",
    "check_images": "orbiq.datasets.folder",
    "open_dataset": "orbiq.datasets.folder",
    "read_geojson": "orbiq.datasets.geojson",
    "read_scene": "orbiq.datasets.folder",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'orbiq.datasets' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
