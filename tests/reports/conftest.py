"""A small experiment on disk, made once."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))


@pytest.fixture(scope="session")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment's folder with everything that a report shows; tests only read it."""
    from experiments import make_experiment

    return make_experiment(tmp_path_factory.mktemp("workspace") / "airports-jpeg")
