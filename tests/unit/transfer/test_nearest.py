from dataclasses import replace
from pathlib import Path

import pytest

from live_folder import READER, THREADS, make_run, run_document
from xamsflow.base.errors import (
    BadDataError,
    ConfigurationError,
    ResourcesError,
    StillTakenError,
    TransientError,
    XamsflowError,
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
    assert type(error(nameless)) is BadDataError, "nobody has it"
    assert type(error(nameless, part)) is BadDataError
    assert type(error(nameless, part, away)) is TransientError
    assert "is its disk mounted?" in error(nameless, part, away).remedy
    assert type(error(away, part, ended_ago=None)) is StillTakenError


def test_a_copy_that_lacks_parts_is_the_last_choice(tmp_path):
    near, far = make_run(tmp_path / "near"), make_run(tmp_path / "far")
    daq = Daq(None, tmp_path / "daq")
    daq.live_data.mkdir()
    sources = [Source("near", None, near.parent), Source("far", None, far.parent), daq]

    def copies(*more: Source):
        search = Search(run_document(), daq, [*sources, *more])
        return [one.name for one in search.complete()], search

    assert copies()[0] == ["near", "far"]
    for lost in (near / "000001" / f"{READER}_{THREADS[0]}", near / "000000"):
        lost.rename(tmp_path / lost.name)
        assert copies()[0] == ["far", "near"]
    (far / "000000").rename(tmp_path / "also lost")
    names, search = copies()
    assert names == ["near", "far"], "the DAQ may never have written it"
    assert [one.name for one in search.passed_over] == ["daq"]
    names, search = copies(Source("away", None, tmp_path / "unmounted"))
    assert names == [], "one that is away may have all"
    assert type(search.error()) is TransientError
    assert "near: run 000932: T8: " in str(search.error())


def test_any_class_of_error_can_be_the_answer(tmp_path):
    kinds = (XamsflowError, BadDataError, ConfigurationError, ResourcesError, TransientError)
    search = Search(document(), Daq(None, tmp_path), ())
    for kind in (kinds[0], *kinds):
        search.pass_over("one", kind(kind.__name__))
        search.pass_over("other", kind("again"))
        assert type(search.error()) is kind


def test_the_copy_here_is_not_its_own_source(tmp_path):
    """Only the DAQ may write to the folder of the copies."""
    own = make_run(tmp_path / "live").parent
    (tmp_path / "link").symlink_to(own)
    elsewhere = tmp_path / "amstrax"
    make_run(elsewhere)
    daq = Daq(None, tmp_path / "daq", "stbc", ("stbc", "link"), copies_in=own)
    daq.live_data.mkdir()
    sources = [Source("stbc", None, None), Source("link", None, tmp_path / "link"), daq]
    registered = document(("stbc", f"{own}/"), ("stbc", str(elsewhere)))
    assert [str(one.folder) for one in Search(registered, daq, sources).complete()] == [
        str(elsewhere / "000932")
    ]
    only_ours = Search(document(("stbc", str(own))), daq, sources)
    assert list(only_ours.complete()) == []
    assert [(one.name, one.gone) for one in only_ours.passed_over] == [
        ("stbc", True),
        ("link", True),
        ("daq", True),
    ]
    shared = replace(daq, live_data=own)
    (found,) = Search(document(), shared, [shared]).complete()
    assert found.folder.path == str(own / "000932")
