"""Datasets: a folder of images with optional ground truth.

The public names are listed here and loaded on first use.
"""

from orbiq.lazy import lazily

_PUBLIC = {
    "AirportScenes": "orbiq.datasets.scenes",
    "write_airports": "orbiq.datasets.scenes",
    "Annotations": "orbiq.datasets.annotations",
    "Category": "orbiq.datasets.annotations",
    "ImageEntry": "orbiq.datasets.annotations",
    "Object": "orbiq.datasets.annotations",
    "Move": "orbiq.datasets.visible",
    "moved": "orbiq.datasets.moving",
    "read_coco": "orbiq.datasets.coco",
    "write_coco": "orbiq.datasets.coco",
    "Dataset": "orbiq.datasets.folder",
    "check_images": "orbiq.datasets.folder",
    "open_dataset": "orbiq.datasets.folder",
    "read_geojson": "orbiq.datasets.geojson",
    "read_scene": "orbiq.datasets.folder",
}

__all__ = list(_PUBLIC)
__getattr__, __dir__ = lazily(__name__, _PUBLIC)
