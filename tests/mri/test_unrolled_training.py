"""Training the unrolled network: it learns, batches depend on the step alone, and what is stopped goes on."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra learned: torch")

import torch

from orbiq.errors import ImageError, SettingError
from orbiq.learning.loop import Plan
from orbiq.mri.masks import Sampling
from orbiq.mri.reconstruction import to_kspace, zero_filled
from orbiq.mri.unrolled import Shape, reconstruct
from orbiq.mri.unrolled_training import Batches, ReconstructionTraining, trained

SMALL = {"shape": Shape(iterations=2, width=6), "batches": Batches(strips=2, rows=16, count=6, side=48, grow=40)}


def plan(steps, **settings):
    return Plan(**{"steps": steps, "rate": 5e-3, "warmup": 3, "mean_of": 10, "judge_every": 1000} | settings)


def discs(number):
    """Smooth images that are easy to learn: a disc of a drawn place and size."""
    rng = np.random.default_rng(number)
    y, x = np.indices((48, 48)) - rng.uniform(18, 30, (2, 1, 1))
    return np.clip(rng.uniform(8, 15) - np.hypot(x, y), 0, 1).astype(np.complex64)


# known answers


@pytest.mark.parametrize("half_precision", [False, True])
def test_it_learns_to_do_better_than_zero_filling(tmp_path, half_precision):
    made = trained(tmp_path, plan=plan(120, decay=40, half_precision=half_precision), read=discs, **SMALL)
    assert not made.training
    filled, found = [], []
    for k in range(100, 106):
        image = discs(k)
        kspace, mask = to_kspace(image), Sampling(rate=3).mask(image.shape, rng=np.random.default_rng(k))
        filled.append(np.square(np.abs(zero_filled(kspace, mask) - image)).sum())
        found.append(np.square(np.abs(reconstruct(made, kspace, mask) - image)).sum())
    assert sum(found) < 0.65 * sum(filled)


def test_scores_are_told_of_images_that_are_held_back(tmp_path):
    seen, told = set(), []

    def read(number):
        seen.add(number)
        return discs(number)

    trained(tmp_path, plan=plan(2), read=read, log=lambda _, values: told.append(dict(values)), **SMALL)
    assert {6, 7, 8, 9} <= seen <= set(range(10))
    assert set(told[-1]) == {"psnr_db_2", "psnr_db_4", "psnr_db_8"}
    assert told[-1]["psnr_db_2"] > told[-1]["psnr_db_8"] > 5
    assert told[0]["lmbda"] == pytest.approx(np.exp(-2), rel=0.05)


def test_iterations_come_one_by_one():
    work = ReconstructionTraining(Shape(iterations=3, width=4), Batches(strips=1, rows=8, count=2, side=32, grow=10))
    assert [work.iterations_at(step) for step in (0, 9, 10, 19, 20, 1000)] == [1, 1, 2, 2, 3, 3]
    assert ReconstructionTraining(Shape(iterations=3), Batches(grow=0)).iterations_at(0) == 3


# laws


def test_a_batch_depends_on_the_step_alone():
    one, other = (ReconstructionTraining(**SMALL) for _ in range(2))
    first = [one.loss(step)[0].item() for step in (0, 7)]
    assert [other.loss(step)[0].item() for step in (7, 0)] == first[::-1]
    assert first[0] != first[1]


def test_stopped_and_gone_on_is_as_if_it_had_not_been(tmp_path):
    whole = trained(tmp_path / "whole", plan=plan(6), **SMALL).state_dict()
    trained(tmp_path / "parts", plan=plan(4), **SMALL)
    parts = trained(tmp_path / "parts", plan=plan(6), **SMALL).state_dict()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_images_smaller_than_a_strip_are_taken_whole():
    work = ReconstructionTraining(SMALL["shape"], Batches(strips=2, rows=64, count=3, side=24))
    assert torch.isfinite(work.loss(0)[0])


# refusals


@pytest.mark.parametrize("settings", [{"strips": 0}, {"rows": 0}, {"count": 0}, {"most_rate": 0.5}, {"grow": -1}])
def test_batches_that_cannot_be_are_refused(settings):
    with pytest.raises(SettingError, match="cannot be: expected at least 1 of each, and 0"):
        Batches(**settings)


def test_another_training_is_refused(tmp_path):
    trained(tmp_path, plan=plan(1), **SMALL)
    with pytest.raises(SettingError, match="is of a training with other settings"):
        trained(
            tmp_path, plan=plan(2), shape=SMALL["shape"], batches=Batches(strips=2, rows=16, count=7, side=48, grow=40)
        )


def test_images_of_different_sizes_are_refused():
    work = ReconstructionTraining(**SMALL, read=lambda k: np.ones((20 + k, 20 + k), complex))
    with pytest.raises(ImageError, match=r"strips are \[.*\] \(rows, cols\); expected square images of one size"):
        for step in range(8):
            work.loss(step)
