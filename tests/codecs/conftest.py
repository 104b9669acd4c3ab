"""What the tests of the fixed-quality codec share; torch is imported where one of these is asked for, and not before."""

import pytest


@pytest.fixture(scope="module")
def one_core():
    """As if on a machine of one core."""
    from tests.codecs.toy_model import machine

    with machine():
        yield


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The file of a model that nobody trained."""
    from tests.codecs.toy_model import toy_model

    return toy_model(tmp_path_factory.mktemp("model") / "toy.safetensors")


@pytest.fixture(scope="module")
def model(path):
    """That model."""
    from orbiq.codecs.neural_model import load_model

    return load_model(path)
