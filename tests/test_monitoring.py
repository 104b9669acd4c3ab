"""A task that logs live gets its own run in MLflow, and orbiq completes that same run."""

import pytest

from orbiq.experiment import run
from tests.toys import GOOD_TASK, write_toy

LIVE = """
import json as _json, sys as _sys, urllib.request as _request
_args = dict(zip(_sys.argv[1::2], _sys.argv[2::2]))
_body = {"run_id": _args["--mlfrunid"], "key": "live_loss", "value": 0.25, "timestamp": 1, "step": 3}
_url = _args["--mlfuri"] + "/api/2.0/mlflow/runs/log-metric"
_ask = _request.Request(_url, _json.dumps(_body).encode(), {"Content-Type": "application/json"})
_request.build_opener(_request.ProxyHandler({})).open(_ask, timeout=60).read()
assert _args["--mlfexpid"]
"""


@pytest.mark.slow
def test_live_metrics_land_in_the_runs_own_place(tmp_path):
    experiment = write_toy(
        tmp_path, task=LIVE + GOOD_TASK, repetitions=1, modifiers=["jpeg:quality=20"], tracking=None, monitoring=True
    )
    summary = run(experiment)
    assert (summary.n_failed, summary.problems) == (0, ())
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{experiment.path(experiment.workspace)}/mlflow.db")
    (found,) = client.search_experiments(filter_string="name = 'toy'")
    runs = [r for r in client.search_runs([found.experiment_id]) if "mlflow.parentRunId" in r.data.tags]
    assert len(runs) == 2
    for each in runs:
        assert each.info.status == "FINISHED"
        assert each.data.metrics["live_loss"] == 0.25
        assert each.data.metrics["ap50"] == 1.0
