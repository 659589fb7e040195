"""What is fuzzed: bytes as files of live data, and as run documents.

A target must end in a value or in the error that is documented, whatever the bytes are.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from xamsflow.base.errors import BadDataError
from xamsflow.redax import files, records, rundoc
from xamsflow.redax.files import DamagedFileError
from xamsflow.redax.findings import Findings
from xamsflow.redax.pulses import PulseTracker
from xamsflow.redax.reader import Format
from xamsflow.redax.records import Channels
from xamsflow.settings.detector import Detector, load

DETECTOR: Detector = load("xamsl")
CHANNELS = Channels.of_detector(DETECTOR)
DTYPE = Format(None, "lz4", 110, 5 * 10**9, 5 * 10**8, None).dtype
WINDOW = (0, 5 * 10**9)


def live_file(data: bytes, compressor: str) -> None:
    """Decode a file and check its records, as the reader does."""
    with contextlib.suppress(DamagedFileError):
        check_records(files.decode(data, compressor, DTYPE))


def check_records(found: files.Records) -> None:
    """Check records and follow their pulses, whatever is in them."""
    findings = Findings("000007", stop=False)
    headers = records.check(
        found,
        Path("file"),
        window=WINDOW,
        channels=CHANNELS,
        may_roll_over=True,
        findings=findings,
        chunk=0,
    )
    if headers is not None:
        pulses = PulseTracker(110, findings)
        order = np.lexsort((found["channel"], found["time"]))
        pulses.follow(headers, order, "part", 0, after_empty=False)
        pulses.finish()


def run_document(document: Any) -> None:
    """Read a run document."""
    with contextlib.suppress(BadDataError):
        run = rundoc.parse(document)
        assert 0 <= run.number <= 999_999
        assert run.chunk_duration > 0
        assert all(threads >= 1 for threads in run.readers.values())


def run_document_file(data: bytes) -> None:
    """Read a run document from extended JSON."""
    try:
        parsed = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(parsed, dict):
        with contextlib.suppress(BadDataError):
            run_document(rundoc.from_json(parsed))
