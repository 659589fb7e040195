from dataclasses import replace
from pathlib import Path

import pytest

from live_folder import make_run, run_document
from xamsflow.base.errors import (
    BadDataError,
    ConfigurationError,
    StillTakenError,
    TransientError,
)
from xamsflow.settings.config import Daq, Source, SshHost
from xamsflow.transfer import Search, parent_on_daq

DAQ_HOST = SshHost("xams-daq")


def document(*places: tuple[object, object]):
    live = [{"type": "live", "host": host, "location": location} for host, location in places]
    return run_document() | {"data": live}


def test_a_copys_folder_is_not_searched_for_on_the_daq_host():
    daq = Daq(DAQ_HOST, None, "stbc", ("dcache",))
    listed = document(("dcache", "/dcache"), ("stbc", "/live"), ("daq", "/daq"))
    assert parent_on_daq(listed, daq) == "/daq"
    left = document(("dcache", "/dcache"), ("stbc", "/live"))
    with pytest.raises(ConfigurationError, match="does not say where"):
        parent_on_daq(left, daq)
    # The DAQ may write to a disk of the cluster, but not to one of the sources.
    assert parent_on_daq(left, replace(daq, ssh=None)) == "/live"


@pytest.mark.parametrize("host", [None, 7, ["daq"], {"name": "daq"}])
def test_a_host_that_is_no_text_is_not_one_of_the_sources(host):
    assert parent_on_daq(document((host, "/daq")), Daq(None, None, "stbc", ("dcache",))) == "/daq"


def test_all_folders_of_a_source_are_asked_in_the_order_of_the_document():
    daq = Daq(DAQ_HOST, Path("/daq"), "stbc", ("dcache",))
    listed = document(("dcache", "/b"), ("dcache", "/a"), ("dcache", "/b"), ("dcache", 7))
    search = Search(listed, daq, [Source("dcache", None, None), daq])
    assert list(map(str, search.where)) == ["dcache (/b)", "dcache (/a)", "daq (xams-daq:/daq)"]
    assert search.on_daq == search.where[-1]
    relative = Search(document(("dcache", "b")), daq, [Source("dcache", None, None), daq])
    assert "expected an absolute path" in str(relative.passed_over[0])


def test_without_other_sources_the_error_is_the_daqs_own(tmp_path):
    daq = Daq(None, tmp_path)
    search = Search(document(), daq, ())
    assert list(search.complete()) == []
    (tmp_path / "000932").touch()
    again = Search(document(), daq, [daq])
    assert list(again.complete()) == []
    assert str(search.error()).startswith(f"{tmp_path}/000932 is missing: the DAQ never had")
    assert "is not a folder" in str(again.error())


def test_what_a_person_must_do_follows_from_the_place_that_may_have_the_run(tmp_path):
    """A place that could not be asked may have it, and then a setting may be wrong."""
    here = make_run(tmp_path / "here")
    nowhere, empty = tmp_path / "unmounted", tmp_path / "empty"
    empty.mkdir()
    daq = Daq(None, empty)

    def error(*sources: Source, **about):
        search = Search(run_document(**about), daq, [*sources, daq])
        assert list(search.complete()) == []
        return search.error()

    gone, away = Source("gone", None, empty), Source("away", None, nowhere)
    nameless = Source("nameless", None, None)
    part = Source("part", None, here.parent)
    (here / "THE_END").rename(tmp_path / "the end")
    assert type(error(gone)) is BadDataError
    assert type(error(gone, part)) is BadDataError
    assert type(error(nameless, part)) is ConfigurationError
    assert type(error(nameless, part, away)) is TransientError
    assert "is its disk mounted?" in error(nameless, part, away).remedy
    assert type(error(away, part, ended_ago=None)) is StillTakenError
