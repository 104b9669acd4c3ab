"""How work in progress is shown: the engine says what it does, somebody else decides what to print."""

from typing import Protocol


class Progress(Protocol):
    """What the engine tells whoever watches."""

    def stage(self, title: str, total: int) -> None:
        """A stage of `total` steps begins; the one before is over."""
        ...

    def tick(self, done: int) -> None:
        """So many steps of the stage are done."""
        ...

    def say(self, text: str) -> None:
        """One line that is worth reading."""
        ...

    def line(self, run: str, text: str) -> None:
        """A piece of a task's own output."""
        ...


class Quiet:
    """Shows nothing."""

    def stage(self, title: str, total: int) -> None:
        """Nothing."""

    def tick(self, done: int) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def line(self, run: str, text: str) -> None:
        """Nothing."""
