"""Whatever the bytes are: a value or the documented error, no crash, and memory within bounds.

The same targets are fuzzed for longer, guided by coverage, by ``make fuzz``.
"""

import resource
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz import targets
from live_records import compress, pulse

RECORDS = np.concatenate([pulse(1000, 0, 500), pulse(9000, 2, 300)])
COMPRESSORS = ("lz4", "blosc")
QUICK = settings(max_examples=150, deadline=None)


@QUICK
@given(data=st.binary(max_size=600), compressor=st.sampled_from(COMPRESSORS))
def test_any_bytes(data: bytes, compressor: str) -> None:
    targets.live_file(data, compressor)


@QUICK
@given(data=st.data(), compressor=st.sampled_from(COMPRESSORS))
def test_damaged_frames(data: st.DataObject, compressor: str) -> None:
    frame = bytearray(compress(RECORDS.tobytes(), compressor))
    for _ in range(data.draw(st.integers(1, 4))):
        # Headers are where sizes are claimed.
        at = data.draw(st.integers(0, 30) | st.integers(0, len(frame) - 1))
        frame[at] = data.draw(st.integers(0, 255))
    targets.live_file(bytes(frame), compressor)


@QUICK
@given(data=st.data())
def test_damaged_records(data: st.DataObject) -> None:
    raw = bytearray(RECORDS.tobytes())
    for _ in range(data.draw(st.integers(1, 6))):
        record = data.draw(st.integers(0, len(RECORDS) - 1))
        at = data.draw(st.integers(0, 30))
        raw[record * RECORDS.itemsize + at] = data.draw(st.integers(0, 255))
    targets.check_records(np.frombuffer(bytes(raw), targets.DTYPE))


PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.datetimes()
    | st.binary(max_size=5)
)
ANYTHING = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner),
    max_leaves=8,
)


def valid() -> dict[str, Any]:
    return {
        "number": 7,
        "mode": "test",
        "start": datetime(2026, 1, 5, tzinfo=UTC),
        "end": datetime(2026, 1, 6, tzinfo=UTC),
        "tags": [{"name": "a"}],
        "rate": {"xams": {"avg": 1.0}},
        "data": [{"type": "live", "location": "/data"}],
        "daq_config": {
            "processing_threads": {"reader_0": 2},
            "compressor": "lz4",
            "strax_fragment_payload_bytes": 220,
            "strax_chunk_length": 5,
            "strax_chunk_overlap": 0.5,
            "boards": [{"board": 77, "type": "V1730", "host": "h"}],
            "channels": {"77": [0, 1]},
        },
    }


@QUICK
@given(data=st.data())
def test_run_documents(data: st.DataObject) -> None:
    document = valid()
    for _ in range(data.draw(st.integers(1, 3))):
        section = document
        if data.draw(st.booleans()) and isinstance(document["daq_config"], dict):
            section = document["daq_config"]
        key = data.draw(st.sampled_from(sorted(section)) if section else st.just("number"))
        section[key] = data.draw(ANYTHING)
    targets.run_document(document)


@QUICK
@given(data=st.binary(max_size=300))
def test_run_documents_as_files(data: bytes) -> None:
    targets.run_document_file(data)


@pytest.mark.parametrize(
    "frame",
    [
        # 1 kB that claims a TB, in the frame's header.
        "lz4 b'\\x04\\x22\\x4d\\x18\\x68\\x40' + (2**40).to_bytes(8, 'little') + bytes(1000)",
        # 1 kB of blosc that claims 2 GiB.
        "blosc b'\\x02\\x01\\x00\\x01' + b'\\xff\\xff\\xff\\x7f' + b'\\x00\\x00\\x04\\x00'"
        " + (1000).to_bytes(4, 'little') + bytes(984)",
        # A frame of zeros that is true: 16 MB shrink to 64 kB, and back, but not to more.
        "lz4 lz4.frame.compress(bytes(244 * 65_536))",
    ],
)
def test_memory_stays_within_bounds(frame: str) -> None:
    compressor, _, expression = frame.partition(" ")
    code = f"""
        import contextlib, resource, lz4.frame
        from fuzz import targets
        data = {expression}
        assert len(data) < 100_000
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with contextlib.suppress(targets.DamagedFileError):
            targets.files.decode(data, {compressor!r}, targets.DTYPE)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30)),
    )
    assert int(ran.stdout) < 100_000  # kB
