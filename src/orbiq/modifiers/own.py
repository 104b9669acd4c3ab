"""A user's own function as a modifier."""

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from orbiq.arrays import Scene, cast_like
from orbiq.errors import ImageError, SettingError, did_you_mean
from orbiq.modifiers.base import Modified
from orbiq.registry import Config, fitting

_KINDS = inspect.Parameter


@dataclass(frozen=True, kw_only=True)
class OwnFunction:
    """`mymodule:my_function` as a modifier, its keyword arguments the settings.

    It is given a copy of the array (rows, cols, bands), and `rng` if it has an argument of that name; it returns an
    array of the same shape, which is rounded and clipped into the image's dtype. Masked pixels keep their values. What
    moves pixels, or leaves a stream, is written as a class.

    >>> def darken(array, *, factor: float = 0.5):
    ...     return array * factor
    >>> step = OwnFunction.around("mymodule:darken", darken, {"factor": 0.25})
    >>> step(Scene(array=np.full((1, 1, 1), 8, np.uint8)), rng=np.random.default_rng(0)).scene.array.tolist()
    [[[2]]]
    """

    own_name: str
    function: Callable[..., Any]
    values: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def around(cls, name: str, function: Callable[..., Any], values: Mapping[str, Any]) -> "OwnFunction":
        """The modifier of a function; its settings are checked by the names, types and defaults of its arguments."""
        known, hints = _arguments(name, function), _hints(function)
        for key in values:
            if key not in known:
                raise SettingError(f"modifier {name!r} has no setting {key!r}. {did_you_mean(key, known)}")
        given = {key: argument.default for key, argument in known.items()} | dict(values)
        missing = [key for key, value in given.items() if value is inspect.Parameter.empty]
        if missing:
            example = ",".join(f"{key}=…" for key in missing)
            raise SettingError(f"modifier {name!r} needs {', '.join(missing)}: write {name}:{example}")
        fitted = {key: fitting(value, hints.get(key), f"{name}:{key}") for key, value in given.items()}
        return cls(own_name=name, function=function, values=tuple(fitted.items()))

    def settings(self) -> Config:
        """The arguments, every default written out."""
        return dict(self.values)

    def __call__(self, scene: Scene, *, rng: np.random.Generator) -> Modified:
        """The scene with what the function returns, in the dtype of the input."""
        drawn = {"rng": rng} if "rng" in inspect.signature(self.function).parameters else {}
        values = np.asarray(self.function(scene.array.copy(), **self.settings(), **drawn))
        if values.shape != scene.array.shape or values.dtype.kind not in "buif":
            raise ImageError(
                f"modifier {self.own_name} gave {values.shape} of {values.dtype}; expected {scene.array.shape} (rows, "
                "cols, bands) of real numbers; what moves pixels is written as a class"
            )
        return Modified(scene=scene.with_array(cast_like(values, scene.array, peak=scene.peak)))


def _arguments(name: str, function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The settings of a function: its arguments after the first, without `rng`."""
    arguments = list(inspect.signature(function).parameters.values())
    if not arguments or arguments[0].kind not in (_KINDS.POSITIONAL_ONLY, _KINDS.POSITIONAL_OR_KEYWORD):
        raise SettingError(f"modifier {name!r} takes no array; its first argument is given the array")
    settings = [a for a in arguments[1:] if a.kind not in (_KINDS.VAR_KEYWORD, _KINDS.VAR_POSITIONAL)]
    for argument in settings:
        if argument.name == "name" or argument.kind == _KINDS.POSITIONAL_ONLY:
            why = "is the modifier's own" if argument.name == "name" else "cannot be given by name"
            raise SettingError(f"modifier {name!r} has the argument {argument.name!r}, which {why}; rename or move it")
    return {argument.name: argument for argument in settings if argument.name != "rng"}


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """The types that its arguments are annotated with; none where the names cannot be resolved."""
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError):
        return {}
