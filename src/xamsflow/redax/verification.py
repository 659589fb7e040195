"""Check of a run's live data without storing anything, for ``xamsflow verify``.

The checks are those of the raw-records plugin, but they continue after the first finding.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xamsflow.base import clock
from xamsflow.base.errors import BadDataError, TransientError
from xamsflow.base.meter import Meter
from xamsflow.redax import plausibility, rundoc
from xamsflow.redax.files import LZ4_MAGIC
from xamsflow.redax.findings import Findings, Verdict
from xamsflow.redax.reader import Format, Reader
from xamsflow.redax.records import Channels
from xamsflow.redax.rundoc import NS_PER_S, Run
from xamsflow.settings.detector import Detector
from xamsflow.state.receipts import Receipt

USUAL_RECORD_LENGTH = 110
USUAL_CHUNK = 5 * NS_PER_S
USUAL_OVERLAP = NS_PER_S // 2
"""redax's defaults."""


@dataclass(frozen=True)
class Verification:
    """The result of checking a run's live data; `findings` are in the same form as in receipts."""

    run_id: str
    folder: Path
    verdict: Verdict
    findings: list[dict[str, Any]]
    n_chunks: int
    n_records: int
    n_bytes: int

    def as_json(self) -> dict[str, Any]:
        """Return the result as plain data."""
        return {
            "run_id": self.run_id,
            "folder": str(self.folder),
            "verdict": self.verdict.value,
            "findings": self.findings,
            "n_chunks": self.n_chunks,
            "records_on_disk": self.n_records,
            "bytes": self.n_bytes,
        }


def verify_run(
    folder: Path,
    detector: Detector,
    document: Mapping[str, Any] | None = None,
    transferred: Receipt | None = None,
    meter: Meter | None = None,
) -> Verification:
    """Read a run's `folder` and return everything that is wrong with it.

    Without the run's `document`, the function infers its contents from the files or assumes redax's
    defaults. If the transfer's receipt `transferred` is given, the files are compared with it.
    `meter` records the progress. Raises TransientError if the run cannot be read,
    ConfigurationError if access to it is denied.
    """
    findings = Findings(folder.name, stop=False)
    run = None if document is None else _parse(document, folder, findings)
    if document is None:
        findings.add(
            "no_run_document",
            "there is no run document: readers and compressor are inferred from the files, and "
            "chunks of 5 s, overlaps of 0.5 s and 110 samples per record are assumed",
        )
    if transferred is not None:
        _compare(folder, transferred, findings)
    form = _assumed(folder) if run is None else _told(run)
    reader = Reader(folder, form, Channels.of_detector(detector), findings)
    for chunk in range(reader.n_chunks):
        reader.main(chunk)
        reader.overlap(chunk)
        if meter is not None:
            all_bytes = reader.n_bytes * reader.n_chunks // (chunk + 1)  # assuming similar chunks
            n_chunks = reader.n_chunks
            meter.reach("checks", reader.n_bytes, all_bytes, chunk=chunk + 1, n_chunks=n_chunks)
    reader.finish()
    if run is not None:
        plausibility.check(run, detector, reader.channels_with_data, reader.n_bytes, findings)
    return Verification(
        run_id=folder.name,
        folder=folder,
        verdict=findings.verdict,
        findings=findings.listed,
        n_chunks=reader.n_chunks,
        n_records=reader.n_records,
        n_bytes=reader.n_bytes,
    )


def _parse(document: Mapping[str, Any], folder: Path, findings: Findings) -> Run | None:
    try:
        run = rundoc.parse(document)
    except BadDataError as error:
        findings.add("T31", str(error))
        return None
    if run.end is None:
        newest = max((path.stat().st_mtime for path in folder.rglob("*")), default=0.0)
        age = (clock.now().timestamp() - newest) / 60
        findings.add(
            "T29",
            f"the run has no end: it is still being taken, or the DAQ crashed (the newest file is "
            f"{age:.0f} min old)",
        )
    elif run.end < run.start:
        findings.add("T31", "the run document has an end before its start")
    return run


def _told(run: Run) -> Format:
    known = run.end is not None and run.end >= run.start
    return Format(
        readers=run.readers,
        compressor=run.compressor,
        record_length=run.record_length,
        chunk_duration=run.chunk_duration,
        overlap_duration=run.overlap_duration,
        duration=(run.end or 0) - run.start if known else None,
        buffered_chunks=run.buffered_chunks,
        enabled_inputs=run.enabled_inputs,
    )


def _assumed(folder: Path) -> Format:
    starts: Counter[bytes] = Counter()
    for path in sorted(folder.glob("[0-9]*/*"))[:20]:
        if path.is_file():
            with path.open("rb") as file:
                starts[file.read(len(LZ4_MAGIC))] += 1
    del starts[b""]
    is_blosc = bool(starts) and starts.most_common(1)[0][0] != LZ4_MAGIC
    return Format(
        readers=None,
        compressor="blosc" if is_blosc else "lz4",
        record_length=USUAL_RECORD_LENGTH,
        chunk_duration=USUAL_CHUNK,
        overlap_duration=USUAL_OVERLAP,
        duration=None,
    )


def _compare(folder: Path, transferred: Receipt, findings: Findings) -> None:
    """Compare names, sizes and checksums with those at the end of the transfer."""
    expected = {file["path"]: file for file in transferred["files"]}
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    for name in sorted(expected.keys() | found.keys()):
        if name not in found or name not in expected:
            what = "is gone" if name not in found else "is new"
            findings.add("changed_since_transfer", f"{folder / name} {what} since the transfer")
            continue
        try:
            with found[name].open("rb") as file:
                checksum = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise TransientError(f"cannot read {found[name]} ({error.strerror})") from error
        if checksum != expected[name]["sha256"]:
            findings.add(
                "changed_since_transfer",
                f"{folder / name} has changed since the transfer",
            )
