"""What is wrong, or odd, with a run's live data: findings, and the rules that they come from.

T1 to T34 are the known ways in which redax's files and run documents go wrong, or in which readers
lose data; `RULES` says of each what is done about it. ``docs/reference/live-data-checks.md`` shows
the same table.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from xamsflow.base.errors import BadDataError
from xamsflow.settings.corrections import Provenance

SHOWN_PER_RULE = 10
"""Findings of one rule that are listed one by one; further ones are counted in the last."""


class Severity(StrEnum):
    """What follows from a finding."""

    REJECT = "reject"
    """What is on disk is incomplete or contradicts itself: the run fails as bad data."""
    DEGRADED = "degraded"
    """The run is processed to its end, and flagged: something is missing, or may be."""
    NOTE = "note"
    """Legal and complete, but good to know."""


REJECT, DEGRADED, NOTE = Severity


class Verdict(StrEnum):
    """The sum of a run's findings."""

    CLEAN = "clean"
    DEGRADED = "degraded"
    REJECT = "reject"
    UNCHECKED = "unchecked"
    """Raw records were made by other plugins than ours, which check nothing."""


@dataclass(frozen=True)
class Rule:
    """A rule, the severities that its findings may have, and how it comes to them.

    A rule without severities has no findings: `how` says why nothing can be seen, or what is done
    so that there is nothing to find. `remedy` is what a person may do about a finding. `is_seen`
    tells whether what the rule takes for redax's way was seen in the output of redax's own writer;
    otherwise it is an assumption.
    """

    name: str
    fault: str
    severities: tuple[Severity, ...]
    how: str
    is_seen: bool
    remedy: str = ""


_AGAIN = "transfer the run again, and compare it with the folder on the DAQ host"
_DETECTOR = "correct the detector file, or choose the right detector"
_DOCUMENT = "correct the run document"
_TWO_RUNS = "two runs may have been written into one folder"
_COPY = "degraded where the overlap's copy is intact: the copy is used"
_LOOK = "look at the redax log and at the rate of the run"

# Whether redax's own writer has shown what a rule takes for normal, or for a fault.
SEEN, ASSUMED = True, False

RULES = {
    rule.name: rule
    for rule in (
        Rule(
            "T1",
            "file cut within its first block",
            (REJECT, DEGRADED),
            f"the blocks of the frame are walked through before it is decoded; {_COPY}",
            SEEN,
            _AGAIN,
        ),
        Rule("T2", "file cut later", (REJECT, DEGRADED), f"as T1; {_COPY}", SEEN, _AGAIN),
        Rule(
            "T3",
            "end mark missing, or bytes after the frame",
            (REJECT, DEGRADED),
            f"a file is exactly one frame with its end mark, or one blosc buffer; {_COPY}",
            SEEN,
            _AGAIN,
        ),
        Rule(
            "T4",
            "flipped bits",
            (REJECT, DEGRADED),
            "the frame cannot be decoded, or claims an impossible size; samples above 14 bits or "
            "beyond a record's length; times that go back within a channel. Flips of the lower "
            "bits of samples leave no trace before the transfer, which records checksums: "
            f"`xamsflow verify` compares them; {_COPY}",
            SEEN,
            _AGAIN,
        ),
        Rule(
            "T5",
            "wrong record length",
            (REJECT, DEGRADED),
            "a file does not hold a whole number of records; a record's length is not what its "
            f"place in the pulse demands; {_COPY}",
            SEEN,
            "strax_fragment_payload_bytes of the run document is wrong, or the file is damaged",
        ),
        Rule(
            "T6",
            "main part empty though there were data",
            (REJECT, DEGRADED),
            "an empty main part is normal in a quiet thread, also next to an overlap with data. "
            "Degraded: the parts around it suggest 30 or more signals (pulses within 10 µs of each "
            "other are one), or redax would not have written the overlap after it. Reject: both",
            SEEN,
            _AGAIN,
        ),
        Rule(
            "T7",
            "folder missing in the middle",
            (REJECT, DEGRADED),
            f"each chunk before the last has a main part, an overlap and its copy; {_COPY}",
            SEEN,
            _AGAIN,
        ),
        Rule("T8", "first folder missing", (REJECT,), "as T7", SEEN, _AGAIN),
        Rule(
            "T9",
            "a thread's file missing",
            (REJECT, DEGRADED),
            f"each thread has a file in every part before its own last one ({_COPY}). Degraded: a "
            "thread ends so early that its rate and the other threads contradict it",
            SEEN,
            _AGAIN,
        ),
        Rule("T10", "folder without files", (REJECT, DEGRADED), f"as T7; {_COPY}", SEEN, _AGAIN),
        Rule(
            "T11",
            "`THE_END` missing or incomplete",
            (REJECT,),
            "each thread that has written data has a file in `THE_END`",
            SEEN,
            "the DAQ crashed, or the run was copied while it was being taken",
        ),
        Rule("T12", "run without any overlap", (), "avoided: chunk 0 needs no overlap", SEEN),
        Rule(
            "T13",
            "redax drops an overlap without a main part",
            (DEGRADED, NOTE),
            "degraded: a pulse continues in a main part, and its beginning in the overlap before "
            "is missing; or a thread has a file in `THE_END` and no other, and an overlap of the "
            "run has too few signals. Otherwise the loss is estimated: a thread's rate (in a long "
            "silence at most 3 signals per time of silence) x the duration of the overlaps after "
            "its empty main parts, and one signal for a thread with a file in `THE_END` only. "
            "Degraded if the chance that 1 % of the records or more is lost is above 10 %, else "
            "a note",
            SEEN,
            _LOOK,
        ),
        Rule(
            "T14",
            "chunk overwritten by a late packet",
            (DEGRADED,),
            "a thread's main part or overlap has less than a tenth of the signals that the parts "
            "around it suggest, where that is 30 or more",
            SEEN,
            "look for 'already exists' in the redax log",
        ),
        Rule(
            "T15",
            "record in the last microsecond of the last overlap",
            (),
            "avoided: everything after the last possible cut stays in the last chunk",
            SEEN,
        ),
        Rule(
            "T16",
            "overlap without a pause",
            (NOTE,),
            "avoided: the chunk is stored together with the next one; no record is lost, and there "
            "is no dead time",
            ASSUMED,
        ),
        Rule(
            "T17",
            "overlap and its copy differ",
            (REJECT, DEGRADED),
            "compared file by file. Degraded: one of them is empty, then the other one is used",
            SEEN,
            _AGAIN,
        ),
        Rule(
            "T18",
            "`000000_pre` is there",
            (NOTE, DEGRADED),
            "nothing is recorded before the start. Degraded: it has records, which are left out",
            SEEN,
        ),
        Rule(
            "T19",
            "channel that the detector does not have",
            (REJECT, DEGRADED),
            "degraded: pulses of an input that the run document has on a board and the detector "
            "file does not are left out and counted. Reject: these are 30 or more, and more than a "
            "tenth of all pulses; or the run document has no such input either",
            SEEN,
            _DETECTOR,
        ),
        Rule(
            "T20",
            "two runs in one folder",
            (REJECT,),
            "more threads of a reader have written than the run document has",
            ASSUMED,
            _TWO_RUNS,
        ),
        Rule(
            "T21",
            "foreign or partial files",
            (REJECT,),
            "names of folders and files are those of redax, readers are the run document's",
            SEEN,
            "move it away if it is not data",
        ),
        Rule(
            "T22",
            "wrong chunk length or overlap",
            (REJECT,),
            "each record starts in its part's window",
            SEEN,
            "strax_chunk_length and strax_chunk_overlap of the run document may be wrong",
        ),
        Rule(
            "T23",
            "clock rollover of a V1724 lost or counted twice",
            (REJECT, DEGRADED),
            "reject: more than a fifth of a file goes back in time, in a run beyond 21.47 s; or "
            "records lie 21.47 s outside the window. Degraded: a channel is silent for 21.47 s or "
            "more though 30 or more of its pulses were to be expected, or has data after the run's "
            "end",
            ASSUMED,
            "compare the V1724's times with the other digitizers'",
        ),
        Rule(
            "T24",
            "times before the start",
            (REJECT,),
            "a folder with a negative number; a record before its part's window",
            SEEN,
            "the digitizers' clocks were not reset",
        ),
        Rule("T25", "board-fail events", (), "not visible: redax drops them without a trace", SEEN),
        Rule(
            "T26",
            "last read-out packets dropped",
            (),
            "not visible: milliseconds at the end",
            ASSUMED,
        ),
        Rule(
            "T27",
            "wrong channel map",
            (REJECT, DEGRADED),
            "reject: neither the detector file nor the run document has a record's channel with "
            "its sample width. Degraded: the run document has the channel on a board with another "
            "sample width",
            SEEN,
            _DETECTOR,
        ),
        Rule(
            "T28",
            "start within a second",
            (),
            "avoided: times keep the fraction of a second",
            SEEN,
        ),
        Rule(
            "T29",
            "run document without end",
            (REJECT,),
            "by `verify`; `process` waits, as the run is still being taken",
            SEEN,
            "wait until it ends; if the DAQ crashed, set end in the run document",
        ),
        Rule(
            "T30",
            "start time guessed",
            (NOTE,),
            "tag `messy` or `_messy` of the run document",
            ASSUMED,
        ),
        Rule(
            "T31",
            "run document that cannot be read",
            (REJECT,),
            "its options are read as redax reads them: any compressor but `blosc` is lz4; integers "
            "are 32-bit integers, anything else gives redax's default; a reader that is not named "
            "has 8 threads; a board need not have a host. What redax would not accept is refused",
            SEEN,
            _DOCUMENT,
        ),
        Rule("T32", "records twice", (REJECT,), "unique time and channel", SEEN, _TWO_RUNS),
        Rule(
            "T33",
            "file left in a `_temp` folder",
            (REJECT,),
            "any such file",
            ASSUMED,
            "compare it with the folder on the DAQ host",
        ),
        Rule(
            "T34",
            "live time",
            (),
            "avoided: live time is that of the run, not of its chunks",
            SEEN,
        ),
        Rule(
            "incomplete_pulse",
            "fragments of pulses missing",
            (DEGRADED,),
            "each pulse has all its records, across files and chunks; missing ones are counted",
            SEEN,
            _LOOK,
        ),
        Rule(
            "overlapping_pulses",
            "pulses of a channel overlap",
            (DEGRADED,),
            "a channel's next pulse begins after the previous one has ended",
            ASSUMED,
            _TWO_RUNS,
        ),
        Rule(
            "duration",
            "data do not last as long as the run",
            (DEGRADED,),
            "at the run's rate, 50 or more signals were to be expected in 5 s or more of silence "
            "before its end; 5 signals, however short the silence, where the last overlap's copy "
            "is missing, which redax always writes; or data last 5 s beyond the end",
            SEEN,
            "look whether chunks are missing at the end, or end of the run document is wrong",
        ),
        Rule(
            "rate",
            "less data than the DAQ read",
            (DEGRADED,),
            "less is on disk than half of the average rate in the run document",
            ASSUMED,
            _LOOK,
        ),
        Rule(
            "pre_trigger",
            "fewer samples before a pulse than its baseline takes",
            (NOTE, DEGRADED),
            "the run document's registers against the detector file's `baseline_samples`; degraded "
            "if a digitizer measures no baseline and too few samples are left",
            ASSUMED,
            "correct the register (8038), or take areas of this run as too small",
        ),
        Rule(
            "baseline",
            "baselines that cannot be right",
            (DEGRADED,),
            "more than 1 % of a channel's pulses have neither the digitizer's own baseline nor 8 "
            "quiet samples before their rise (`pulse_counts.doubtful_baselines`)",
            ASSUMED,
            "look at the pre-trigger register and at the noise of the channel",
        ),
        Rule("no_data", "run without data", (NOTE,), "no thread has written anything", SEEN),
        Rule(
            "balance",
            "records got lost in this program",
            (REJECT,),
            "unique records on disk, less those of T19, are the records stored",
            SEEN,
            "keep the live data and report it",
        ),
        Rule(
            "no_run_document",
            "no run document",
            (NOTE,),
            "by `verify`: what it would say is taken from the files, or assumed as usual",
            ASSUMED,
        ),
        Rule(
            "changed_since_transfer",
            "files are not those that were transferred",
            (REJECT,),
            "by `verify`: names, sizes and SHA-256 against the transfer's receipt",
            SEEN,
            _AGAIN,
        ),
    )
}


@dataclass(frozen=True)
class Finding:
    """A finding: one line for people, and what is missing.

    `lost_ns` is the time in which records are missing, at most; `lost_records` their number. Both
    are None where nobody can tell. `chunk` is the DAQ's chunk, None where it is of several or none.
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
    """Collects the findings of one run, in the order in which they are made.

    `listed` holds them as plain data for receipts, and is kept up to date. With `stop`, a finding
    of severity reject is raised as BadDataError at once; otherwise reading goes on, as far as it
    makes sense, to find all there is. The first ones in `listed` are those made before.
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
        """Add a finding; without `severity`, it has the first one of its rule."""
        severity = severity or RULES[rule].severities[0]
        assert severity in RULES[rule].severities
        finding = Finding(rule, severity, message, lost_ns, lost_records, chunk)
        if self._stop and severity is REJECT:
            raise BadDataError(f"run {self.run_id}: {finding}", RULES[rule].remedy)
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
        """How many records are known to be missing."""
        return sum(one["lost_records"] or 0 for one in self.listed)

    @property
    def verdict(self) -> Verdict:
        """The sum of the findings so far."""
        return verdict(self.listed)


def verdict(findings: Iterable[Mapping[str, Any]]) -> Verdict:
    """Return the worst that findings, as a receipt lists them, say of a run."""
    severities = {finding["severity"] for finding in findings}
    if REJECT in severities:
        return Verdict.REJECT
    return Verdict.DEGRADED if DEGRADED in severities else Verdict.CLEAN


def summary(quality: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the run document is told of a receipt's `quality`: verdict and findings.

    Notes are left to the receipt. `corrections` has the provenance of values in the data that
    nobody measured; the verdict is that of what was recorded, and knows nothing of them.
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
        "| rule | fault | severity | how it is found, or why not | rests on |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {rule.name} | {rule.fault} | {', '.join(rule.severities) or '–'} "  # noqa: RUF001
        f"| {rule.how} | {'redax’s output' if rule.is_seen else 'assumption'} |"  # noqa: RUF001
        for rule in RULES.values()
    ]
    return "\n".join(lines) + "\n"
