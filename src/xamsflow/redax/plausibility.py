"""Comparison of the run document with the data on disk."""

from collections.abc import Iterable

from xamsflow.redax.findings import DEGRADED, NOTE, Findings
from xamsflow.redax.records import Channels
from xamsflow.redax.rundoc import NS_PER_S, Run
from xamsflow.settings.detector import MEASURES_BASELINE, Detector

GUESSED = ("messy", "_messy")
"""Tags that the DAQ sets if it missed the start or the end of the run."""

MB = 1_000_000

TOO_LOW = 0.5
"""Share of the average rate that must be on disk; records and read-out have different headers."""

MIN_RATE = 0.01
"""MB/s below which the DAQ's average is not meaningful."""


def check(
    run: Run, detector: Detector, seen: Iterable[int], n_bytes: int, findings: Findings
) -> None:
    """Compare a run's document with the `seen` channels and the decoded bytes of unique records."""
    channels, seen = Channels.of_detector(detector), list(seen)
    for tag in GUESSED:
        if tag in run.tags:
            findings.add("T30", f"the run has the tag {tag}: the DAQ guessed its start or end")
    for channel in seen:
        boards = [board for board in run.boards if channel in board.channels]
        expected = channels.sample_width[channel]
        widths = {board.sample_width for board in boards}
        if boards and expected not in widths:
            findings.add(
                "T27",
                f"channel {channel} is on board {boards[0].number} ({boards[0].type}) in the run "
                f"document, but its records have {expected} ns per sample",
                severity=DEGRADED,
            )
    _check_pre_trigger(run, detector, seen, findings)
    if run.end is None or run.end <= run.start or run.rate is None:
        return
    seconds = (run.end - run.start) / NS_PER_S
    on_disk = n_bytes / MB / seconds
    if run.rate > MIN_RATE and on_disk < TOO_LOW * run.rate:
        findings.add(
            "rate",
            f"{on_disk:.3g} MB/s are on disk, but the DAQ read {run.rate:.3g} MB/s on average",
            lost_ns=None,
            lost_records=None,
        )


def _check_pre_trigger(
    run: Run, detector: Detector, seen: Iterable[int], findings: Findings
) -> None:
    """Compare the number of samples before the trigger with the detector's baseline settings."""
    groups = [detector.tpc.signals] if detector.tpc is not None else []
    types = {one.name: one.type for one in detector.digitizers}
    for signals in (*groups, *detector.signals):
        mine = set(signals.channels) & set(seen)
        for board in run.boards:
            samples = run.pre_triggers.get(board.number)
            if not mine & set(board.channels) or samples is None:
                continue
            if samples >= signals.baseline_samples:
                continue
            measured = types[signals.digitizer] in MEASURES_BASELINE
            is_too_few = samples < signals.min_pre_trigger and not measured
            findings.add(
                "pre_trigger",
                f"board {board.number} records {samples} samples before a pulse, fewer than the "
                f"{signals.baseline_samples} for baselines of {signals.name}"
                + (
                    f", and too few for right ones (at least {signals.min_pre_trigger})"
                    * is_too_few
                ),
                severity=DEGRADED if is_too_few else NOTE,
            )
