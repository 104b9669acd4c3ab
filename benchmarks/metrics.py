"""Speed and memory of the metrics of images, against peers in the same run, one thread each.

    python benchmarks/metrics.py [--rounds 3] [--only ssim] [--contrib FOLDER]

Every implementation runs in a process of its own: a first call outside the timing (compilation, caches), then several
timed ones; CPU seconds (process time) of the median call. Rounds are interleaved and the least is taken, since other
work on the machine only ever slows. Memory is the high-water mark of the process during a call less what it held before
it: what a metric needs above its input. Peers that are not installed are passed over and named:
torchmetrics, sewar and pytorch-msssim by pip with --no-deps; cv2.quality from opencv-contrib-python-headless, which
cannot live beside opencv-python-headless, so install it with `pip install --no-deps --target FOLDER` and name FOLDER.

Prints a table, and writes results/metrics.json: per case the ratio to the fastest peer (how many times faster) beside
the goal, and memory. `plain` is a plain NumPy version written from the same paper (`plain_metrics.py`).
"""

import argparse
import importlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Case:
    """A metric on an input: whom it is held against, how many times faster it is to be, how much memory it may take.

    The goal is about the fastest of the peers, or about the peer `against`. `cpu_s` is a goal in CPU seconds of this
    machine, where the original's own time was stated in seconds.
    """

    metric: str
    data: str
    peers: tuple[str, ...] = ()
    against: str = ""
    times_faster: float | None = None
    extra_mb: float | None = None
    cpu_s: float | None = None

    @property
    def name(self) -> str:
        """What the table calls it."""
        return f"{self.metric} {self.data}"


RGB, LARGE, SCENE, LARGE_SCENE, FILE = (
    "1024²×3 uint8",
    "4096² float32",
    "1024² scene",
    "4096² scene",
    "20000² uint16 file",
)
CASES = (
    Case(
        metric="ssim",
        data=RGB,
        peers=("skimage", "torchmetrics", "cv2.quality", "sewar"),
        against="skimage",
        times_faster=5,
    ),
    Case(metric="ssim", data=LARGE, peers=("skimage",), times_faster=8, extra_mb=64),
    Case(metric="ms_ssim", data=RGB, peers=("torchmetrics", "pytorch_msssim", "sewar"), times_faster=3),
    Case(metric="ms_ssim", data=LARGE, peers=("pytorch_msssim",), times_faster=3),
    Case(metric="iw_ssim", data=RGB),
    Case(metric="vif", data=RGB, peers=("torchmetrics", "sewar"), times_faster=3),
    Case(metric="vif", data=LARGE, peers=("torchmetrics",), times_faster=3),
    Case(metric="gmsd", data=RGB, peers=("cv2.quality",), times_faster=3),
    Case(metric="gmsd", data=LARGE, peers=("cv2.quality",), times_faster=3),
    Case(metric="fsim", data=RGB, peers=("plain",), times_faster=1),
    Case(metric="haarpsi", data=RGB),
    Case(metric="mdsi", data=RGB),
    Case(metric="sam", data=RGB, peers=("torchmetrics", "sewar")),
    Case(metric="uqi", data=RGB, peers=("torchmetrics",)),
    Case(metric="q2n", data=RGB, peers=("sewar",)),
    Case(metric="psnr", data=RGB, peers=("skimage",)),
    Case(metric="piqe", data=RGB, peers=("plain",), times_faster=1),
    Case(metric="piqe", data=LARGE, peers=("plain",), times_faster=1),
    Case(metric="niqe", data=RGB),
    Case(metric="snr-blocks", data=SCENE, peers=("plain",), times_faster=3),
    Case(metric="snr-area", data=SCENE, peers=("plain",), times_faster=20),
    Case(metric="edges", data=SCENE, cpu_s=0.25),
    Case(metric="edges", data=LARGE_SCENE, cpu_s=4.0),
    Case(metric="file", data=FILE, extra_mb=500),
)
CALLS = {RGB: 5, LARGE: 3, SCENE: 5, LARGE_SCENE: 2, FILE: 1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="cases whose name begins so")
    parser.add_argument("--contrib", type=Path, help="where opencv-contrib-python-headless is")
    parser.add_argument("--child", nargs=3, metavar=("WHO", "METRIC", "DATA"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(child(*args.child)))
        return
    cases = [case for case in CASES if case.name.startswith(args.only)]
    found = []
    for case in cases:
        found.append(measured(case, rounds=args.rounds, contrib=args.contrib))
        print(line(found[-1]), flush=True)
    if not args.only:
        (HERE / "results" / "metrics.json").write_text(json.dumps(found, indent=1) + "\n")


def measured(case: Case, *, rounds: int, contrib: Path | None) -> dict[str, Any]:
    """The least CPU time of each implementation over the rounds, its memory, and the ratio to the fastest peer."""
    whos = ["orbiq", *case.peers]
    seen: dict[str, list[dict[str, Any]]] = {who: [] for who in whos}
    for _ in range(1 if case.data == FILE else rounds):
        for who in whos:
            said = run_child(who, case, contrib=contrib)
            if said is not None:
                seen[who].append(said)
    best = {who: min(s["cpu_s"] for s in runs) for who, runs in seen.items() if runs}
    peers = {who: cpu for who, cpu in best.items() if who != "orbiq"}
    fastest = case.against or min(peers, key=lambda who: peers[who], default=None)
    return {
        "case": case.name,
        "orbiq_cpu_s": round(best["orbiq"], 4),
        "against": fastest,
        "times_faster": round(peers[fastest] / best["orbiq"], 2) if fastest else None,
        "goal_times_faster": case.times_faster,
        "goal_cpu_s": case.cpu_s,
        "extra_mb": round(min(s["extra_mb"] for s in seen["orbiq"]), 1),
        "goal_extra_mb": case.extra_mb,
        "peers_times_slower": {who: round(cpu / best["orbiq"], 2) for who, cpu in peers.items()},
        "values": {who: runs[0]["value"] for who, runs in seen.items() if runs},
        "not_installed": [who for who, runs in seen.items() if not runs],
    }


def line(said: dict[str, Any]) -> str:
    goals = [f"≥ {said['goal_times_faster']} ×"] if said["goal_times_faster"] else []
    goals += [f"≤ {said['goal_cpu_s']} CPU-s"] if said["goal_cpu_s"] else []
    goals += [f"≤ {said['goal_extra_mb']} MB"] if said["goal_extra_mb"] else []
    ratio = f"{said['times_faster']:.2f} × {said['against']}" if said["against"] else ""
    absent = f"  without {', '.join(said['not_installed'])}" if said["not_installed"] else ""
    return (
        f"{said['case']:<28}{said['orbiq_cpu_s']:9.4f} CPU-s  {ratio:<24}{said['extra_mb']:8.1f} MB  "
        f"goal {', '.join(goals) or '–'}{absent}"
    )


def run_child(who: str, case: Case, *, contrib: Path | None) -> dict[str, Any] | None:
    """One process of one implementation; None where it is not installed."""
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    path = [str(contrib)] if who == "cv2.quality" and contrib else []
    env = os.environ | one_thread | {"PYTHONPATH": os.pathsep.join([*path, os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, str(Path(__file__).resolve()), "--child", who, case.metric, case.data]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        if "NOT INSTALLED" in done.stderr:
            return None
        raise SystemExit(f"{who} {case.name} failed:\n{done.stderr}")
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def child(who: str, metric: str, data: str) -> dict[str, Any]:
    """CPU seconds of the median call, memory above what was held, and the value."""
    import cv2

    cv2.setNumThreads(1)
    if data == FILE:
        return over_file()
    inputs = INPUTS[data]()
    try:
        function = IMPLEMENTATIONS[who](metric, data, inputs)
    except (ImportError, AttributeError, KeyError) as error:
        raise SystemExit(f"NOT INSTALLED: {who}: {error!r}") from None
    function()
    before = held_mb()
    cpus, value = [], 0.0
    for _ in range(CALLS[data]):
        start = time.process_time()
        value = float(np.mean(function()))
        cpus.append(time.process_time() - start)
    return {"cpu_s": statistics.median(cpus), "extra_mb": peak_mb() - before, "value": value}


def held_mb() -> float:
    """What the process holds now; the high-water mark is set back to it."""
    Path("/proc/self/clear_refs").write_text("5")
    return status_mb("VmRSS")


def peak_mb() -> float:
    return status_mb("VmHWM")


def status_mb(key: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(text.split()[1]) for text in lines if text.startswith(key)) / 1024


def natural(rows: int, cols: int, seed: int) -> Any:
    """A field with the spectrum of a natural scene, mean 0, deviation 1."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft2(rng.standard_normal((rows, cols), dtype=np.float32))
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(cols)[None])
    frequency[0, 0] = 1
    field = np.fft.irfft2(spectrum / frequency, (rows, cols)).astype(np.float32)
    return (field - field.mean()) / field.std()


def rgb_pair() -> tuple[Any, Any]:
    """A scene of three bands, and the same blurred and noisy."""
    import cv2

    base = np.stack([natural(1024, 1024, 0)] * 3, axis=2) + 0.3 * np.stack(
        [natural(1024, 1024, seed) for seed in (1, 2, 3)], axis=2
    )
    image = np.clip(120 + 40 * base, 0, 255)
    noise = np.random.default_rng(4).normal(0, 5, image.shape)
    worse = np.clip(cv2.GaussianBlur(image, (0, 0), 1.2) + noise, 0, 255)
    return image.astype(np.uint8), worse.astype(np.uint8)


def large_pair() -> tuple[Any, Any]:
    """4096² in [0, 1], and the same blurred and noisy."""
    import cv2

    image = np.clip(0.5 + 0.15 * natural(4096, 4096, 0), 0, 1).astype(np.float32)
    rng = np.random.default_rng(4)
    worse = cv2.GaussianBlur(image, (0, 0), 1.2) + 0.02 * rng.standard_normal(image.shape, dtype=np.float32)
    return image, np.clip(worse, 0, 1).astype(np.float32)


def scene(n: int) -> tuple[Any]:
    """Fields, roads and roofs with straight borders, and noise: what `edges` and `snr` are made for."""
    import cv2

    rng = np.random.default_rng(5)
    image = np.full((n, n), 110, np.float32)
    for _ in range(n * n // 9000):
        centre, size = rng.uniform(0, n, 2), rng.uniform(20, 90, 2)
        box = cv2.boxPoints((tuple(centre), tuple(size), float(rng.uniform(0, 180))))
        cv2.fillPoly(image, [np.rint(box * 16).astype(np.int32)], float(rng.uniform(40, 200)), cv2.LINE_AA, 4)
    noisy = cv2.GaussianBlur(image, (0, 0), 0.7) + rng.normal(0, 2, image.shape)
    return (np.clip(np.rint(noisy), 0, 255).astype(np.uint8),)


INPUTS: dict[str, Callable[[], Any]] = {
    RGB: rgb_pair,
    LARGE: large_pair,
    SCENE: lambda: scene(1024),
    LARGE_SCENE: lambda: scene(4096),
}
PEAKS = {RGB: 255.0, LARGE: 1.0, SCENE: 255.0, LARGE_SCENE: 255.0}
Maker = Callable[[str, str, Any], Callable[[], Any]]


def orbiq(metric: str, data: str, inputs: Any) -> Callable[[], Any]:
    from orbiq.metrics.catalogue import METRICS, metric_spec
    from orbiq.tiles import tiling

    options: dict[str, Any] = {}
    if metric.startswith("snr-"):
        metric, options = "snr", {"method": f"homogeneous-{metric.removeprefix('snr-')}"}
    function = METRICS.load(metric)
    if "peak" in importlib.import_module("inspect").signature(function).parameters:
        options["peak"] = PEAKS[data]
    arguments = inputs if metric_spec(metric).needs == "pair" else inputs[-1:]
    attribute = {"snr": "snr", "edges": "rer"}.get(metric)

    def call() -> Any:
        with tiling(threads=1):
            said = function(*arguments, **options)
        return getattr(said, attribute) if attribute else said

    return call


def skimage(metric: str, data: str, inputs: Any) -> Callable[[], Any]:
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    if metric == "psnr":
        return lambda: peak_signal_noise_ratio(*inputs, data_range=PEAKS[data])
    axis = 2 if inputs[0].ndim == 3 else None
    wang = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return lambda: structural_similarity(*inputs, data_range=PEAKS[data], channel_axis=axis, **wang)


def tensors(inputs: Any) -> list[Any]:
    import torch

    torch.set_num_threads(1)
    planes = [np.atleast_3d(image).transpose(2, 0, 1)[None] for image in inputs]
    return [torch.from_numpy(np.ascontiguousarray(image)).float() for image in planes]


def torchmetrics(metric: str, data: str, inputs: Any) -> Callable[[], Any]:
    import torchmetrics.functional.image as tm

    second, first = tensors(inputs)[::-1]
    functions = {
        "ssim": lambda: tm.structural_similarity_index_measure(second, first, data_range=PEAKS[data]),
        "ms_ssim": lambda: tm.multiscale_structural_similarity_index_measure(second, first, data_range=PEAKS[data]),
        "vif": lambda: tm.visual_information_fidelity(second, first),
        "sam": lambda: tm.spectral_angle_mapper(second, first),
        "uqi": lambda: tm.universal_image_quality_index(second, first),
    }
    chosen = functions[metric]
    return lambda: float(chosen())


def pytorch_msssim(metric: str, data: str, inputs: Any) -> Callable[[], Any]:
    from pytorch_msssim import ms_ssim, ssim

    second, first = tensors(inputs)[::-1]
    function = {"ssim": ssim, "ms_ssim": ms_ssim}[metric]
    return lambda: float(function(second, first, data_range=PEAKS[data]))


def sewar(metric: str, data: str, inputs: Any) -> Callable[[], Any]:
    import sewar.full_ref as full

    functions = {
        "ssim": lambda: full.ssim(*inputs, MAX=PEAKS[data])[0],
        "ms_ssim": lambda: full.msssim(*inputs, MAX=PEAKS[data]).real,
        "vif": lambda: full.vifp(*inputs),
        "sam": lambda: full.sam(*inputs),
        "q2n": lambda: full.q2n(*inputs),
    }
    return functions[metric]


def contrib(metric: str, _: str, inputs: Any) -> Callable[[], Any]:
    import cv2

    module = {"ssim": "QualitySSIM_compute", "gmsd": "QualityGMSD_compute"}[metric]
    function = getattr(cv2.quality, module)
    bands = 1 if inputs[0].ndim == 2 else inputs[0].shape[2]
    return lambda: np.mean(function(*inputs)[0][:bands])


def plain(metric: str, data: str, inputs: Any) -> Callable[[], Any]:
    sys.path.insert(0, str(HERE))
    module = importlib.import_module("plain_metrics")
    function = getattr(module, metric.replace("-", "_"))
    arguments = inputs if metric == "fsim" else inputs[-1:]
    return lambda: function(*arguments, peak=PEAKS[data])


IMPLEMENTATIONS: dict[str, Maker] = {
    "orbiq": orbiq,
    "skimage": skimage,
    "torchmetrics": torchmetrics,
    "pytorch_msssim": pytorch_msssim,
    "sewar": sewar,
    "cv2.quality": contrib,
    "plain": plain,
}


def over_file() -> dict[str, Any]:
    """A GeoTIFF of 800 MB measured from the disk: everything the process holds at its highest."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "large.tif"
        write_large(path)
        code = (
            "import sys, time\n"
            "from pathlib import Path\n"
            "from orbiq.imageio import open_raster\n"
            "from orbiq.metrics.applied import apply_metrics\n"
            "from orbiq.metrics.chosen import load_metric\n"
            "from orbiq.tiles import tiling\n"
            "metrics = [load_metric({'name': name}) for name in ('snr', 'edges', 'piqe', 'entropy')]\n"
            "with open_raster(sys.argv[1], peak=4095) as raster, tiling(threads=2):\n"
            "    said = apply_metrics(metrics, raster)\n"
            "scores = {k: v for one in said for k, v in one.scores.items()}\n"
            # ru_maxrss would hold what the parent held when it started this process
            "lines = Path('/proc/self/status').read_text().splitlines()\n"
            "peak_mb = next(int(line.split()[1]) for line in lines if line.startswith('VmHWM')) / 1024\n"
            "print(peak_mb, time.process_time(), scores['piqe'].value)\n"
        )
        done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    peak, cpu, value = map(float, done.stdout.split())
    return {"cpu_s": cpu, "extra_mb": peak, "value": value}


def write_large(path: Path, n: int = 20_000, strip: int = 512) -> None:
    """20000 × 20000 of 12 bits in tiles of 512, made strip by strip from one scene."""
    import rasterio
    from rasterio.windows import Window

    piece = (scene(2048)[0].astype(np.uint16) * 14).clip(1, 4095)
    columns = np.tile(piece, (1, -(-n // piece.shape[1])))[:, :n]
    options = {"driver": "GTiff", "count": 1, "dtype": "uint16", "tiled": True, "blockxsize": 512, "blockysize": 512}
    with rasterio.open(path, "w", height=n, width=n, **options) as sink:
        for row in range(0, n, strip):
            height = min(strip, n - row)
            first = row % piece.shape[0]
            sink.write(columns[first : first + height], 1, window=Window(0, row, n, height))


if __name__ == "__main__":
    main()
