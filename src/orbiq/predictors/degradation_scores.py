"""One number from what the degradation regressors measured: how near an image is to the best there is."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log

from orbiq.errors import SettingError


@dataclass(frozen=True, kw_only=True)
class Aim:
    """What is best, how far from it counts as worst, and the weight; differences of logarithms where `log`.

    A value's part of the score is weight · (range − |objective − value|) / range, not below 0. With `log`, `range` is
    the factor between best and worst, and |ln(objective / value)| stands over its logarithm.

    >>> Aim(objective=0.0, range=2.0, weight=0.5).part(0.5)
    0.375
    >>> Aim(objective=100.0, range=100.0, weight=1.0, log=True).part(10.0)
    0.5
    """

    objective: float
    range: float
    weight: float = 0.2
    log: bool = False

    def __post_init__(self) -> None:
        if not self.weight >= 0 or not self.range > (1 if self.log else 0) or (self.log and not self.objective > 0):
            raise SettingError(f"{self} cannot be: expected a weight of 0 or more, a range above 0, with log above 1")

    def part(self, value: float) -> float:
        """Of the score."""
        if self.log:
            away = abs(log(self.objective / max(value, 1e-9))) / log(self.range)
        else:
            away = abs(self.objective - value) / self.range
        return self.weight * max(0.0, 1 - away)


@dataclass(frozen=True, kw_only=True)
class Aims:
    """The weighted score of iquaflow, Σ wᵢ·(rangeᵢ − |objectiveᵢ − valueᵢ|)/rangeᵢ, with aims that mean quality.

    Best is sharp (0.3 px, an RER of 0.9), quiet (an SNR of 200), not sharpened, and as fine as its grid. The original's
    objective for SNR, 15, is the lowest of its range, so that it rewards noise, and its range of GSD is in other units
    than its objective (doi:10.1109/JSTARS.2023.3345925). SNR counts by its logarithm: from 100 to 50 is as much as from
    20 to 10. Of true values, every single degradation lowers the score: sharpening by a raises RER, by about 0.1·a at
    σ = 1 px, which wins 0.02·a, and costs 0.1·a.
    """

    blur: Aim = Aim(objective=0.3, range=3.7)
    rer: Aim = Aim(objective=0.9, range=0.9)
    snr: Aim = Aim(objective=200.0, range=100.0, log=True)
    sharpening: Aim = Aim(objective=0.0, range=2.0)
    gsd_scale: Aim = Aim(objective=1.0, range=1.0)

    def score(self, values: Mapping[str, float]) -> float:
        """Of values by name: 0 to the sum of the weights, higher is better."""
        return float(sum(aim.part(values[name]) for name, aim in vars(self).items()))
