"""status: print whether a batch job is running, success or failed, in one word.

Anything else, or an exit code, would end the whole workflow. So what cannot be known now is
"running"; a job has only failed if it left an exit code, or the batch system says so, or it has
forgotten the job for longer than a file server takes to show an exit code.

``profiles/common/status.sh`` gives the frequent answers itself, without starting Python.
"""

import sys

from xamsflow.batch import poll, submissions, systems
from xamsflow.batch.submissions import Submission


def main(system_name: str, job: str) -> int:
    """Print a job's status."""
    try:
        print(status(system_name, job))
    except Exception as error:  # whatever it is, it must not end the workflow
        print(f"xamsflow: status of batch job {job}: {error!r}", file=sys.stderr)
        print("running")
    return 0


def status(system_name: str, job: str) -> str:
    """Return the word for a job."""
    try:
        submission = submissions.of_job(job)
    except ValueError:
        return "failed"  # there is no such job, and never will be
    known = _ended(submission)
    if known is None and submission.job is None:
        # Not submitted from here: watched from now on.
        submissions.set_waiting(submissions.number(job), True)
    if known is None and not poll.is_alive(job, systems.named(system_name)):
        known = _ended(submission)
    return known or "running"


def _ended(submission: Submission) -> str | None:
    code = submission.exit_code
    if code is not None:
        return "success" if code == 0 else "failed"
    end = submission.end
    if end is not None:
        return "success" if end.failure is None else "failed"
    return None
