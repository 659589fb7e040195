"""Which runs have a batch job, by what the batch system tells of each job."""

from collections.abc import Mapping

import pytest

from xamsflow.batch import submissions, systems
from xamsflow.batch.request import Request
from xamsflow.batch.systems import CANCELLED, Details, Unreachable
from xamsflow.operate.reconcile.evidence import batch_jobs


class OneServer:
    """A batch system whose list of jobs is empty, as for jobs of another server."""

    def __init__(self, told: Mapping[str, Details] | None) -> None:
        self.told = told

    def alive(self) -> frozenset[str]:
        return frozenset()

    def details(self, jobs: list[str]) -> Mapping[str, Details]:
        if self.told is None:
            raise Unreachable("host1 does not respond")
        return {job: self.told[job] for job in jobs if job in self.told}


JOB = "12.host1"


@pytest.mark.parametrize(
    ("told", "has_job"),
    [
        (None, True),
        ({}, True),  # its server does not tell
        ({JOB: Details(known=True, ended=False, end=None)}, True),
        ({JOB: Details(known=True, ended=True, end=CANCELLED)}, False),
        ({JOB: Details(known=False, ended=False, end=None)}, False),
    ],
)
def test_a_job_of_another_server_counts_until_its_end_is_known(
    tmp_path, monkeypatch, told, has_job
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(systems, "named", lambda _: OneServer(told))
    submission = submissions.new(Request("r", [("process", {"run_id": "000932"})], 1, 100, 1))
    submission.set_about(system="htcondor")
    submission.set_job(JOB)
    assert batch_jobs() == ({"000932": [JOB]} if has_job else {})
