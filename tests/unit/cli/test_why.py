"""What `xamsflow why` says about the data of a run; its conditions are tested with selection."""

import pytest

from live_folder import run_document
from xamsflow.cli import why
from xamsflow.settings import config
from xamsflow.state import layout, receipts


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "mine.yaml"
    file.write_text(
        "daq: {host: xams-daq, live_data: /daq}\n"
        "sources: [{name: dcache, live_data: /dcache}, {name: archive, host: tape}, daq]\n"
    )
    return config.load([file])


def test_where_the_live_data_would_come_from(settings):
    assert why.live_data(run_document(), settings) == [
        "Live data: to be copied from dcache (/dcache), then daq (xams-daq:/daq)",
        "  not from archive: the run document of 000932 lists no live data on archive",
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"host": "daq", "path": "/daq"}, "here, from daq (daq:/daq)"),  # of an earlier version
        ({"name": "tape", "host": "t", "path": "/a"}, "here, from tape (t:/a)"),
        ({"name": None, "host": "here", "path": "/live"}, "complete here, but no source had them"),
    ],
)
def test_where_the_live_data_came_from(settings, source, expected):
    needed = {"run_id": "000932", "bytes": 1, "files": [], "destination": "/live/000932"}
    receipt = needed | {"run_document": {}, "compared": "checksums", "source": source}
    path = layout.transfer_receipt("000932")
    receipts.write(path, receipt | {"source": source | {"passed_over": ["dcache: away"]}})
    first, second = why.live_data(run_document(), settings)
    assert expected in first
    assert second == "  not from dcache: away"


def test_data_of_other_tools_are_named():
    amstrax = {"host": "stbc", "location": "/p", "lineage_hash": "x", "user": "bob"}
    ours = {"protocol": "FileSytemBackend", "by": "ann", "lineage_hash": "x", "type": "peaks"}
    document = run_document()
    document["data"] += [{**amstrax, "type": "peaks"}, {**amstrax, "type": "events"}, ours, "?"]
    document["data"] += [{"type": "peaks", "host": 7}]
    assert why.other_tools(document) == [
        "Not counted here: events, peaks by amstrax on stbc (xamsflow show)",
        "Not counted here: peaks by another tool on 7 (xamsflow show)",
    ]
