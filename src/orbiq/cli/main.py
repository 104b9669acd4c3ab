"""The command line `orbiq`.

Exit codes: 0 all is well; 1 a study has failed runs, or a gate is not passed; 2 a setting, dataset or file is
wrong; 130 stopped by Ctrl-C.
"""

import signal
import sys
from typing import Annotated, Any

import typer

import orbiq
from orbiq.cli import coding, compressing, data, fitting, measuring, results, running, tracking, training

app = typer.Typer(
    name="orbiq",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Find the smallest, cheapest imagery that still does its job.\n\n"
    "\b\nBegin with:\n"
    "  orbiq demo                       a whole experiment on made-up scenes, in a few minutes\n"
    "  orbiq run experiment.yaml        modify, run your script on every variant, score, report\n"
    "  orbiq modify data/airports --with jpeg:quality=50",
)
for module in (running, data, measuring, coding, compressing, fitting, training, results, tracking):
    module.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"orbiq {orbiq.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    del version


def _terminated(*_: Any) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """The entry point; SIGTERM, and SIGHUP unless it is ignored, end like Ctrl-C: nothing half done is left."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _terminated)
    try:
        app()
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(0) from None


if __name__ == "__main__":
    main()
