"""Noise and SNR against the truth, and against plain versions of the original's methods.

    python benchmarks/noise.py [--only accuracy,function,refusal,flags,speed,memory] [--seeds 15] [--develop]

Scenes are those of noise_scenes.py, 8 bits, judged on kinds and seeds that nothing was developed on (`--develop` takes
the others and writes nothing). "accuracy": σ at the median level, of noise of constant strength; "function": a and b
of σ²(L) = a·L + b, judged where the Cramér–Rao bound of all homogeneous pixels is at most 2.5 %; "refusal": scenes with
less homogeneous ground than is asked for; "flags": noise that is not white, which must be refused, flagged, or right;
"speed": CPU time over that of plain NumPy and scikit-image versions, one thread, in turns; "memory": a GeoTIFF of
20000 × 20000 uint16 from disk, in a process of its own. Prints acceptance, limit, figure; writes results/noise.json.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from noise_scenes import DEVELOPED_ON, JUDGED_ON, FloatArray, observed, scene
from scipy.ndimage import binary_erosion

from orbiq.metrics.noise import Snr, snr
from orbiq.tiles import tiling

SIGMAS = (0.5, 1, 2, 5, 10, 20)
SHARES = (0.05, 0.1, 0.3)
FUNCTIONS = ((0.02, 0.5), (0.05, 1), (0.2, 2), (0.1, 0.25), (0.5, 4), (0.01, 9))
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--seeds", type=int, default=15)
    parser.add_argument("--develop", action="store_true")
    args = parser.parse_args()
    kinds, first = (DEVELOPED_ON, 0) if args.develop else (JUDGED_ON, 1000)
    table: list[Row] = []
    for part in args.only.split(","):
        for row in PARTS[part](kinds, range(first, first + args.seeds)):
            print(line(row), flush=True)
            table.append(row)
    if not args.develop and args.only == ",".join(PARTS):
        results = Path(__file__).parent / "results"
        results.mkdir(exist_ok=True)
        (results / "noise.json").write_text(json.dumps(table, indent=1) + "\n")


def line(row: Row) -> str:
    fits = {True: "holds", False: "FAILS", None: "–"}[row.get("holds")]
    return f"{row['acceptance']:<86}{row.get('limit', ''):>14}{row['figure']:>10}  {fits}"


def at_most(acceptance: str, figure: float, limit: float, unit: str = "%") -> Row:
    return {
        "acceptance": acceptance,
        "limit": f"≤ {limit} {unit}",
        "figure": round(float(figure), 2),
        "holds": bool(figure <= limit),
    }


def at_least(acceptance: str, figure: float, limit: float, unit: str = "%") -> Row:
    said = at_most(acceptance, -figure, -limit)
    return said | {"limit": f"≥ {limit} {unit}", "figure": round(float(figure), 2)}


def plain(acceptance: str, figure: float) -> Row:
    return {"acceptance": acceptance, "figure": round(float(figure), 2)}


def measured(image: FloatArray) -> Snr:
    return snr(image, method="homogeneous-patches")


def generator(*names: object) -> np.random.Generator:
    return np.random.default_rng([sum(map(ord, str(name))) for name in names])


def accuracy(kinds: tuple[str, ...], seeds: range) -> Iterator[Row]:
    """Noise of constant strength where at least 5 % of the ground is homogeneous."""
    every = []
    for kind in kinds:
        said = []
        for share in SHARES:
            for seed in seeds:
                rng = generator(kind, share, seed)
                clean, _ = scene(kind, size=512, share=share, rng=rng)
                said += [(share, sigma, measured(observed(clean, a=0, b=sigma**2, rng=rng))) for sigma in SIGMAS]
        yield plain(f"σ of {kind}: 95th percentile of |error|", np.nanpercentile(errors(said), 95))
        every += said
    for sigma in SIGMAS:
        yield plain(
            f"σ = {sigma} DN: 95th percentile of |error|",
            np.nanpercentile(errors([known for known in every if known[1] == sigma]), 95),
        )
    yield from summary("σ of all scenes with ≥ 5 % homogeneous ground", every)


def errors(said: list[tuple[float, float, Snr]]) -> FloatArray:
    return np.array([100 * abs(found.noise / sigma - 1) for _, sigma, found in said])


def summary(what: str, said: list[tuple[float, float, Snr]]) -> Iterator[Row]:
    wrong = errors(said)
    known = ~np.isnan(wrong)
    yield at_least(f"{what}: answered", 100 * known.mean(), 95)
    yield at_most(f"{what}: 95th percentile of |error|", np.percentile(wrong[known], 95), 5)
    yield plain(f"{what}: largest |error|", wrong[known].max())
    yield plain(f"{what}: answers off by more than 5 %", 100 * (wrong[known] > 5).mean())
    held = np.array([low <= sigma <= high for _, sigma, s in said for low, high in [s.noise_interval]])[known]
    yield at_least(f"{what}: 95 % intervals that hold the truth", 100 * held.mean(), 90)
    yield at_most(f"{what}: 95 % intervals that hold the truth", 100 * held.mean(), 97)


def function(kinds: tuple[str, ...], seeds: range) -> Iterator[Row]:
    """The a and b of noise that grows with the level."""
    said = []
    for kind in kinds:
        for share in (0.05, 0.2):
            for seed in seeds[: max(2, len(seeds) // 3)]:
                rng = generator(kind, share, seed, "function")
                clean, flat = scene(kind, size=1024, share=share, rng=rng)
                for a, b in FUNCTIONS:
                    found = measured(observed(clean, a=a, b=b, rng=rng))
                    said.append((a, b, found, *bounds(clean[flat], a, b)))
    yield at_least("σ²(L) = a·L + b: σ answered", 100 * np.mean([not np.isnan(s.noise) for _, _, s, *_ in said]), 95)
    truths = [np.sqrt(a * s.level + b) for a, b, s, *_ in said]
    off = np.array([100 * abs(s.noise / truth - 1) for (_, _, s, *_), truth in zip(said, truths, strict=True)])
    yield at_most("σ²(L) = a·L + b: σ at the median, 95th percentile of |error|", np.nanpercentile(off, 95), 5)
    for name, place in (("a", 0), ("b", 1)):
        judged = [known for known in said if known[3 + place] <= 0.025]
        values = np.array([getattr(known[2], name) for known in judged])
        truth = np.array([known[place] for known in judged])
        yield plain(f"{name}: images judged, of {len(said)}", len(judged))
        yield at_least(f"{name}: answered", 100 * np.mean(~np.isnan(values)), 95)
        wrong = 100 * abs(values / truth - 1)
        yield at_most(f"{name}: 95th percentile of |error|", np.nanpercentile(wrong, 95), 10)
        yield plain(f"{name}: largest |error|", np.nanmax(wrong))
        ends = np.array([getattr(known[2], f"{name}_interval") for known in said if not np.isnan(known[2].a)])
        true = np.array([known[place] for known in said if not np.isnan(known[2].a)])
        held = 100 * np.mean((ends[:, 0] <= true) & (true <= ends[:, 1]))
        yield at_least(f"{name}: 95 % intervals that hold the truth, all images", held, 90)


def bounds(levels: FloatArray, a: float, b: float) -> tuple[float, float]:
    """The least relative standard errors of a and b that all homogeneous pixels together allow."""
    variance = a * levels + b + 1 / 12
    rows = np.stack([levels, np.ones_like(levels)]) / variance
    least = np.sqrt(np.diag(np.linalg.inv(rows @ rows.T / 2)))
    return float(least[0] / a), float(least[1] / b)


def refusal(kinds: tuple[str, ...], seeds: range) -> Iterator[Row]:
    """Less homogeneous ground than is needed: no answer, or one that is right because the noise hides the texture."""
    for share in (0.0, 0.01, 0.025):
        said = []
        for kind in kinds:
            for seed in seeds[: max(2, len(seeds) // 2)]:
                rng = generator(kind, share, seed, "refusal")
                clean, _ = scene(kind, size=512, share=share, rng=rng)
                noisy = ((sigma, observed(clean, a=0, b=sigma**2, rng=rng)) for sigma in SIGMAS[:5])
                said += [(share, sigma, measured(image)) for sigma, image in noisy]
        wrong = errors(said)
        what = f"{share:.1%} homogeneous"
        yield plain(f"{what}: refused", 100 * np.isnan(wrong).mean())
        yield at_most(f"{what}: answers off by more than 5 %, of all images", 100 * np.mean(wrong > 5), 5)
        yield plain(f"{what}: largest |error| of an answer", np.nanmax(wrong, initial=0))


def flags(kinds: tuple[str, ...], seeds: range) -> Iterator[Row]:
    """Noise that is not white: what is measured is what the image holds, or it is refused, or flagged."""
    for name, spoil in SPOILT.items():
        refused = flagged = silent = low = 0
        for kind in kinds:
            for seed in seeds[:4]:
                rng = generator(kind, seed, name)
                clean, flat = scene(kind, size=512, share=0.3, rng=rng)
                inner = binary_erosion(flat, iterations=6)
                for sigma in (1, 3, 10):
                    image = spoil(clean, sigma, rng)
                    held = np.std((image - clean)[inner])
                    found = measured(image)
                    refused += np.isnan(found.noise)
                    flagged += not np.isnan(found.noise) and bool(found.flags)
                    silent += not found.flags and abs(found.noise / held - 1) > 0.05
                    low += not found.flags and found.noise < 0.95 * sigma
        n = 12 * len(kinds)
        yield plain(f"{name}: refused", 100 * refused / n)
        yield plain(f"{name}: flagged", 100 * flagged / n)
        yield at_most(f"{name}: off by more than 5 % without a word", 100 * silent / n, 5)
        yield at_most(f"{name}: 5 % below the noise before, without a word", 100 * low / n, 5)


def _jpeg(quality: int) -> Callable[[FloatArray, float, np.random.Generator], FloatArray]:
    def spoil(clean: FloatArray, sigma: float, rng: np.random.Generator) -> FloatArray:
        image = observed(clean, a=0, b=sigma**2, rng=rng)
        stream = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return cv2.imdecode(stream, cv2.IMREAD_GRAYSCALE)

    return spoil


def _resampled(interpolation: int) -> Callable[[FloatArray, float, np.random.Generator], FloatArray]:
    def spoil(clean: FloatArray, sigma: float, rng: np.random.Generator) -> FloatArray:
        image = clean + sigma * rng.standard_normal(clean.shape)
        shift = np.array([[1, 0, 0.4], [0, 1, 0.3]])
        moved = cv2.warpAffine(image, shift, image.shape[::-1], flags=interpolation, borderMode=cv2.BORDER_REFLECT)
        return np.clip(np.rint(moved), 0, 255).astype(np.uint8)

    return spoil


def _striped(clean: FloatArray, sigma: float, rng: np.random.Generator) -> FloatArray:
    return observed(clean + 0.7 * sigma * rng.standard_normal(clean.shape[1]), a=0, b=0.51 * sigma**2, rng=rng)


SPOILT: dict[str, Callable[[FloatArray, float, np.random.Generator], FloatArray]] = {
    "JPEG, quality 90": _jpeg(90),
    "JPEG, quality 60": _jpeg(60),
    "moved by bilinear interpolation": _resampled(cv2.INTER_LINEAR),
    "moved by bicubic interpolation": _resampled(cv2.INTER_CUBIC),
    "half the variance in stripes": _striped,
}


def speed(_kinds: tuple[str, ...], _seeds: range) -> Iterator[Row]:
    """CPU time of one thread, least of five rounds in turns."""
    image = fields(1024)
    pairs: dict[str, tuple[Callable[[], float], Callable[[], float], float]] = {
        "homogeneous-blocks": (lambda: snr(image).snr, lambda: plain_blocks(image), 3),
        "homogeneous-area": (lambda: snr(image, method="homogeneous-area").snr, lambda: plain_area(image), 20),
    }
    with tiling(threads=1):
        for name, (ours, other, goal) in pairs.items():
            if not np.isclose(ours(), other(), rtol=1e-9):
                raise SystemExit(f"{name}: {ours()} is not {other()}")
            rounds = [(cpu_s(ours), cpu_s(other)) for _ in range(5)]
            best, peer = (min(times) for times in zip(*rounds, strict=True))
            yield at_least(f"{name}, 1024² uint8: times faster than the plain version", peer / best, goal, "×")
        measured(image)
        least_s = min(cpu_s(lambda: measured(image).snr) for _ in range(3))
        yield plain("homogeneous-patches, 1024² uint8: CPU seconds", least_s)


def cpu_s(function: Callable[[], float]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def fields(size: int) -> FloatArray:
    rng = np.random.default_rng(5)
    clean = scene("fields", size=size, share=0.3, rng=rng)[0]
    return observed(clean, a=0, b=4, rng=rng)[..., None]


def plain_blocks(image: FloatArray, size: int = 3) -> float:
    """Homogeneous blocks as the original's description has it, in NumPy."""
    from scipy.stats import sigmaclip

    found = []
    for k in range(image.shape[2]):
        band = np.where(image[..., k] == 0, np.nan, image[..., k])
        level = np.nanmedian(band)
        cut = blocks(band, size)
        spreads = cut.std(axis=1, ddof=1)[np.rint(cut.mean(axis=1)) == level]
        found.append(level / np.median(sigmaclip(spreads, high=2)[0]))
    return float(np.mean(found))


def plain_area(image: FloatArray, size: int = 5, radius: int = 1, threshold: float = 0.6) -> float:
    """Homogeneous areas as the original's description has it, in NumPy and scikit-image."""
    from skimage.feature import local_binary_pattern

    found = []
    for k in range(image.shape[2]):
        pattern = local_binary_pattern(image[..., k], 8 * radius, radius, "uniform")
        share = blocks((pattern <= radius - 1) | (pattern >= 7 * radius + 1), size).mean(axis=1)
        band = np.where(image[..., k] == 0, np.nan, image[..., k])
        level = np.nanmedian(band)
        cut = blocks(band, size)
        means, spreads = cut.mean(axis=1), cut.std(axis=1, ddof=1)
        flat = (share >= threshold) & (share < 1)
        at_level = flat & (np.trunc(means) == level)
        found.append(np.mean(level / spreads[at_level]) if flat.sum() >= 10 and at_level.sum() >= 3 else np.nan)
    return float(np.nanmean(found))


def blocks(values: FloatArray, size: int) -> FloatArray:
    rows, cols = (n // size for n in values.shape)
    cut = values[: rows * size, : cols * size].reshape(rows, size, cols, size)
    return cut.swapaxes(1, 2).reshape(-1, size * size)


WHOLE_SCENE = """
import sys
from orbiq.imageio import open_raster
from orbiq.metrics.noise import snr
with open_raster(sys.argv[1]) as raster:
    for method in ("homogeneous-blocks", "homogeneous-area", "homogeneous-patches"):
        print(snr(raster, method=method).noise)
print([line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")][0])
"""


def memory(_kinds: tuple[str, ...], _seeds: range) -> Iterator[Row]:
    """The high-water mark of a process that measures a large file in all three ways."""
    import rasterio

    piece = fields(1000).astype(np.uint16)[..., 0] * 16
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.tif"
        shape = {"width": 20_000, "height": 20_000, "count": 1, "dtype": "uint16"}
        with rasterio.open(path, "w", driver="GTiff", tiled=True, blockxsize=512, blockysize=512, **shape) as file:
            for top in range(0, 20_000, 1000):
                file.write(np.tile(piece, 20)[None], window=((top, top + 1000), (0, 20_000)))
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", WHOLE_SCENE, path], capture_output=True, text=True, check=True)
    peak_mb = int(done.stdout.split()[-1]) / 1000
    yield at_most("20000 × 20000 uint16 GeoTIFF, all methods: peak memory", peak_mb, 500, "MB")
    yield plain("20000 × 20000 uint16 GeoTIFF, all methods: seconds", time.perf_counter() - start)


PARTS: dict[str, Callable[[tuple[str, ...], range], Iterator[Row]]] = {
    "accuracy": accuracy,
    "function": function,
    "refusal": refusal,
    "flags": flags,
    "speed": speed,
    "memory": memory,
}

if __name__ == "__main__":
    main()
