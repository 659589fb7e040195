"""Why a job failed, left beside its log for the driver to publish."""

from dataclasses import asdict, dataclass
from pathlib import Path

from xamsflow import receipts
from xamsflow.errors import BadDataError, FailureClass


@dataclass(frozen=True)
class Failure:
    """One line for people, and the class that decides what happens next.

    `interrupted`: a person stopped the job; the run itself is as good as before.
    """

    reason: str
    failure: FailureClass
    interrupted: bool = False

    @staticmethod
    def file(log: Path) -> Path:
        """Return where the job with this log leaves its failure."""
        return log.with_suffix(".failure.json")

    def write(self, path: Path) -> None:
        """Write the failure."""
        receipts.write(path, asdict(self))

    @classmethod
    def of_job(cls, log: Path) -> "Failure":
        """Return why the job with this log failed; one that left nothing was killed."""
        try:
            left = receipts.read(cls.file(log))
            return cls(left["reason"], FailureClass(left["failure"]), left["interrupted"])
        except (FileNotFoundError, BadDataError, KeyError, ValueError):
            return cls(
                f"the job ended without a word: killed, out of memory or out of time? see {log}",
                FailureClass.UNKNOWN,
            )
