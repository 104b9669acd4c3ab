"""How near mtf, rer, snr, gsd and sensor come to their targets: on simulated scenes with known truth, on real images.

    python benchmarks/targets.py [--seeds 4]

Simulated: ground of edge_scenes.py (parcels and roofs, painted seven times finer) seen through a Gaussian of 0.55 or
0.7 px, with and without a square pixel, SNR 200, 8 and 12 bits, 768². The truth after a modifier: RER and MTF in closed
form from the ground's PSF and the blur that was applied; SNR from the noise that was added to a noise that is known. No
scene carries a caution. "measured" is what orbiq's metrics say of the result, which is what stands in variant.json.
PSF: a point and waves through `blur` and `gsd`, against theory, at many frequencies.
Real (the folder ORBIQ_TEST_DATA; left out without it): two 12-bit panchromatic images, three Landsat 8 bands, the 14
airports of the test set.
What an image cannot show is said: no edges, no homogeneous ground. Prints and writes results/targets.json.
"""

import argparse
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import cos, hypot, pi, sin, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from edge_scenes import FULL_SCALE, SNR_LEVEL, scene

from orbiq.arrays import Scene
from orbiq.errors import OrbiqError
from orbiq.imageio import read_image
from orbiq.modifiers.base import MODIFIERS, Modified
from orbiq.numerics import image_rng
from orbiq.optics_transfer import airy_psf, box_psf, defocus_psf, gaussian_psf, motion_psf, through
from orbiq.registry import build

Row = dict[str, Any]
Floats = npt.NDArray[np.float64]
LIMITS = {"rer": 2.0, "mtf": 0.01, "snr": 3.0, "gsd": 0.0, "psf": 1e-3}  # %, –, %, m, –
FIRST_SEED = 7000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=4)
    args = parser.parse_args()
    table = [*psfs(), *simulated(range(FIRST_SEED, FIRST_SEED + args.seeds))]
    folder = os.environ.get("ORBIQ_TEST_DATA")
    table += real(Path(folder)) if folder else []
    summary = list(summarised(table))
    for row in summary:
        print(line(row))
    (Path(__file__).parent / "results" / "targets.json").write_text(
        json.dumps({"summary": summary, "cases": table}, indent=1, ensure_ascii=False) + "\n"
    )


def line(row: Row) -> str:
    return "  ".join(f"{key} {value}" for key, value in row.items())


def applied(spec: str, image: Scene) -> Modified | str:
    """What a modifier gives, or why it refuses."""
    try:
        return build(MODIFIERS, spec)(image, rng=image_rng(0, image.name))  # type: ignore[no-any-return]
    except OrbiqError as error:
        return str(error)


# point spread functions


def psfs() -> Iterator[Row]:
    """The largest difference between the MTF that waves have lost and theory."""
    frequencies = np.arange(1, 64) / 128
    known = {
        "gaussian 0.4": gaussian_psf(0.4), "gaussian 1.2": gaussian_psf(1.2), "box 1": box_psf(1),
        "box 2.5": box_psf(2.5),
        "airy 1": airy_psf(1), "airy 0.7 obscured": airy_psf(0.7, obscuration=0.3), "defocus 2": defocus_psf(2),
        "motion 3 at 0°": motion_psf(3),
    }  # fmt: skip
    for name, psf in known.items():
        theory = [float(psf.mtf(np.array(f), np.array(0.0))) for f in frequencies]
        yield off(
            "psf", f"blur {name} px", max(abs(passed(psf, f) - t) for f, t in zip(frequencies, theory, strict=True))
        )
    for factor in (1.5, 2.0, 2.5, 3.0, 4.0):
        for now, goal in ((1.0, 0.2), (0.3, 0.15), (0.5, 0.5)):
            yield off("psf", f"gsd ×{factor:g} from {now} to {goal}", gsd_error(factor, now, goal))


def passed(psf: Any, f: float) -> float:
    """What a PSF leaves of a wave along x."""
    x = np.arange(512.0)
    wave = np.stack([np.cos(2 * pi * f * x), np.sin(2 * pi * f * x)])[:, None, :, None].repeat(8, 1)
    seen = [through(w, psf)[4, 128:-128, 0] for w in wave]
    basis = [np.cos(2 * pi * f * x[128:-128]), np.sin(2 * pi * f * x[128:-128])]
    return float(np.mean([(s * b).sum() / (b * b).sum() for s, b in zip(seen, basis, strict=True)]))


def gsd_error(factor: float, now: float, goal: float) -> float:
    """The largest error of the MTF of `gsd` up to the new Nyquist frequency; waves stand where the new centres are."""
    sigma = sqrt((factor / pi * sqrt(-2 * np.log(goal))) ** 2 - (sqrt(-2 * np.log(now)) / pi) ** 2)
    worst = 0.0
    spec = f"gsd:factor={factor},mtf_nyquist={goal},now_nyquist={now}"
    for f in np.arange(1, 32) / 64 / factor:
        x = np.arange(1200.0)
        rows = max(8, int(4 * factor))
        wave = np.cos(2 * pi * f * x + 0.4)[None, :, None].repeat(rows, 0)
        coarse = build(MODIFIERS, spec)(Scene(array=wave, name="wave"), rng=image_rng(0, "wave")).scene.array[1, :, 0]
        at = (np.arange(coarse.size) + 0.5) * factor - 0.5
        inner = slice(60, -60)
        basis = np.stack([np.cos(2 * pi * f * at + 0.4), np.sin(2 * pi * f * at + 0.4)])[:, inner]
        along, across = np.linalg.lstsq(basis.T, coarse[inner], rcond=None)[0]
        theory = np.exp(-2 * (pi * sigma * f) ** 2)
        worst = max(worst, abs(along - theory), abs(across))
    return worst


# simulated scenes


def simulated(seeds: range) -> Iterator[Row]:
    for k, seed in enumerate(seeds):
        for kind in ("parcels", "roofs"):
            sigma, detector, bits = (0.55, 0.7)[k % 2], k % 4 >= 2, (12, 8)[k % 2]
            made = scene(kind, seed=seed, sigma_px=sigma, snr=200, bits=bits, detector=detector, size=768)
            image = Scene(array=made.image[..., None], peak=made.peak, gsd_m=0.5, name=f"{kind} {seed}")
            about = f"{kind} {seed}, σ {sigma} px{' ⊗ pixel' if detector else ''}, {bits} bit"
            yield from on_simulated(image, about, sigma=sigma, detector=detector)


def on_simulated(image: Scene, about: str, *, sigma: float, detector: bool) -> Iterator[Row]:
    """Each target on one scene; where it is too structured to show its noise, once more with its noise stated."""

    def blurred(done: Modified, f: float) -> tuple[float, float]:
        total = sqrt(sigma**2 + done.achieved["blur_sigma_px"] ** 2)
        return true_rer(total, detector=detector), true_mtf(total, f, detector=detector)

    level = float(np.median(image.array[image.array > 0]))
    now = level / noise_dn(level, image)
    for goal in (0.3, 0.4, 0.5):
        for done in tried(f"rer:rer={goal}", image):
            yield outcome("rer", about, goal, done, "achieved_rer", lambda d: blurred(d, 0.5)[0])
    for goal in (0.02, 0.05, 0.1, 0.15):
        for done in tried(f"mtf:nyquist={goal}", image):
            yield outcome("mtf", about, goal, done, "achieved_mtf_nyquist", lambda d: blurred(d, 0.5)[1])
    for ratio in (15, 30, 60, 100):
        for done in tried(f"snr:snr={ratio}", image, f"now={now}"):
            yield outcome(
                "snr", about, ratio, done, "achieved_snr", lambda d: level / hypot(level / now, d.achieved["noise_dn"])
            )
    yield from whole_sensors(image, about, now=now, blurred=blurred)


def whole_sensors(
    image: Scene, about: str, *, now: float, blurred: Callable[..., tuple[float, float]]
) -> Iterator[Row]:
    for factor, goal in ((2, 0.2), (1.5, 0.1), (3, 0.25)):
        for done in tried(f"sensor:gsd_m={0.5 * factor},mtf_nyquist={goal},snr=20,bits=8", image, f"now_snr={now}"):
            if isinstance(done, str):
                yield refused("sensor", about, goal, done)
                continue
            size = int(768 / factor + 1e-9)
            exact = done.scene.gsd_m == 0.5 * factor == done.achieved["achieved_gsd_m"] and done.scene.shape[0] == size
            yield {
                "what": "gsd",
                "of": "simulated",
                "case": about,
                "target": 0.5 * factor,
                "off": 0.0 if exact else 1.0,
            }
            case, f = f"sensor, {about}", 0.5 / factor
            yield outcome("mtf", case, goal, done, "achieved_mtf_nyquist", lambda d, f=f: blurred(d, f)[1])
            yield outcome("snr", case, 20, done, "achieved_snr", None)


def tried(spec: str, image: Scene, stated: str = "") -> Iterator[Modified | str]:
    """What a modifier gives; where it refuses, that, and what it gives when the present value is stated."""
    done = applied(spec, image)
    yield done
    if isinstance(done, str) and stated and "was not stated" in done:
        yield applied(f"{spec},{stated}", image)


def outcome(
    what: str, case: str, goal: float, done: Modified | str, key: str, truth: Callable[[Modified], float] | None
) -> Row:
    if isinstance(done, str):
        return refused(what, case, goal, done)
    return compared(what, case, goal, done.achieved.get(key), None if truth is None else truth(done))


def noise_dn(level: float, image: Scene) -> float:
    """The noise that edge_scenes put in at a level, in DN."""
    peak = image.peak or 1.0
    signal = level / peak * FULL_SCALE
    return float(SNR_LEVEL / 200 * sqrt(0.7 * signal / SNR_LEVEL + 0.3) / FULL_SCALE * peak)


def true_mtf(sigma: float, f: float, *, detector: bool) -> float:
    """At f cycles per pixel, the mean over directions."""
    angles = np.linspace(0, pi / 4, 9)
    pixel = np.mean([np.sinc(f * cos(a)) * np.sinc(f * sin(a)) for a in angles]) if detector else 1.0
    return float(np.exp(-2 * (pi * sigma * f) ** 2) * pixel)


def true_rer(sigma: float, *, detector: bool) -> float:
    """2·∫ MTF(f)·sin(πf)/(πf) df, the mean over directions."""
    f = np.linspace(0, 12, 24001)
    values = []
    for a in np.linspace(0, pi / 4, 9):
        pixel = np.sinc(f * cos(a)) * np.sinc(f * sin(a)) if detector else 1.0
        values.append(2 * np.trapezoid(np.exp(-2 * (pi * sigma * f) ** 2) * pixel * np.sinc(f), f))
    return float(np.mean(values))


# real images


def real(folder: Path) -> Iterator[Row]:
    for path in sorted((folder / "pan-12bit-s2p").glob("*.tif")):
        yield from on_real("pan 12 bit", opened(path, peak=4095), rers=(0.25, 0.3), nyquists=(0.002,), snrs=(8, 10))
    for path in sorted((folder / "landsat8").glob("*B?.tif")):
        yield from on_real("Landsat 8", opened(path, peak=65535), rers=(0.3,), nyquists=(0.05,), snrs=(20, 30, 40, 60))
    for path in sorted((folder / "satellogic-airports" / "test" / "images").glob("*.png")):
        yield from on_real(
            "airports", opened(path, peak=255), rers=(0.22, 0.25, 0.28), nyquists=(0.0001,), snrs=(10, 20)
        )


def opened(path: Path, *, peak: float) -> Scene:
    picture = read_image(path)
    return Scene(array=picture.array, mask=picture.mask, peak=peak, gsd_m=1.0, name=path.name)


def on_real(
    of: str, image: Scene, *, rers: tuple[float, ...], nyquists: tuple[float, ...], snrs: tuple[float, ...]
) -> Iterator[Row]:
    specs = [("rer", f"rer:rer={v}", v, "achieved_rer") for v in rers]
    specs += [("mtf", f"mtf:nyquist={v}", v, "achieved_mtf_nyquist") for v in nyquists]
    specs += [("snr", f"snr:snr={v}", v, "achieved_snr") for v in snrs]
    for what, spec, goal, key in specs:
        done = applied(spec, image)
        if isinstance(done, str):
            yield refused(what, image.name, goal, done) | {"of": of}
        else:
            yield compared(what, f"{image.name} {spec}", goal, done.achieved.get(key), None) | {"of": of}
    now = ",now_nyquist=0.3" if of == "Landsat 8" else ""  # its edges do not show
    done = applied(f"sensor:gsd_m=3,mtf_nyquist=0.1,snr=15,bits=8{now}", replace(image, gsd_m=1.0))
    if isinstance(done, str):
        yield refused("sensor", image.name, 0.1, done) | {"of": of}
        return
    yield {"what": "gsd", "of": of, "case": image.name, "target": 3.0, "off": abs(done.achieved["achieved_gsd_m"] - 3)}
    asked = (("mtf", 0.1, "achieved_mtf_nyquist"), ("snr", 15, "achieved_snr"))
    for what, goal, key in asked[1:] if now else asked:  # the present MTF was made up there
        care = what == "mtf" and any("with care" in note for note in done.notes)  # then theory is taken at its word
        name = f"{of}, sensor, edges with care" if care else of
        yield compared(what, f"sensor, {image.name}", goal, done.achieved.get(key), None) | {"of": name}


# rows


def off(what: str, case: str, error: float) -> Row:
    return {"what": what, "of": "theory", "case": case, "off": round(float(error), 6)}


def compared(what: str, case: str, target: float, measured: float | None, truth: float | None) -> Row:
    """How far what was measured, and what is true, lie from the target: in %, MTF absolute."""
    row: Row = {"what": what, "of": "simulated", "case": case, "target": target}
    for name, value in (("measured", measured), ("truth", truth)):
        if value is not None:
            error = value - target if what == "mtf" else 100 * (value / target - 1)
            row |= {name: round(value, 5), f"{name}_off": round(error, 4)}
    return row


def refused(what: str, case: str, target: float, why: str) -> Row:
    return {"what": what, "of": "simulated", "case": case, "target": target, "refused": why}


def summarised(table: list[Row]) -> Iterator[Row]:
    for what, of in sorted({(row["what"], row["of"]) for row in table}):
        rows = [row for row in table if (row["what"], row["of"]) == (what, of)]
        line: Row = {"what": what, "of": of, "cases": len(rows), "refused": sum("refused" in row for row in rows)}
        for key in ("off", "measured_off", "truth_off"):
            values = [abs(row[key]) for row in rows if key in row]
            if values:
                line |= {f"{key}_largest": max(values), f"{key}_median": round(float(np.median(values)), 4)}
        unknown = sum("refused" not in row and "measured" not in row and "off" not in row for row in rows)
        yield line | ({"not_measurable_afterwards": unknown} if unknown else {}) | {"limit": LIMITS.get(what)}


if __name__ == "__main__":
    main()
