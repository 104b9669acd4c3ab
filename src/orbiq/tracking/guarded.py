"""MLflow's command line, which ends when the process that started it is gone: `python -m orbiq.tracking.guarded …`.

Standard input is a pipe that the starter keeps open and never writes to. When the starter ends, however it ends, the
pipe closes; then this process ends its whole group, MLflow's workers included.
"""

import os
import runpy
import signal
import sys
from threading import Thread


def _watch() -> None:
    while os.read(0, 1024):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    Thread(target=_watch, daemon=True).start()
    sys.argv[0] = "mlflow"
    runpy.run_module("mlflow", run_name="__main__", alter_sys=True)
