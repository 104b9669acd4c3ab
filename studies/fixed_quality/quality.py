"""Does every block arrive at the quality that was asked for? Table II of the paper in our form, and every codec beside it.

    ORBIQ_TEST_DATA=… python quality.py [--model FILE]

Writes results/quality.csv: for each sensor, size of block and way of coding the mean and the standard deviation over
blocks of (PSNR − target), positive where better than asked for; over all blocks with any error, and over those in reach;
the shares out of reach and better than asked for at the lowest quality already; the worst block; and bits per sample.
"""

import argparse
import csv
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import sets

from orbiq.arrays import Scene
from orbiq.cache import write_json
from orbiq.codecs.fixed_quality import block_mse
from orbiq.codecs.neural import FixedQuality
from orbiq.codecs.neural_calibration import fit_calibration
from orbiq.codecs.wavelet import Jpeg2000

HERE = Path(__file__).parent
BLOCKS = (0, 64, 32, 16)
TARGETS = {
    "pan 12 bit": {"psnr_db": 50.0, "bits": 12, "peak": 4095.0},
    "Landsat 8": {"psnr_db": 55.0, "bits": 16, "peak": 65535.0, "bands": "separate"},
    "airports": {"psnr_db": 40.0},
    "hyperspectral": {"relative_mse": 10.0, "bits": 16, "bands": "separate"},
}
"""What is asked for, chosen by what the model can reach on what the formula was fitted to."""
WAYS = {
    "formula": {"corrections": 0},
    "1 correction": {"corrections": 1},
    "2 corrections": {"corrections": 2},
    "2 corrections and residual": {"corrections": 2, "residual": True},
}


@dataclass
class Tally:
    """Differences (dB) of blocks from their target, which of them are in reach, and bits of samples."""

    away: list[np.ndarray] = field(default_factory=list)
    reach: list[np.ndarray] = field(default_factory=list)
    out: list[np.ndarray] = field(default_factory=list)
    better: list[np.ndarray] = field(default_factory=list)
    bits: int = 0
    samples: int = 0

    def row(self) -> dict[str, float]:
        """The figures of the table."""
        away, reach = np.concatenate(self.away), np.concatenate(self.reach)
        finite = np.isfinite(away)
        inner = away[finite & reach]
        return {
            "mean_db": away[finite].mean(),
            "std_db": away[finite].std(),
            "reach_mean_db": inner.mean() if inner.size else np.nan,
            "reach_std_db": inner.std() if inner.size else np.nan,
            "out_of_reach": np.concatenate(self.out).mean(),
            "always_better": np.concatenate(self.better).mean(),
            "worst_db": away.min(),
            "at_or_better": (away >= 0).mean(),
            "n_blocks": away.size,
            "rate_bps": self.bits / self.samples,
        }


def calibration(name: str, codec: FixedQuality, folder: Path) -> str:
    """The formula fitted to a sensor's own images, in a file."""
    model = codec.loaded()
    scenes = sets.fitted()[name]
    fitted = fit_calibration(model, ((s, codec.head(s, model)) for s in scenes), asked=codec.quality)
    path = folder / f"{name.replace(' ', '_')}.json"
    write_json(path, {"schema": 1, "kind": "fixed-quality-calibration", "model": model.digest, **fitted.description()})
    print(name, fitted.description(), flush=True)
    return str(path)


def coded(codec: FixedQuality, scenes: list[Scene]) -> Tally:
    """What the blocks of some images come to."""
    tally = Tally()
    for scene in scenes:
        stream, outcomes = codec.coded(scene, mask=scene.mask, measured=True)
        for outcome in outcomes:
            known = outcome.asked & np.isfinite(outcome.mse)
            with np.errstate(divide="ignore"):
                tally.away.append(10 * np.log10(outcome.target / outcome.mse)[known])
            tally.out.append(outcome.out_of_reach[known])
            tally.better.append(outcome.always_better[known])
            tally.reach.append(~(outcome.out_of_reach | outcome.always_better)[known])
        tally.bits += 8 * len(stream)
        tally.samples += scene.array.size
    return tally


def jpeg2000(scenes: list[Scene], asked: dict, block: int) -> Tally:
    """JPEG 2000 brought to the target as a whole, and its blocks; band by band as the other."""
    tally = Tally()
    for scene in scenes:
        joint = scene.shape[2] == 3 and asked.get("bands") != "separate"
        groups = [list(range(3))] if joint else [[k] for k in range(scene.shape[2])]
        for group in groups:
            array = np.ascontiguousarray(scene.array[:, :, group])
            peak = asked.get("peak") or float(2 ** (asked.get("bits") or 8) - 1)
            target = peak**2 / 10 ** (asked["psnr_db"] / 10)
            decoded, size = _at_mse(array, scene.mask, target, asked.get("bits"))
            side = (block, block) if block else array.shape[:2]
            found = block_mse(decoded, array, scene.mask, side)
            with np.errstate(divide="ignore"):
                away = 10 * np.log10(target / found.mse[found.known])
            tally.away.append(away)
            for part in (tally.out, tally.better):
                part.append(np.zeros(away.size, bool))
            tally.reach.append(np.ones(away.size, bool))
            tally.bits += 8 * size
            tally.samples += array.size
    return tally


def _at_mse(array: np.ndarray, mask: np.ndarray | None, target: float, bits: int | None) -> tuple[np.ndarray, int]:
    """The array as JPEG 2000 decodes it at the coarsest level whose error is no more than the target, and its bytes."""
    low, high, best = 5.0, 120.0, None
    for _ in range(14):
        middle = (low + high) / 2
        codec = Jpeg2000(level_db=middle, bits=bits if array.itemsize > 1 and bits != 16 else None)
        stream = codec.encode(array)
        decoded = codec.decode(stream)
        if block_mse(decoded, array, mask, array.shape[:2]).mse[0, 0] <= target:
            high, best = middle, (decoded, len(stream))
        else:
            low = middle
    if best is None:
        raise SystemExit(f"JPEG 2000 does not reach {target}")
    return best


def rows(names: list[str], model: str, every: int) -> Iterator[dict]:
    """One for each sensor, block and way."""
    judged = sets.judged()
    (HERE / "work").mkdir(exist_ok=True)
    for name in names:
        asked = TARGETS[name]
        base = FixedQuality(model=model, **asked)
        base = replace(base, calibration=calibration(name, base, HERE / "work"))
        for block in BLOCKS:
            for way, settings in WAYS.items():
                tally = coded(replace(base, block=block, **settings), judged[name][::every])
                yield {"sensor": name, "block": block or "global", "way": way, **tally.row()}
            if "psnr_db" in asked:
                tally = jpeg2000(judged[name][::every], asked, block)
                yield {"sensor": name, "block": block or "global", "way": "JPEG 2000", **tally.row()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="aerial")
    parser.add_argument("--every", type=int, default=1, help="take every n-th image")
    parser.add_argument("--sensor", action="append", choices=list(TARGETS))
    parser.add_argument("--output", type=Path, default=HERE / "results" / "quality.csv")
    options = parser.parse_args()
    found = []
    for row in rows(options.sensor or list(TARGETS), options.model, options.every):
        found.append(row)
        figures = " ".join(f"{k}={v:.3f}" if isinstance(v, float) else f"{k}={v}" for k, v in row.items())
        print(figures, flush=True)
    with options.output.open("w", newline="") as sink:
        writer = csv.DictWriter(sink, list(found[0]))
        writer.writeheader()
        writer.writerows({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()} for row in found)


if __name__ == "__main__":
    main()
