"""What the engine costs: runs that do nothing, against the bare subprocess, in the same run.

    python benchmarks/engine.py [--runs 200] [--mlflow-runs 60]

Prints, and writes to results/engine.json:
  CPU per run above the bare subprocess (goal ≤ 40 ms), tracking off
  wall per run that MLflow adds with its SQLite store (goal ≤ 250 ms)
  scaling of 2 jobs over 1, as a share of that of two bare processes over one (goal ≥ 0.9)
  import orbiq (goal ≤ 0.3 s) and orbiq --help (goal ≤ 0.6 s), each the median of 7
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from orbiq.experiment import run
from orbiq.settings import Experiment

NOTHING = (
    "import sys\na = dict(zip(sys.argv[1::2], sys.argv[2::2]))\n"
    "open(a['--outputpath'] + '/results.json', 'w').write('{\"score\": 1.0, \"loss\": [3, 2, 1]}')\n"
)
BUSY = "x = 0\nfor k in range(12_000_000): x += k\n" + NOTHING


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--mlflow-runs", type=int, default=60)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        figures: dict[str, float] = {}
        parts = (
            startup,
            lambda: cpu_per_run(Path(place) / "cpu", args.runs),
            lambda: mlflow_per_run(Path(place) / "mlflow", args.mlflow_runs),
            lambda: scaling(Path(place) / "scaling"),
        )
        for part in parts:
            found = {name: round(value, 4) for name, value in part().items()}
            print("\n".join(f"{name:>28} {value:g}" for name, value in found.items()), flush=True)
            figures |= found
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "engine.json").write_text(json.dumps(figures, indent=1) + "\n")


def experiment(folder: Path, task: str, *, n_runs: int, jobs: int, tracking: str) -> Experiment:
    """A dataset of one tiny image, no modifier, so that nothing but the engine costs anything."""
    images = folder / "data" / "images"
    images.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(images / "a.png"), np.zeros((8, 8, 3), np.uint8))
    (folder / "task.py").write_text(task)
    return Experiment.model_validate(
        {
            "name": f"bench-{jobs}-{n_runs}-{tracking[:3]}",
            "datasets": {"train": "data"},
            "task": {"script": "task.py", "interpreter": sys.executable},
            "repetitions": n_runs,
            "tracking": tracking,
            "jobs": jobs,
        }
    ).at(folder)


def cpu_s() -> float:
    """CPU seconds of this process and its finished children."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def bare(folder: Path, k: int) -> None:
    output = folder / "bare" / str(k)
    output.mkdir(parents=True)
    command = [sys.executable, str(folder / "task.py"), "--trainds", "x", "--outputpath", str(output)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def cpu_per_run(folder: Path, n_runs: int) -> dict[str, float]:
    run(experiment(folder, NOTHING, n_runs=2, jobs=1, tracking="off"))  # imports are paid once, not per run
    before = cpu_s()
    for k in range(n_runs):
        bare(folder, k)
    bare_s = cpu_s() - before
    before = cpu_s()
    run(experiment(folder, NOTHING, n_runs=n_runs, jobs=1, tracking="off"))
    engine_s = cpu_s() - before
    return {
        "bare_cpu_ms_per_run": 1000 * bare_s / n_runs,
        "engine_cpu_ms_per_run": 1000 * engine_s / n_runs,
        "above_bare_cpu_ms_per_run": 1000 * (engine_s - bare_s) / n_runs,
    }


def mlflow_per_run(folder: Path, n_runs: int) -> dict[str, float]:
    run(experiment(folder, NOTHING, n_runs=2, jobs=1, tracking=f"sqlite:///{folder}/warm.db"))  # imports, schema
    started = time.monotonic()
    run(experiment(folder, NOTHING, n_runs=n_runs, jobs=1, tracking="off"))
    without_s = time.monotonic() - started
    started = time.monotonic()
    run(experiment(folder, NOTHING, n_runs=n_runs, jobs=1, tracking=f"sqlite:///{folder}/warm.db"))
    with_s = time.monotonic() - started
    return {"mlflow_wall_ms_per_run": 1000 * (with_s - without_s) / n_runs, "run_wall_ms": 1000 * without_s / n_runs}


def startup() -> dict[str, float]:
    return {
        "import_s": median_s([sys.executable, "-c", "import orbiq"]) - median_s([sys.executable, "-c", "pass"]),
        "help_s": median_s([str(Path(sys.executable).with_name("orbiq")), "--help"]),
    }


def scaling(folder: Path, n_runs: int = 8) -> dict[str, float]:
    """Speed-up of two jobs over one, of the engine and of bare processes, one after the other, twice."""
    walls: dict[str, list[float]] = {"bare1": [], "bare2": [], "engine1": [], "engine2": []}
    for trial in range(2):
        for jobs in (1, 2):
            place = folder / f"{trial}-{jobs}"
            made = experiment(place, BUSY, n_runs=n_runs, jobs=jobs, tracking="off")
            started = time.monotonic()
            with ThreadPoolExecutor(jobs) as pool:
                list(pool.map(lambda k, place=place: bare(place, k), range(n_runs)))
            walls[f"bare{jobs}"].append(time.monotonic() - started)
            started = time.monotonic()
            run(made)
            walls[f"engine{jobs}"].append(time.monotonic() - started)
    best = {name: min(values) for name, values in walls.items()}
    bare_scaling, engine_scaling = best["bare1"] / best["bare2"], best["engine1"] / best["engine2"]
    return {
        "bare_scaling": bare_scaling,
        "engine_scaling": engine_scaling,
        "scaling_share": engine_scaling / bare_scaling,
    }


def median_s(command: list[str], times: int = 7) -> float:
    walls = []
    for _ in range(times):
        started = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "COLUMNS": "100"})
        walls.append(time.monotonic() - started)
    return statistics.median(walls)


if __name__ == "__main__":
    main()
