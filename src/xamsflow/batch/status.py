"""status: print a batch job's status in one word: running, success or failed.

Any other output, or a nonzero exit code, would end the whole workflow. A status that is currently
unknown is therefore "running". A job has failed only if it left an exit code, if the batch system
says so, or if it has not known the job for longer than a file server takes to show an exit code.

``profiles/common/status.sh`` handles the frequent cases without starting Python.
"""

import sys

from xamsflow.batch import poll, submissions
from xamsflow.batch.submissions import Submission


def main(system_name: str, job: str) -> int:
    """Print a job's status."""
    try:
        print(status(system_name, job))
    except Exception as error:  # no error here may end the workflow
        print(f"xamsflow: cannot get the status of batch job {job}: {error!r}", file=sys.stderr)
        print("running")
    return 0


def status(system_name: str, job: str) -> str:
    """Return the word for a job."""
    try:
        submission = submissions.of_job(system_name, job)
    except ValueError:
        return "failed"  # the job does not exist and never will
    known = _ended(submission)
    if known is None and submission.job is None:
        # Not submitted from here: track it from now on.
        submissions.set_waiting(system_name, job, True)
    if known is None and not poll.is_alive(system_name, job):
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
