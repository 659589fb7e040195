"""Findings about what is wrong or unusual in a run's live data, and the rules behind them.

T1 to T34 are the known ways in which redax's files and run documents go wrong, or in which readers
lose data; `RULES` says how each is handled. ``docs/reference/live-data-checks.md`` contains the
same table.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from xamsflow.base.errors import BadDataError
from xamsflow.settings.corrections import Provenance

SHOWN_PER_RULE = 10
"""Findings per rule that are listed individually; the last one counts the further ones."""


class Severity(StrEnum):
    """The consequence of a finding."""

    REJECT = "reject"
    """The data on disk are incomplete or contradictory: the run fails as bad data."""
    DEGRADED = "degraded"
    """The run is processed completely and flagged: something is, or may be, missing."""
    NOTE = "note"
    """Legal and complete, but worth knowing."""


REJECT, DEGRADED, NOTE = Severity


class Verdict(StrEnum):
    """The summary of a run's findings."""

    CLEAN = "clean"
    DEGRADED = "degraded"
    REJECT = "reject"
    UNCHECKED = "unchecked"
    """The raw records were made by plugins of another project, which do not check anything."""


@dataclass(frozen=True)
class Rule:
    """A rule, the possible severities of its findings, and its criterion.

    A rule without severities has no findings: `how` says why the fault is not visible, or how it is
    avoided. `remedy` is what a person may do about a finding. `is_seen` tells whether the behavior
    that the rule assumes was observed in output of redax's own writer; otherwise it is an
    assumption.
    """

    name: str
    fault: str
    severities: tuple[Severity, ...]
    how: str
    is_seen: bool
    remedy: str = ""


_AGAIN = "compare it with the folder it was copied from; if that is right: xamsflow retransfer RUN"
_DETECTOR = "correct the detector file, or choose the right detector"
_DOCUMENT = "correct the run document"
_TWO_RUNS = "the folder may contain two runs"
_COPY = "Degraded if the overlap has an intact copy, which is then used"
_LOOK = "check the redax log and the rate of the run"

# Whether output of redax's own writer has confirmed the behavior that a rule assumes.
SEEN, ASSUMED = True, False

RULES = {
    rule.name: rule
    for rule in (
        Rule(
            "T1",
            "file truncated within its first block",
            (REJECT, DEGRADED),
            f"The frame's blocks do not add up to the size of the file. {_COPY}",
            SEEN,
            _AGAIN,
        ),
        Rule("T2", "file truncated later", (REJECT, DEGRADED), f"As T1. {_COPY}", SEEN, _AGAIN),
        Rule(
            "T3",
            "end mark missing, or bytes after the frame",
            (REJECT, DEGRADED),
            "The file is not exactly one lz4 frame with its end mark, or one blosc buffer. "
            f"{_COPY}",
            SEEN,
            _AGAIN,
        ),
        Rule(
            "T4",
            "flipped bits",
            (REJECT, DEGRADED),
            "The frame cannot be decoded or claims an impossible size, samples exceed 14 bits or "
            "are nonzero beyond a record's length, or times decrease within a channel. "
            f"{_COPY}. A flip in the lower bits of a sample is only visible if it happens after "
            "the transfer, which records checksums for `xamsflow verify`",
            SEEN,
            _AGAIN,
        ),
        Rule(
            "T5",
            "wrong record length",
            (REJECT, DEGRADED),
            "A file does not contain a whole number of records, or the length of a record does not "
            f"fit its position in the pulse. {_COPY}",
            SEEN,
            "strax_fragment_payload_bytes of the run document is wrong, or the file is damaged: "
            + _AGAIN,
        ),
        Rule(
            "T6",
            "main part empty although there should be data",
            (REJECT, DEGRADED),
            "In a quiet thread, an empty main part is normal, even next to an overlap with data. "
            "Degraded: the neighboring parts suggest 30 or more signals (pulses within 10 µs of "
            "each other count as one), or redax would not have written the overlap after it. "
            "Reject: both",
            SEEN,
            _AGAIN,
        ),
        Rule(
            "T7",
            "folder missing in the middle",
            (REJECT, DEGRADED),
            f"A chunk before the last lacks its main part, overlap or copy. {_COPY}",
            SEEN,
            _AGAIN,
        ),
        Rule("T8", "first folder missing", (REJECT,), "As T7", SEEN, _AGAIN),
        Rule(
            "T9",
            "missing file of a thread",
            (REJECT, DEGRADED),
            f"A thread lacks a file in a part before its last one. {_COPY}, or if a thread ends "
            "so early that its rate and the other threads contradict it",
            SEEN,
            _AGAIN,
        ),
        Rule("T10", "folder without files", (REJECT, DEGRADED), f"As T7. {_COPY}", SEEN, _AGAIN),
        Rule(
            "T11",
            "`THE_END` missing or incomplete",
            (REJECT,),
            "A thread that has written data has no file in `THE_END`",
            SEEN,
            "the DAQ crashed, or the run was copied while it was being taken: " + _AGAIN,
        ),
        Rule("T12", "run without any overlap", (), "Avoided: chunk 0 needs no overlap", SEEN),
        Rule(
            "T13",
            "overlap without a main part dropped by redax",
            (DEGRADED, NOTE),
            "Degraded: a main part contains the end of a pulse, but the overlap before it lacks "
            "the start; or a thread has its only file in `THE_END`, and an overlap of the run has "
            "too few signals. Otherwise the loss is estimated: the rate of a thread (in a long "
            "silence, at most 3 signals per duration of the silence) times the duration of the "
            "overlaps after its empty main parts, plus one signal for each thread with its only "
            "file in `THE_END`. Degraded if the probability of having lost 1 % of the records or "
            "more exceeds 10 %, otherwise a note",
            SEEN,
            _LOOK,
        ),
        Rule(
            "T14",
            "chunk overwritten by a late packet",
            (DEGRADED,),
            "The neighboring parts suggest 30 or more signals, and a thread's main part or overlap "
            "has less than a tenth of them",
            SEEN,
            "search the redax log for 'already exists'",
        ),
        Rule(
            "T15",
            "record in the last microsecond of the last overlap",
            (),
            "Avoided: everything after the last possible cut stays in the last chunk",
            SEEN,
        ),
        Rule(
            "T16",
            "overlap without a pause",
            (NOTE,),
            "Avoided: the chunk is stored together with the next one, without loss or dead time",
            ASSUMED,
        ),
        Rule(
            "T17",
            "overlap and its copy differ",
            (REJECT, DEGRADED),
            "A file differs from its copy. Degraded: one of the two is empty; the other is used",
            SEEN,
            _AGAIN,
        ),
        Rule(
            "T18",
            "`000000_pre` exists",
            (NOTE, DEGRADED),
            "The folder exists but is empty. Degraded: it has records, which are left out",
            SEEN,
        ),
        Rule(
            "T19",
            "channel missing from the detector file",
            (REJECT, DEGRADED),
            "Degraded: the run document assigns an input to a board, but the detector file lacks "
            "it; its pulses are left out and counted. Reject: these are 30 or more and more than "
            "a tenth of all pulses, or the run document lacks the input too",
            SEEN,
            _DETECTOR,
        ),
        Rule(
            "T20",
            "two runs in one folder",
            (REJECT,),
            "More threads of a reader have written than the run document has",
            ASSUMED,
            _TWO_RUNS,
        ),
        Rule(
            "T21",
            "unexpected or partial files",
            (REJECT,),
            "A folder or file has a name that redax does not give, or names a reader that the run "
            "document lacks",
            SEEN,
            "move it away if it is not data",
        ),
        Rule(
            "T22",
            "wrong chunk length or overlap",
            (REJECT,),
            "A record starts outside the window of its part",
            SEEN,
            "strax_chunk_length and strax_chunk_overlap of the run document may be wrong",
        ),
        Rule(
            "T23",
            "clock rollover of a V1724 lost or counted twice",
            (REJECT, DEGRADED),
            "Reject: in a run longer than 21.47 s, more than a fifth of a file goes back in time; "
            "or records are 21.47 s outside the window. Degraded: a channel is silent for 21.47 s "
            "or more although 30 or more of its pulses are expected, or has data after the run's "
            "end",
            ASSUMED,
            "compare the V1724's times with the other digitizers'",
        ),
        Rule(
            "T24",
            "times before the start",
            (REJECT,),
            "A folder has a negative number, or a record comes before the window of its part",
            SEEN,
            "the digitizers' clocks were not reset",
        ),
        Rule("T25", "board-fail events", (), "Not visible: redax drops them without a trace", SEEN),
        Rule(
            "T26",
            "last read-out packets dropped",
            (),
            "Not visible: the last milliseconds of the run are missing",
            ASSUMED,
        ),
        Rule(
            "T27",
            "wrong channel map",
            (REJECT, DEGRADED),
            "Reject: neither the detector file nor the run document has a record's channel with "
            "its sample width. Degraded: the run document assigns the channel to a board with "
            "another sample width",
            SEEN,
            _DETECTOR,
        ),
        Rule(
            "T28",
            "start within a second",
            (),
            "Avoided: times keep the fraction of a second",
            SEEN,
        ),
        Rule(
            "T29",
            "run document without an end",
            (REJECT,),
            "Found by `xamsflow verify`. Processing waits, because the run is still being taken",
            SEEN,
            "wait until it ends; if the DAQ crashed, set end in the run document",
        ),
        Rule(
            "T30",
            "start time guessed",
            (NOTE,),
            "The run document has the tag `messy` or `_messy`",
            ASSUMED,
        ),
        Rule(
            "T31",
            "unreadable run document",
            (REJECT,),
            "The run document has an option that redax would not accept. Options are read as redax "
            "reads them: any compressor other than `blosc` is lz4, anything but a 32-bit integer "
            "results in redax's default, a reader without an entry has 8 threads, and a board may "
            "lack a host",
            SEEN,
            _DOCUMENT,
        ),
        Rule(
            "T32",
            "duplicate records",
            (REJECT,),
            "Two records have the same time and channel",
            SEEN,
            _TWO_RUNS,
        ),
        Rule(
            "T33",
            "file left in a `_temp` folder",
            (REJECT,),
            "A file exists in such a folder",
            ASSUMED,
            _AGAIN,
        ),
        Rule(
            "T34",
            "live time",
            (),
            "Avoided: the live time is that of the run, not of its chunks",
            SEEN,
        ),
        Rule(
            "incomplete_pulse",
            "missing fragments of pulses",
            (DEGRADED,),
            "A pulse lacks records, also across files and chunks; they are counted",
            SEEN,
            _LOOK,
        ),
        Rule(
            "overlapping_pulses",
            "pulses of a channel overlap",
            (DEGRADED,),
            "A pulse begins before the previous one of its channel has ended",
            ASSUMED,
            _TWO_RUNS,
        ),
        Rule(
            "duration",
            "data shorter or longer than the run",
            (DEGRADED,),
            "The run ends with a silence of 5 s or more in which its rate suggests 50 or more "
            "signals (5 signals and any length, if the copy of the last overlap is missing, which "
            "redax always writes); or data extend 5 s beyond the end",
            SEEN,
            "check whether chunks are missing at the end, or the run document has a wrong end",
        ),
        Rule(
            "rate",
            "less data than the DAQ read",
            (DEGRADED,),
            "The rate on disk is less than half of the average rate in the run document",
            ASSUMED,
            _LOOK,
        ),
        Rule(
            "pre_trigger",
            "too few samples before a pulse for its baseline",
            (NOTE, DEGRADED),
            "By the registers in the run document, a pulse has fewer samples before its rise than "
            "`baseline_samples` in the detector file. Degraded if too few remain for a right "
            "baseline, and the digitizer does not measure it",
            ASSUMED,
            "correct the register (8038), or expect areas of this run to be too small",
        ),
        Rule(
            "baseline",
            "implausible baselines",
            (DEGRADED,),
            "More than 1 % of a channel's pulses have neither a baseline from the digitizer nor 8 "
            "quiet samples before their rise (`pulse_counts.doubtful_baselines`)",
            ASSUMED,
            "check the pre-trigger register and the noise of the channel",
        ),
        Rule("no_data", "run without data", (NOTE,), "No thread has written anything", SEEN),
        Rule(
            "balance",
            "records lost by xamsflow",
            (REJECT,),
            "The stored records are not the unique records on disk without those of T19",
            SEEN,
            "keep the live data and report it",
        ),
        Rule(
            "no_run_document",
            "no run document",
            (NOTE,),
            "Found by `xamsflow verify`, which then infers the options from the files and redax's "
            "defaults",
            ASSUMED,
        ),
        Rule(
            "changed_since_transfer",
            "files changed since the transfer",
            (REJECT,),
            "Found by `xamsflow verify`: a name, size or SHA-256 is not the one in the transfer's "
            "receipt",
            SEEN,
            _AGAIN,
        ),
    )
}


@dataclass(frozen=True)
class Finding:
    """A finding: one line for people, and the size of the loss.

    `lost_ns` is an upper limit on the time without records, `lost_records` the number of missing
    records; each is None if unknown. `chunk` is the DAQ chunk, or None if there is no single one.
    """

    rule: str
    severity: Severity
    message: str
    lost_ns: int | None = 0
    lost_records: int | None = 0
    chunk: int | None = None

    def __str__(self) -> str:
        return f"{self.rule}: {self.message}"


class Findings:
    """Collects the findings about a run in the order in which they are made.

    `listed` holds them as plain data for receipts and is always up to date; at first it may hold
    earlier findings. With `stop`, a finding of severity reject is raised as BadDataError at once;
    otherwise reading continues, as far as it makes sense, to find everything.
    """

    def __init__(
        self, run_id: str, *, stop: bool = True, listed: Iterable[Mapping[str, Any]] = ()
    ) -> None:
        self.run_id = run_id
        self.listed: list[dict[str, Any]] = [dict(one) for one in listed]
        self._stop = stop
        self._count: Counter[tuple[str, Severity]] = Counter()

    def add(
        self,
        rule: str,
        message: str,
        *,
        severity: Severity | None = None,
        lost_ns: int | None = 0,
        lost_records: int | None = 0,
        chunk: int | None = None,
    ) -> None:
        """Add a finding; without `severity`, it gets the first severity of its rule."""
        severity = severity or RULES[rule].severities[0]
        assert severity in RULES[rule].severities
        finding = Finding(rule, severity, message, lost_ns, lost_records, chunk)
        if self._stop and severity is REJECT:
            remedy = RULES[rule].remedy.replace("RUN", self.run_id)
            raise BadDataError(f"run {self.run_id}: {finding}", remedy)
        self._count[rule, severity] += 1
        n_more = self._count[rule, severity] - SHOWN_PER_RULE
        plain = asdict(finding) | {"severity": severity.value}
        if n_more < 0:
            self.listed.append(plain)
        elif n_more == 0:
            self.listed.append(plain | {"and_more": 0})
        else:
            last = next(
                one
                for one in self.listed
                if (one["rule"], one["severity"]) == (rule, severity) and "and_more" in one
            )
            last["and_more"] = n_more
            for name in ("lost_ns", "lost_records"):
                value = getattr(finding, name)
                unknown = last[name] is None or value is None
                last[name] = None if unknown else last[name] + value

    @property
    def lost_records(self) -> int:
        """The number of records known to be missing."""
        return sum(one["lost_records"] or 0 for one in self.listed)

    @property
    def verdict(self) -> Verdict:
        """The summary of the findings so far."""
        return verdict(self.listed)


def verdict(findings: Iterable[Mapping[str, Any]]) -> Verdict:
    """Return the verdict that follows from findings as listed in a receipt."""
    severities = {finding["severity"] for finding in findings}
    if REJECT in severities:
        return Verdict.REJECT
    return Verdict.DEGRADED if DEGRADED in severities else Verdict.CLEAN


def summary(quality: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a receipt's `quality` for the run document: verdict and findings.

    Notes remain only in the receipt. `corrections` has the provenance of values that were not
    measured but used for the data; the verdict does not depend on them, only on the recorded data.
    """
    guessed = {
        name: entry["provenance"]
        for name, entry in quality.get("corrections", {}).items()
        if entry["provenance"] != Provenance.MEASURED
    }
    return {
        "verdict": quality.get("verdict", Verdict.UNCHECKED.value),
        "findings": [
            {
                name: finding[name]
                for name in ("rule", "severity", "message", "lost_ns", "lost_records")
            }
            for finding in quality.get("findings", ())
            if finding["severity"] != NOTE
        ],
    } | ({"corrections": guessed} if guessed else {})


def table() -> str:
    """Return all rules as a table in Markdown."""
    lines = [
        "| rule | fault | severity | condition, or why there is none | based on |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {rule.name} | {rule.fault} | {', '.join(rule.severities) or '–'} "  # noqa: RUF001
        f"| {rule.how} | {'redax’s output' if rule.is_seen else 'assumption'} |"  # noqa: RUF001
        for rule in RULES.values()
    ]
    return "\n".join(lines) + "\n"
