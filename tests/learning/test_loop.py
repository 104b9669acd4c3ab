"""The training loop on problems whose answer is known; stopped and gone on, it is as if it had not been."""

import json

import pytest

pytest.importorskip("torch", reason="training needs the extra learned: torch")

import torch
from torch import nn

from orbiq.errors import SettingError
from orbiq.learning.checkpoints import CHECKPOINT, checkpoint_step
from orbiq.learning.loop import Plan, fit

TRUTH = torch.tensor([3.0, -1.0])
QUICK = {"warmup": 1, "log_every": 4, "judge_every": 10}


class Line:
    """y = 3 x − 1, from 16 noisy samples a step."""

    def __init__(self, *, broken_at=-1):
        torch.manual_seed(1)
        self.module = nn.Linear(1, 1)
        self.broken_at = broken_at
        self.seen = []

    def loss(self, step):
        self.seen.append(step)
        draw = torch.Generator().manual_seed(step)
        x = torch.randn(16, 1, generator=draw)
        y = TRUTH[0] * x + TRUTH[1] + 0.1 * torch.randn(16, 1, generator=draw)
        loss = (self.module(x) - y).square().mean()
        return loss * (float("nan") if step == self.broken_at else 1), {"mse": loss.detach()}

    def judged(self):
        assert not self.module.training
        assert not torch.is_grad_enabled()
        return {"slope": self.module.weight.item()}


class Rows(list):
    """A log that stops the training at a step, as Ctrl-C would."""

    def __init__(self, stop_at=None):
        super().__init__()
        self.stop_at = stop_at

    def __call__(self, step, values):
        self.append((step, dict(values)))
        if step == self.stop_at:
            raise KeyboardInterrupt


def plan(steps=24, **changes):
    return Plan(**{"steps": steps, "rate": 0.05, **QUICK, **changes})


def trained(folder, *, line=None, log=None, settings=None, **changes):
    return fit(
        line or Line(),
        plan(**changes),
        folder=folder,
        settings=settings or {"seed": 1},
        log=Rows() if log is None else log,
    )


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# known answers


def test_a_line_is_found(tmp_path):
    found = trained(tmp_path, steps=500, decay=200, mean_of=50)
    assert [found["weight"].item(), found["bias"].item()] == pytest.approx(TRUTH.tolist(), abs=0.05)


def test_the_rate_rises_stays_and_falls():
    rates = Plan(steps=100, rate=2.0, warmup=4, decay=10)
    assert [rates.rate_at(k) for k in (0, 1, 3, 50, 90)] == pytest.approx([0.5, 1.0, 2.0, 2.0, 2.0])
    assert rates.rate_at(95) == pytest.approx(2.0 * 0.1)
    falling = [rates.rate_at(k) for k in range(90, 100)]
    assert falling == sorted(falling, reverse=True)
    assert falling[-1] == pytest.approx(2.0 * 0.01**0.9)


def test_what_is_told_and_when(tmp_path):
    log = Rows()
    trained(tmp_path, steps=22, log=log)
    losses, judged = ([step for step, values in log if name in values] for name in ("loss", "slope"))
    assert losses == [4, 8, 12, 16, 20, 22]
    assert judged == [10, 20, 22]
    assert set(log[0][1]) == {"loss", "mse", "rate"}
    assert log[0][1]["loss"] == pytest.approx(log[0][1]["mse"])


def test_losses_are_means_since_the_last_ones(tmp_path):
    each, some = Rows(), Rows()
    trained(tmp_path / "each", steps=8, log=each, log_every=1)
    trained(tmp_path / "some", steps=8, log=some, log_every=4)
    single = [values["loss"] for _, values in each if "loss" in values]
    means = [values["loss"] for _, values in some if "loss" in values]
    assert means == pytest.approx([sum(single[:4]) / 4, sum(single[4:]) / 4])


def test_the_running_mean_of_the_first_steps_is_their_mean(tmp_path):
    line, weights = Line(), []

    def seen(step):
        if step:
            weights.append(line.module.weight.item())
        return Line.loss(line, step)

    line.loss = seen
    found = trained(tmp_path, line=line, steps=6, mean_of=500)
    weights.append(line.module.weight.item())
    assert found["weight"].item() == pytest.approx(sum(weights) / 6, rel=1e-5)


class Normalised(Line):
    """The same line behind a layer that keeps mean and variance of what it has seen."""

    def __init__(self):
        super().__init__()
        self.module = nn.Sequential(nn.BatchNorm1d(1), nn.Linear(1, 1))

    def judged(self):
        return {"loss": float(self.module[0].running_var)}


def test_statistics_of_normalisation_are_kept_and_averaged(tmp_path):
    line = Normalised()
    found = trained(tmp_path, line=line, steps=200)
    assert found["0.running_var"].item() == pytest.approx(1, abs=0.1)  # of x, which is drawn from N(0, 1)
    assert found["0.running_mean"].item() == pytest.approx(0, abs=0.1)
    assert found["0.num_batches_tracked"] == 200
    line.module.load_state_dict(found)


class Judged(Line):
    """Says what it is told to say when it is judged."""

    def __init__(self, losses):
        super().__init__()
        self.losses, self.then = iter(losses), []

    def judged(self):
        self.then.append(self.module.weight.item())
        return {"loss": next(self.losses)}


def test_patience_stops_when_the_judged_loss_falls_no_more_and_keeps_the_best(tmp_path):
    line = Judged([5.0, 3.0, 4.0, 3.5, 1.0])
    found = trained(tmp_path, line=line, steps=100, judge_every=10, patience=2)
    assert checkpoint_step(tmp_path) == 40
    assert found["weight"].item() == pytest.approx(line.then[1])
    again = Judged([])
    assert equal(trained(tmp_path, line=again, steps=100, judge_every=10, patience=2), found)
    assert again.seen == []


def test_patience_survives_a_stop(tmp_path):
    losses = [5.0, 3.0, 4.0, 3.5]
    whole = trained(tmp_path / "whole", line=Judged(losses), steps=100, judge_every=10, patience=2)
    trained(tmp_path / "parts", line=Judged(losses[:3]), steps=30, judge_every=10, patience=2)
    assert equal(trained(tmp_path / "parts", line=Judged(losses[3:]), steps=100, judge_every=10, patience=2), whole)
    assert checkpoint_step(tmp_path / "parts") == 40


# laws


@pytest.mark.parametrize("stop_at", [4, 12])
def test_statistics_too_go_on_as_if_there_had_been_no_stop(tmp_path, stop_at):
    whole = trained(tmp_path / "whole", line=Normalised())
    trained(tmp_path / "parts", line=Normalised(), steps=stop_at)
    assert equal(trained(tmp_path / "parts", line=Normalised()), whole)


def test_the_same_training_comes_to_the_same(tmp_path):
    assert equal(trained(tmp_path / "one"), trained(tmp_path / "other"))


@pytest.mark.parametrize("stop_at", [4, 12, 20])
def test_stopped_and_gone_on_is_as_if_it_had_not_been(tmp_path, stop_at):
    whole, log = Rows(), Rows()
    expected = trained(tmp_path / "whole", decay=8, log=whole)
    folder = tmp_path / "stopped"
    with pytest.raises(KeyboardInterrupt):
        trained(folder, decay=8, save_s=-1, log=Rows(stop_at))
    begin = checkpoint_step(folder)
    assert begin == stop_at - 1  # told before it is saved
    line = Line()
    assert equal(trained(folder, decay=8, line=line, log=log), expected)
    assert line.seen == list(range(begin, 24))
    last = [row for row in whole if row[0] > stop_at]
    assert [row for row in log if row[0] > stop_at] == last


def test_more_steps_go_on_from_the_last(tmp_path):
    expected = trained(tmp_path / "whole", steps=24)
    trained(tmp_path / "parts", steps=10)
    assert checkpoint_step(tmp_path / "parts") == 10
    line = Line()
    assert equal(trained(tmp_path / "parts", steps=24, line=line), expected)
    assert line.seen == list(range(10, 24))


def test_what_is_done_is_not_done_again(tmp_path):
    expected, line = trained(tmp_path), Line()
    assert equal(trained(tmp_path, line=line), expected)
    assert line.seen == []


def test_judging_changes_nothing(tmp_path):
    often, seldom = (trained(tmp_path / name, judge_every=every) for name, every in (("often", 1), ("seldom", 100)))
    assert equal(often, seldom)


def test_mixed_precision_learns_too(tmp_path):
    found = trained(tmp_path, steps=300, decay=100, mean_of=50, half_precision=True)
    assert [found["weight"].item(), found["bias"].item()] == pytest.approx(TRUTH.tolist(), abs=0.1)


def test_other_settings_are_refused(tmp_path):
    trained(tmp_path)
    with pytest.raises(SettingError, match="is of a training with other settings or images. Name another folder, or"):
        trained(tmp_path, settings={"seed": 2})
    assert checkpoint_step(tmp_path) == 24


def test_settings_that_json_writes_otherwise_are_the_same(tmp_path):
    settings = {"sides": (1, 2), 3: "three"}
    trained(tmp_path, settings=settings)
    trained(tmp_path, settings=settings)


@pytest.mark.parametrize("kept", [0, 1, 40, -1])
def test_a_damaged_checkpoint_is_refused(tmp_path, kept):
    trained(tmp_path)
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:kept])
    assert checkpoint_step(tmp_path) == 0
    with pytest.raises(SettingError, match=r"checkpoint .* is damaged: .*Remove it to begin anew\."):
        trained(tmp_path)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    trained(tmp_path)
    line = Line()
    line.module = nn.Linear(2, 1)
    with pytest.raises(SettingError, match="is of another network"):
        trained(tmp_path, line=line)


def test_there_is_no_step_where_there_is_no_checkpoint(tmp_path):
    assert checkpoint_step(tmp_path) == 0


def test_a_loss_that_is_no_number_ends_it_in_a_sentence_and_keeps_the_checkpoint(tmp_path):
    with pytest.raises(SettingError, match="the loss is nan by step 8: choose a lower rate, or look at the images"):
        trained(tmp_path, line=Line(broken_at=7), save_s=-1)
    assert checkpoint_step(tmp_path) == 7


@pytest.mark.parametrize(
    "changes", [{"steps": 0}, {"rate": 0.0}, {"rate": float("nan")}, {"rate": -1.0}, {"decay": -1}, {"decay": 25}]
)
def test_a_plan_that_cannot_be_is_refused(changes):
    with pytest.raises(SettingError, match="cannot be: expected at least 1 step, a rate above 0, and no more"):
        plan(**changes)


# agreement


def test_the_steps_are_those_of_adam(tmp_path):
    """By the formulas of Kingma and Ba, in double precision."""
    line = Line()
    weights = [p.detach().double().clone() for p in line.module.parameters()]
    first, second = ([torch.zeros_like(w) for w in weights] for _ in range(2))
    for step in range(12):
        module = nn.Linear(1, 1)
        for parameter, value in zip(module.parameters(), weights, strict=True):
            parameter.data.copy_(value)
        other = Line()
        other.module = module
        other.loss(step)[0].backward()
        gradients = [p.grad.double() for p in module.parameters()]
        norm = torch.cat([g.flatten() for g in gradients]).norm()
        for k, gradient in enumerate(gradients):
            clipped = gradient * min(1.0, 1.0 / (float(norm) + 1e-6))
            first[k] = 0.9 * first[k] + 0.1 * clipped
            second[k] = 0.99 * second[k] + 0.01 * clipped**2
            up, down = first[k] / (1 - 0.9 ** (step + 1)), second[k] / (1 - 0.99 ** (step + 1))
            weights[k] -= 0.05 * up / (down.sqrt() + 1e-8)
    trained(tmp_path, line=line, steps=12)
    for parameter, expected in zip(line.module.parameters(), weights, strict=True):
        assert torch.allclose(parameter.double(), expected, atol=1e-4)


def test_a_checkpoint_says_what_it_is(tmp_path):
    from safetensors import safe_open

    trained(tmp_path)
    with safe_open(tmp_path / CHECKPOINT, framework="pt") as stored:
        said = json.loads(stored.metadata()["orbiq"])
    assert (said["kind"], said["step"], said["settings"]) == ("checkpoint", 24, {"seed": 1})
