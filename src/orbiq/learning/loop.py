"""The training loop: any network whose loss is a function of the step.

A batch and its noise depend on seed and step alone, so a training that was stopped and goes on from its checkpoint
comes to the same weights as one that was not. What is kept in the end is the running mean of the weights, which is
less noisy than the last ones, and of what a network keeps beside them (the statistics of batch normalisation).
"""

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from orbiq.errors import SettingError
from orbiq.learning.checkpoints import CHECKPOINT, read_checkpoint, write_checkpoint
from orbiq.progress import Progress, Quiet

Log = Callable[[int, Mapping[str, float]], None]
"""Called with a step and what was measured there."""
_MEMORY = ("exp_avg", "exp_avg_sq")
"""What the optimiser remembers of each parameter."""


class Trainable(Protocol):
    """What the loop trains."""

    module: nn.Module

    def loss(self, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The loss of the batch of this step, and what else is worth a curve: numbers, without gradient."""
        ...

    def judged(self) -> dict[str, float]:
        """Scores on what is held back from training; the module is in its evaluation state, with averaged weights.

        A plan with patience stops by the one that is called "loss".
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long and how fast.

    `steps` in all; the learning rate rises over `warmup` steps to `rate`, stays, and falls to a hundredth over the last
    `decay` steps. `mean_of` steps is the horizon of the running mean of the weights. Every `log_every` steps the mean
    losses are told, every `judge_every` the scores; every `save_s` seconds a checkpoint is written. After `most_s`
    seconds it stops with one, and is to be gone on with another time. With `patience` above 0 it is over when the
    judged "loss" has not fallen in so many judgings, and what is kept is the best of them.
    """

    steps: int
    rate: float
    warmup: int = 200
    decay: int = 0
    mean_of: int = 500
    clip: float = 1.0
    log_every: int = 100
    judge_every: int = 2000
    save_s: float = 60.0
    most_s: float = math.inf
    half_precision: bool = field(default=False)
    patience: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or not self.rate > 0 or not 0 <= self.decay <= self.steps:
            raise SettingError(
                f"a training of {self.steps} steps at rate {self.rate:g} that decays over {self.decay} cannot be: "
                "expected at least 1 step, a rate above 0, and no more steps of decay than steps"
            )

    def rate_at(self, step: int) -> float:
        """The learning rate of a step, counted from 0.

        >>> plan = Plan(steps=1000, rate=1.0, warmup=10, decay=100)
        >>> [round(plan.rate_at(step), 2) for step in (0, 9, 500, 950, 999)]
        [0.1, 1.0, 1.0, 0.1, 0.01]
        """
        rising = min(1.0, (step + 1) / max(self.warmup, 1))
        left = self.steps - step
        falling = 1.0 if left >= self.decay else 0.01 ** (1 - left / self.decay)
        return self.rate * rising * falling


def fit(
    trained: Trainable,
    plan: Plan,
    *,
    folder: Path,
    settings: Mapping[str, Any],
    log: Log = lambda _step, _values: None,
    start: Mapping[str, torch.Tensor] | None = None,
    progress: Progress | None = None,
) -> dict[str, torch.Tensor]:
    """Train, from the checkpoint in `folder` where there is one; the averaged weights by name.

    `settings` is what makes one training another: SettingError where the checkpoint's are different. A training without
    a checkpoint of its own begins with the weights of `start`.
    """
    state = _State(trained.module, plan)
    path = folder / CHECKPOINT
    if path.exists():
        state.restore(path, settings)
    elif start is not None:
        state.begin_with(start)
    show = progress or Quiet()
    show.stage("training", plan.steps)
    sums = _Means()
    begun = saved = time.monotonic()
    while state.step < plan.steps and not state.is_over() and time.monotonic() - begun < plan.most_s:
        sums.add(state.advance(trained))
        if state.step % plan.log_every == 0 or state.step == plan.steps:
            log(state.step, sums.taken(state.step) | {"rate": plan.rate_at(state.step - 1)})
        if state.step % plan.judge_every == 0 or state.step == plan.steps:
            log(state.step, state.judged(trained))
        if state.is_over():
            show.say(f"Stopped at step {state.step:,}: {plan.patience} judgings without a lower loss.")
        if time.monotonic() - saved > plan.save_s or state.step == plan.steps or state.is_over():
            sums.check(state.step)
            state.save(path, settings)
            saved = time.monotonic()
        show.tick(state.step)
    if 0 < state.step < plan.steps:
        sums.check(state.step)
        state.save(path, settings)
    return state.best or state.mean


class _Means:
    """Sums of what the steps tell, until somebody asks for the means.

    They stay where the network is, for a device that is asked for a number at every step waits for every step.
    """

    def __init__(self) -> None:
        self._sums: dict[str, torch.Tensor] = {}
        self._count = 0

    def add(self, values: Mapping[str, torch.Tensor]) -> None:
        self._sums = {name: value + self._sums.get(name, 0.0) for name, value in values.items()}
        self._count += 1

    def check(self, step: int) -> None:
        """SettingError where a loss was no finite number: the weights are none either then."""
        if self._count and not math.isfinite(value := float(self._sums["loss"])):
            raise SettingError(f"the loss is {value} by step {step}: choose a lower rate, or look at the images")

    def taken(self, step: int) -> dict[str, float]:
        self.check(step)
        means = {name: float(total) / self._count for name, total in self._sums.items()}
        self._sums, self._count = {}, 0
        return means


class _State:
    """Weights, what the network keeps beside them, the running mean of both, and the optimiser's memory.

    `best` is the mean at the lowest judged loss, of a plan with patience; `waited` the judgings since.
    """

    def __init__(self, module: nn.Module, plan: Plan) -> None:
        self.module, self.plan, self.step = module, plan, 0
        self.named = dict(module.named_parameters())
        lasting = module.state_dict().keys()
        self.beside = {name: kept for name, kept in module.named_buffers() if name in lasting}
        self.optimiser = torch.optim.Adam(self.named.values(), lr=plan.rate, betas=(0.9, 0.99))
        self.mean = {name: kept.detach().clone() for name, kept in self.all.items()}
        self.best: dict[str, torch.Tensor] = {}
        self.least, self.waited = math.inf, 0

    @property
    def all(self) -> dict[str, torch.Tensor]:
        """Weights and what is kept beside them, by name."""
        return {**self.named, **self.beside}

    def is_over(self) -> bool:
        """Whether the plan's patience is at its end."""
        return 0 < self.plan.patience <= self.waited

    def advance(self, trained: Trainable) -> dict[str, torch.Tensor]:
        """One step; what it told."""
        device = next(iter(self.named.values())).device
        for group in self.optimiser.param_groups:
            group["lr"] = self.plan.rate_at(self.step)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.plan.half_precision):
            loss, told = trained.loss(self.step)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.named.values(), self.plan.clip)
        self.optimiser.step()
        self.step += 1
        self._average()
        return told | {"loss": loss.detach()}

    def _average(self) -> None:
        share = max(1 / self.plan.mean_of, 1 / self.step)
        now = self.all
        averaged = [name for name, kept in now.items() if kept.is_floating_point()]
        with torch.no_grad():
            torch._foreach_lerp_([self.mean[name] for name in averaged], [now[name] for name in averaged], share)
            for name in now.keys() - averaged:  # counts
                self.mean[name].copy_(now[name])

    def judged(self, trained: Trainable) -> dict[str, float]:
        """Scores with the averaged weights."""
        kept = {name: value.detach().clone() for name, value in self.all.items()}
        self._put(self.mean)
        self.module.eval()
        with torch.no_grad():
            scores = trained.judged()
        self.module.train()
        self._put(kept)
        if self.plan.patience:
            self._compare(scores["loss"])
        return scores

    def _compare(self, loss: float) -> None:
        """Keep the best."""
        self.waited += 1
        if loss < self.least:
            self.least, self.waited = loss, 0
            self.best = {name: value.clone() for name, value in self.mean.items()}

    def _put(self, values: Mapping[str, torch.Tensor]) -> None:
        with torch.no_grad():
            for name, kept in self.all.items():
                kept.copy_(values[name])

    def save(self, path: Path, settings: Mapping[str, Any]) -> None:
        """All of it, whole or not at all."""
        memory = self.optimiser.state_dict()["state"]
        groups: dict[str, Mapping[str, torch.Tensor]] = {"weight": self.all, "mean": self.mean, "best": self.best}
        groups |= {key: {name: memory[k][key] for k, name in enumerate(self.named)} for key in _MEMORY}
        said = {"step": self.step, "settings": dict(settings), "plan": asdict(self.plan)}
        if self.best:
            said |= {"least": self.least, "waited": self.waited}
        write_checkpoint(path, groups, said)

    def restore(self, path: Path, settings: Mapping[str, Any]) -> None:
        """From what `save` wrote."""
        said, tensors = read_checkpoint(path)
        if said.get("settings") != json.loads(json.dumps(dict(settings))):
            raise SettingError(
                f"checkpoint {str(path)!r} is of a training with other settings or images. Name another folder, or "
                "remove it to begin anew."
            )
        groups = {"weight": self.all, "mean": self.all, "best": self.all if "least" in said else {}}
        groups |= dict.fromkeys(_MEMORY, self.named)
        expected = {f"{group}/{name}": kept.shape for group, all_ in groups.items() for name, kept in all_.items()}
        if {key: value.shape for key, value in tensors.items()} != expected:
            raise SettingError(
                f"checkpoint {str(path)!r} is of another network, as of another version of orbiq. Name another folder, "
                "or remove it to begin anew."
            )
        self.step = int(said["step"])
        self._put({name: tensors[f"weight/{name}"] for name in self.all})
        self.mean = {name: tensors[f"mean/{name}"].to(kept.device) for name, kept in self.all.items()}
        if "least" in said:
            self.best = {name: tensors[f"best/{name}"].to(kept.device) for name, kept in self.all.items()}
            self.least, self.waited = float(said["least"]), int(said["waited"])
        for name, parameter in self.named.items():
            self.optimiser.state[parameter] = {
                "step": torch.tensor(float(self.step)),
                **{key: tensors[f"{key}/{name}"].to(parameter.device) for key in _MEMORY},
            }

    def begin_with(self, weights: Mapping[str, torch.Tensor]) -> None:
        """The weights of another training of the same network."""
        for name, kept in self.all.items():
            found = weights.get(name)
            if found is None or found.shape != kept.shape:
                raise SettingError(f"the weights to begin with are of another network: {name} does not fit")
            with torch.no_grad():
                kept.copy_(found)
                self.mean[name].copy_(found)
