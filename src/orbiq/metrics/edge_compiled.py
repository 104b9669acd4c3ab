"""How the numerics of edges are compiled. Import on use: numba takes a moment."""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

_Function = TypeVar("_Function", bound=Callable[..., Any])


_OPTIONS = {"cache": True, "nogil": True, "no_cfunc_wrapper": True, "error_model": "numpy"}


def compiled(function: _Function) -> _Function:
    """The function compiled on its first call, kept on disk, run without the interpreter's lock.

    Division by zero gives inf or NaN as in NumPy, not an error: the loops are shorter without the test. The copy on
    disk knows of changes to the function's own file alone: after work on one of these modules, remove `__pycache__`.
    """
    result: _Function = njit(**_OPTIONS)(function)
    return result


def inlined(function: _Function) -> _Function:
    """The same for a small function of an inner loop, written into its callers: handing on arrays costs 30 ns."""
    result: _Function = njit(**_OPTIONS, inline="always")(function)
    return result


def vectorised(function: _Function) -> _Function:
    """The same for a sum whose order is free, so that it may be taken several terms at a time."""
    result: _Function = njit(**_OPTIONS, fastmath={"reassoc", "contract"})(function)
    return result
