"""Fit the NIQE model that comes with orbiq, from images whose use for shipped weights is allowed.

    python studies/niqe_model/fit.py DATA

DATA holds the folders named below. The result is src/orbiq/metrics/models/niqe.json, the same on every run.
"""

import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from orbiq.arrays import Raster
from orbiq.imageio import open_raster
from orbiq.metrics.natural_model import SHIPPED, fit_niqe, write_niqe_model

# every fourth of the airports, so that they do not outnumber the photographs; no thermal band (6), whose pixels were
# larger; Landsat 8 is 12-bit data stretched to 16 bits by its maker, 0 outside the scene
SOURCES = [
    ("kodak", "kodak/*.png", 1, 255, None, "the 12 odd-numbered photographs of the Kodak PhotoCD suite, lossless"),
    ("satellogic-airports/train", "satellogic-airports/train/images/*.png", 4, 255, None, "NewSat RGB, 1 m, lossless"),
    ("uc-merced-tif", "uc-merced-tif/*.tif", 1, 255, None, "USGS aerial RGB, 0.3 m, lossless"),
    ("tree-crowns-deepforest", "tree-crowns-deepforest/OSBS_029.png", 1, 255, None, "NEON airborne RGB, 0.1 m"),
    ("landsat5-tm", "landsat5-tm/*_B[1-57].TIF", 1, 255, None, "Landsat 5 TM, six reflective bands, 30 m"),
    ("landsat8", "landsat8/*.tif", 1, 65535, 0, "Landsat 8 OLI bands 2, 3, 4, 30 m"),
]


def main() -> None:
    data = Path(sys.argv[1])
    sources, paths = [], []
    for name, pattern, step, peak, nodata, what in SOURCES:
        found = sorted(path for path in data.glob(pattern) if path.is_file())[::step]
        if not found:
            raise SystemExit(f"no images at {data / pattern}")
        sources.append({"name": name, "what": what, "images": [path.name for path in found]})
        paths += [(path, peak, nodata) for path in found]
    versions = {name: version(name) for name in ("numpy", "scipy", "numba")}
    model = fit_niqe(opened(paths), provenance={"sources": sources, "versions": versions})
    SHIPPED.parent.mkdir(exist_ok=True)
    write_niqe_model(model, SHIPPED)
    print(f"{SHIPPED}: {len(paths)} images, {model.n_patches} patches, {SHIPPED.stat().st_size} bytes")


def opened(paths: list[tuple[Path, int, int | None]]) -> Iterator[Raster]:
    for path, peak, nodata in paths:
        with open_raster(path, peak=peak, nodata=nodata) as raster:
            yield raster


if __name__ == "__main__":
    main()
