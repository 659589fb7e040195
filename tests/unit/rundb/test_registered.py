from datetime import UTC, datetime

import pytest

from xamsflow.run import publish
from xamsflow.rundb import RunSummary, registered
from xamsflow.rundb.registered import Tool
from xamsflow.views import run_table

START = datetime(2024, 3, 1, tzinfo=UTC)

LINEAGE = {"records": ("Records", "1.0", {})}

DAQ = {"type": "live", "host": "daq", "location": "/daq"}
COPY_OF_AMSTRAX_1 = {"type": "live", "host": "stoomboot", "location": "/data/xams"}
COPY_OF_AMSTRAX = {"type": "live", "host": "stbc", "location": "/live", "by": "bob", "time": 1}
MADE_BY_AMSTRAX = {
    "type": "records", "host": "stbc", "location": "/processed", "user": "bob", "time": 1,
    "n_chunks": 3, "size_mb": 5.0, "lineage_hash": "abc", "amstrax_version": "2.1",
}  # fmt: skip
MADE_BY_STRAX = {
    "type": "records", "host": "wn-1.nikhef.nl", "location": "/processed/000932-records-abc",
    "protocol": "FileSytemBackend", "meta": {"lineage": LINEAGE},
}  # fmt: skip


def ours():
    source = {"name": "dcache", "host": "here", "path": "/dcache/000932"}
    transfer = {"destination": "/live/000932", "bytes": 5_000_000, "source": source}
    facts = {
        "path": "/processed/000932-records-abc", "lineage": LINEAGE, "lineage_hash": "abc",
        "n_chunks": 3, "n_items": 7, "bytes": 5_000_000,
    }  # fmt: skip
    return [publish.live_entry(transfer, "stbc"), publish.data_entry("records", facts, "stbc")]


@pytest.mark.parametrize(
    ("entry", "tool"),
    [
        (DAQ, Tool.DAQ),
        (COPY_OF_AMSTRAX_1, Tool.AMSTRAX),
        (COPY_OF_AMSTRAX, Tool.AMSTRAX),
        (MADE_BY_AMSTRAX, Tool.AMSTRAX),
        (MADE_BY_STRAX, Tool.STRAX),
        ({**MADE_BY_STRAX, "lineage_hash": "abc"}, Tool.UNKNOWN),
        ({**MADE_BY_STRAX, "protocol": "ZipDirectory"}, Tool.UNKNOWN),
        ({}, Tool.UNKNOWN),
        ({"type": ["live"], "by": 7, "protocol": {}, "host": None}, Tool.UNKNOWN),
    ],
)
def test_entries_of_other_tools_are_not_ours(entry, tool):
    assert registered.tool(entry) is tool
    assert not registered.is_ours(entry, str(entry.get("host")))


def test_the_source_of_the_live_data_is_registered():
    entry, _ = ours()
    assert entry["source"] == "dcache"
    row = RunSummary.of({"number": 932, "data": [DAQ, entry]})
    assert row.source == "dcache"
    assert RunSummary.of({"number": 932, "data": [DAQ, {**entry, "source": 7}]}).source is None
    assert "dcache" in run_table.table([row], START, (), None)
    from_daq = RunSummary.of({"number": 932, "data": [{**entry, "source": "daq"}]})
    assert "daq" not in run_table.table([from_daq], START, (), None), "that is the usual one"


def test_what_is_published_is_ours_on_this_cluster_only():
    for entry in ours():
        assert registered.tool(entry) is Tool.XAMSFLOW
        assert registered.is_ours(entry, "stbc")
        assert not registered.is_ours(entry, "another cluster")
        assert not registered.is_ours({**entry, "location": None}, "stbc")
