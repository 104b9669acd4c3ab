"""A quality-factor predictor that was trained for some steps, shared by the tests of what one does with it."""

import numpy as np
import pytest

from orbiq.imageio import write_image
from tests.codecs.pictures import picture

QUICK = ("--steps", "60", "--decay", "20", "--batch", "4", "--patch-px", "64", "--rate", "0.004", "--device", "cpu")


@pytest.fixture(scope="session")
def scenes(tmp_path_factory):
    """A folder of six images in three bands, made on the spot."""
    folder = tmp_path_factory.mktemp("data") / "scenes"
    folder.mkdir()
    for k in range(6):
        image = np.asarray(picture((150, 170, 3), seed=k), np.uint8)
        write_image(folder / f"{k}.tif", image)
    return folder


@pytest.fixture(scope="session")
def trained(scenes, tmp_path_factory):
    """The folder of a predictor of three bands, and what the command said of it."""
    pytest.importorskip("torch", reason="training needs the extra learned: torch")
    from typer.testing import CliRunner

    from orbiq.cli.main import app

    folder = tmp_path_factory.mktemp("quality") / "mine"
    words = ["train", "quality-factor", str(scenes), "--output", str(folder), *QUICK]
    return folder, CliRunner().invoke(app, words, env={"COLUMNS": "200"})
