"""The parts of an experiment's settings: datasets, task, objective."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from orbiq.analysis.downlink import Downlink
from orbiq.errors import SettingError

Role = Literal["train", "val", "test"]
ROLES: tuple[Role, ...] = ("train", "val", "test")
Scalar = bool | int | float | str


class Misplaced(ValueError):
    """A mistake whose text names its subject, and `at`, the setting below the one that was checked."""

    def __init__(self, text: str, *, at: tuple[int | str, ...]) -> None:
        super().__init__(text)
        self.at = at


@contextmanager
def mistakes_at(*at: int | str) -> Iterator[None]:
    """What is found wrong inside is a mistake of the setting `at`, whose line a file's error names."""
    try:
        yield
    except (SettingError, LookupError, ImportError) as error:
        raise Misplaced(str(error), at=at) from error


class Strict(BaseModel):
    """Settings that cannot be changed, and know no unknown key."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Datasets(Strict):
    """The datasets that the task is given; `train` always."""

    train: Path
    val: Path | None = None
    test: Path | None = None

    def given(self) -> dict[Role, Path]:
        """Role → folder, of those that are stated."""
        return {role: path for role in ROLES if (path := getattr(self, role)) is not None}


class CommandSettings(Strict):
    """One command line: a Python script, or any command as a list of words."""

    script: Path | None = None
    command: list[str] | None = Field(default=None, min_length=1)
    interpreter: str | None = None
    """The Python that runs the script; this one when it is not stated."""
    timeout_s: float | None = Field(default=None, gt=0)
    retries: int = Field(default=0, ge=0)
    env: dict[str, str] = {}
    gpus: int | None = Field(default=None, ge=0)
    """GPUs for each run, given through CUDA_VISIBLE_DEVICES; 0 hides them all."""

    @field_validator("env", mode="before")
    @classmethod
    def _env_as_text(cls, value: Any) -> Any:
        return {k: v if isinstance(v, str) else str(v) for k, v in value.items()} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _one_of(self) -> "CommandSettings":
        if (self.script is None) == (self.command is None) and not isinstance(self, TaskSettings):
            raise ValueError("state either script: train.py or command: [word, word, …]")
        return self


class TaskSettings(CommandSettings):
    """The user's black box: one command, or two, `train` and `evaluate`, so that training is done once."""

    train: CommandSettings | None = None
    evaluate: CommandSettings | None = None

    @model_validator(mode="after")
    def _shape(self) -> "TaskSettings":
        single = (self.script is not None) + (self.command is not None)
        double = (self.train is not None) + (self.evaluate is not None)
        if (single, double) not in {(1, 0), (0, 2)}:
            raise ValueError("state script: …, or command: […], or both train: {…} and evaluate: {…}")
        return self


class Objective(Strict):
    """What must be kept, and what it costs."""

    score: str
    direction: Literal["higher", "lower"] | None = None
    """Which way the score is better; known for orbiq's own metrics."""
    keep: float | None = Field(default=None, gt=0, le=1)
    """The share of the reference score to keep; 0.98 when neither this nor `margin` is stated."""
    margin: float | None = Field(default=None, ge=0)
    """Or: the absolute loss that is tolerated, in the unit of the score."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    cost: str = "bits_per_pixel"
    """What is minimised: bits_per_pixel, bits_per_sample, bytes_per_image, or any setting of a modifier."""
    cost_direction: Literal["lower", "higher"] = "lower"
    """Which way is cheaper: lower for a rate, higher for a GSD or for a tolerated noise."""
    downlink: dict[str, float] | None = None
    """The link whose passes the answer is counted in: rate_mbps, pass_s, efficiency, swath_km, or their text."""

    @field_validator("downlink", mode="before")
    @classmethod
    def _is_link(cls, value: Any) -> Any:
        if value is None:
            return None
        try:
            return Downlink.of(value if isinstance(value, dict) else str(value)).settings()
        except SettingError as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _one_of(self) -> "Objective":
        if self.keep is not None and self.margin is not None:
            raise ValueError("state keep (a share of the reference score) or margin (an absolute loss), not both")
        return self

    @property
    def kept(self) -> float | None:
        """The share to keep; None when a margin is stated."""
        return None if self.margin is not None else (self.keep if self.keep is not None else 0.98)
