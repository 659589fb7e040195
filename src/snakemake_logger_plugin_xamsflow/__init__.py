"""Snakemake logger plugin that reports to the driver how each job ends.

The plugin prints nothing. Snakemake loads it only in the driver, calls it from a separate thread,
and waits for that thread before exiting.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from logging import LogRecord
from pathlib import Path
from typing import Any

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from xamsflow.run import driver, preview

SNAKEMAKE = "snakemake.logging"
"""The name of Snakemake's own logger."""


@dataclass(frozen=True)
class _Job:
    rule: str
    wildcards: dict[str, str]
    log: Path


class LogHandler(LogHandlerBase):
    """Knows which run each job belongs to, and reports starts, ends and errors to the driver."""

    def __post_init__(self) -> None:
        """Start without any known jobs."""
        self._jobs: dict[int, _Job] = {}
        logging.getLogger(SNAKEMAKE).addFilter(_ErrorsOnce(self._jobs))

    def emit(self, record: LogRecord) -> None:
        """Pass one event on to the driver."""
        event = getattr(record, "event", None)
        if event is None:
            return
        try:
            if self.common_settings.dryrun:
                _preview(event, vars(record))
            elif driver.is_configured():  # not for other people's Snakefiles
                self._tell(event, vars(record))
        except Exception:  # an error in the logger must not stop the workflow
            self.handleError(record)

    def _tell(self, event: LogEvent, about: dict[str, Any]) -> None:
        driver.current().heard()
        if event == LogEvent.JOB_INFO:
            wildcards = about.get("wildcards") or {}
            if "run_id" in wildcards:
                started = _Job(about["rule_name"], dict(wildcards), Path(about["log"][0]))
                self._jobs[about["jobid"]] = started
                driver.current().job_started(started.log)
            return
        number = about.get("jobid") if event == LogEvent.JOB_ERROR else about.get("job_id")
        job = self._jobs.get(number) if number is not None else None
        if job is None:
            return
        if event == LogEvent.JOB_ERROR:
            driver.current().job_failed(job.rule, job.wildcards)
        elif event == LogEvent.JOB_FINISHED and job.rule == "publish":
            driver.current().published(job.wildcards["run_id"])

    @property
    def writes_to_stream(self) -> bool:
        """Leave Snakemake's own messages on."""
        return False

    @property
    def writes_to_file(self) -> bool:
        """Write nothing."""
        return False

    @property
    def has_filter(self) -> bool:
        """Receive all events."""
        return True

    @property
    def has_formatter(self) -> bool:
        """Format nothing."""
        return True

    @property
    def needs_rulegraph(self) -> bool:
        """Request no rule graph."""
        return False


class _ErrorsOnce(logging.Filter):
    """Drops errors that Snakemake repeats when it ends, and those of runs that are done.

    If one run of a batch job fails, Snakemake reports the jobs of all its runs.
    """

    def __init__(self, jobs: Mapping[int, _Job]) -> None:
        super().__init__()
        self._jobs = jobs
        self._reported: set[int] = set()

    def filter(self, record: LogRecord) -> bool:
        """Return whether to print a record; one without a message is not printed as None."""
        event, job = getattr(record, "event", None), getattr(record, "jobid", None)
        if event == LogEvent.JOB_INFO and job is not None:  # it starts, perhaps again
            self._reported.discard(job)
        if event != LogEvent.JOB_ERROR or job is None:
            return True
        if getattr(record, "rule_msg", None) is None:
            record.msg = ""
        known = self._jobs.get(job)
        if known is not None and driver.current().is_done(run := known.wildcards["run_id"]):
            driver.current().published(run)  # nothing else reports it
            return False
        is_new = job not in self._reported
        self._reported.add(job)
        return is_new


def _preview(event: LogEvent, about: dict[str, Any]) -> None:
    """Pass a dry-run job on to the process that previews the workflow."""
    if event == LogEvent.JOB_INFO:
        preview.tell(
            about["rule_name"],
            dict(about.get("wildcards") or {}),
            about.get("resources") or {},
            about.get("threads") or 1,
        )
