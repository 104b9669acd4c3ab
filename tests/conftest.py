"""What all tests share: real images where they are, and skipping with a reason where they are not."""

import os
from pathlib import Path

import pytest

# before torch is imported anywhere: several workers with several threads each would wait for one another
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real test images, named by ORBIQ_TEST_DATA alone."""
    folder = os.environ.get("ORBIQ_TEST_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("real images are not here: set ORBIQ_TEST_DATA to the folder that holds them")
    return Path(folder)
