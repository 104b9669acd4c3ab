"""The predictors that come with orbiq: whole, small, with a card, and refused when they are not what they were."""

import pytest

from orbiq.errors import SettingError
from orbiq.predictors import shipped
from orbiq.predictors.shipped import MODELS, digests, model_file, weights_of

pytest.importorskip("safetensors", reason="weights need the extra learned: safetensors")

FILES = sorted(MODELS.glob("*.safetensors"))


def test_every_file_has_a_digest_and_a_card():
    assert {path.name for path in FILES} == set(digests())
    for path in FILES:
        card = path.with_suffix(".md").read_text()
        assert digests()[path.name] in card
        assert "## Trained on" in card
        assert "## Does not hold" in card


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_is_small_and_says_what_it_was_trained_on(path):
    assert path.stat().st_size <= 3_000_000
    weights = weights_of(path, kind=path.stem.rpartition("-")[0])
    assert weights.description["card"]["data"]


def test_a_file_that_was_changed_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "MODELS", tmp_path)
    data = bytearray(FILES[0].read_bytes())
    data[-1] ^= 1
    (tmp_path / FILES[0].name).write_bytes(data)
    kind, _, name = FILES[0].stem.rpartition("-")
    with pytest.raises(SettingError, match=r"is not the file that it should be: SHA-256"):
        weights_of(model_file(name, kind=kind), kind=kind)
