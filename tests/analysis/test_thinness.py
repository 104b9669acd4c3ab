"""What would end the doubt, in words."""

from dataclasses import replace

from orbiq.analysis.results import Components
from orbiq.analysis.thinness import _for_chance

PARTS = Components(variant="q", measured=0.99, gap=0.01, images=1e-3, training=0.0, repetitions=1, training_dof=0)


def test_more_images_are_asked_for_where_they_are_too_few():
    said = _for_chance(PARTS, 0.95)
    assert said.startswith("About 27 times as many test images would do")  # 1.645² · 1e-3 / 0.01²
    assert "training noise is not known" in said


def test_fewer_images_than_there_are_are_never_advised():
    said = _for_chance(replace(PARTS, images=1e-9), 0.95)
    assert said == "Training noise is not known: repeat every variant and the reference at least 3 times."
