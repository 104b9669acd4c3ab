"""Set up the demo's folder as a user would have it: data, a training script, an experiment file."""

from importlib.resources import files
from pathlib import Path

from orbiq.cache import write_text
from orbiq.datasets.scenes import write_airports
from orbiq.demo.data import SPLITS
from orbiq.progress import Progress
from orbiq.settings import Experiment, load_experiment

_FILES = ("detector.py", "experiment.yaml")


def prepare(folder: Path, *, progress: Progress) -> Experiment:
    """Write data (once), script and experiment file into `folder`; returns the experiment, ready to run."""
    for name in _FILES:
        text = files("orbiq.demo").joinpath(name).read_text(encoding="utf-8")
        target = folder / name
        if not target.is_file() or target.read_text(encoding="utf-8") != text:
            write_text(target, text)
    for split, settings in SPLITS.items():
        if not (folder / "data" / split).is_dir():
            progress.stage(f"{split} data", settings.n_images)
            write_airports(folder / "data" / split, settings, progress=lambda done, _: progress.tick(done))
    return load_experiment(folder / "experiment.yaml")
