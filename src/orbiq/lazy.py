"""Packages that list their public names and load them on first use (PEP 562), so that `import orbiq` stays light."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazily(package: str, public: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """A package's `__getattr__` and `__dir__` for the names in `public`, name → module.

    A name must not be that of one of the package's modules, for those win once they are loaded.

    >>> load, names = lazily("orbiq.example", {"Scene": "orbiq.arrays"})
    >>> load("Scene").__name__, names()
    ('Scene', ['Scene'])
    """

    def load(name: str) -> Any:
        if name not in public:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(public[name]), name)

    def names() -> list[str]:
        return sorted(public)

    return load, names
