"""What the run document says against what is on disk."""

from collections.abc import Iterable

from xamsflow.redax.findings import DEGRADED, Findings
from xamsflow.redax.records import Channels
from xamsflow.redax.rundoc import NS_PER_S, Run

SAMPLE_WIDTHS = {"V1724": 10, "V1724_MV": 10, "f1724": 10, "V1725": 4, "V1730": 2}
"""ns, by the type of a board as the DAQ calls it."""

GUESSED = ("messy", "_messy")
"""Tags with which the DAQ says that it did not hear of the start, or of the end."""

MB = 1_000_000

TOO_LOW = 0.5
"""Share of the average rate that must be on disk; records and read-out have different headers."""

MIN_RATE = 0.01
"""MB/s below which the DAQ's average says nothing."""


def check(
    run: Run, channels: Channels, seen: Iterable[int], n_bytes: int, findings: Findings
) -> None:
    """Compare a run's document with the `seen` channels and the decoded bytes of unique records."""
    for tag in GUESSED:
        if tag in run.tags:
            findings.add(
                "T30", f"the run has the tag {tag}: its start or end was guessed by the DAQ"
            )
    for channel in seen:
        boards = [board for board in run.boards if channel in board.channels]
        expected = channels.sample_width[channel]
        widths = {SAMPLE_WIDTHS.get(board.type, expected) for board in boards}
        if boards and expected not in widths:
            findings.add(
                "T27",
                f"channel {channel} is on board {boards[0].number} ({boards[0].type}) in the run "
                f"document, yet its records have {expected} ns per sample",
                severity=DEGRADED,
            )
    if run.end is None or run.end <= run.start or run.rate is None:
        return
    seconds = (run.end - run.start) / NS_PER_S
    on_disk = n_bytes / MB / seconds
    if run.rate > MIN_RATE and on_disk < TOO_LOW * run.rate:
        findings.add(
            "rate",
            f"on disk are {on_disk:.3g} MB/s, the DAQ read {run.rate:.3g} MB/s on average",
            lost_ns=None,
            lost_records=None,
        )
