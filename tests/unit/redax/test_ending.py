from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from live_folder import READER, THREADS, make_run, run_document, write
from xamsflow.base.errors import BadDataError, StillTakenError
from xamsflow.redax import ending, rundoc
from xamsflow.transfer import source

FIRST, SECOND = (f"{READER}_{thread}" for thread in THREADS)


def check(folder: Path, *, minutes: float = 60, threads: int = 2) -> list[str]:
    readers = {READER: threads}
    run = rundoc.parse(run_document(ended_ago=timedelta(minutes=minutes), readers=readers))
    listing = source.find(None, str(folder.parent), folder.name)[1]
    assert listing is not None
    return ending.check(run, listing, str(folder), datetime.now(UTC))


def may_begin(folder: Path, *, minutes: float, threads: int) -> bool:
    readers = {READER: threads}
    run = rundoc.parse(run_document(ended_ago=timedelta(minutes=minutes), readers=readers))
    listing = source.find(None, str(folder.parent), folder.name)[1]
    assert listing is not None
    return ending.may_begin(run, listing, str(folder), datetime.now(UTC))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_run(tmp_path)


def test_complete(folder: Path) -> None:
    assert check(folder) == [FIRST, SECOND]
    assert check(folder, minutes=0) == [FIRST, SECOND]


def test_no_end_in_the_document(folder: Path) -> None:
    listing = source.find(None, str(folder.parent), folder.name)[1]
    assert listing is not None
    with pytest.raises(StillTakenError, match="still being taken"):
        ending.check(
            rundoc.parse(run_document(ended_ago=None)), listing, "there", datetime.now(UTC)
        )


def test_one_thread_still_flushes(folder: Path) -> None:
    (folder / "THE_END" / SECOND).unlink()
    with pytest.raises(StillTakenError, match=SECOND):
        check(folder, minutes=9)


def test_one_thread_crashed(folder: Path) -> None:
    (folder / "THE_END" / SECOND).unlink()
    with pytest.raises(BadDataError, match=f"{SECOND}.*crashed"):
        check(folder, minutes=11)


def test_no_the_end_at_all(folder: Path) -> None:
    for name in (FIRST, SECOND):
        (folder / "THE_END" / name).unlink()
    (folder / "THE_END").rmdir()
    with pytest.raises(BadDataError, match=f"{FIRST}, {SECOND}"):
        check(folder)


def test_thread_seen_in_one_folder_only_must_finish_too(folder: Path) -> None:
    late = f"{READER}_1"
    write(folder / "000001_temp" / late, b"x")
    with pytest.raises(StillTakenError, match=late):
        check(folder, minutes=1, threads=3)


def test_idle_threads(folder: Path) -> None:
    assert check(folder, threads=4) == [FIRST, SECOND]


@pytest.mark.parametrize("minutes", [-3, 0, 2, 9])
def test_thread_that_has_not_written_yet_may_be_late(folder: Path, minutes: float) -> None:
    """Whatever clocks that differ by minutes say."""
    assert may_begin(folder, minutes=minutes, threads=4)
    assert not may_begin(folder, minutes=minutes, threads=2)
    assert not may_begin(folder, minutes=11, threads=4)


def test_clock_of_the_database_ahead(folder: Path) -> None:
    (folder / "THE_END" / SECOND).unlink()
    with pytest.raises(StillTakenError):
        check(folder, minutes=-3)


@pytest.mark.parametrize(
    "path",
    [
        "000000/stranger_reader_0_1",
        "000000/.xams-daq_reader_0_139811453138688.Xa4Tz1",
        "000000/xams-daq_reader_0_139811453138688~",
        "000000/xams-daq_reader_0_",
        "000000/xams-daq_reader_0",
        "notes.txt",
        "xams-daq_reader_0_139811453138688",
        "000000/more/xams-daq_reader_0_139811453138688",
        "THE_END/somebody_1",
    ],
)
def test_foreign_file(folder: Path, path: str) -> None:
    write(folder / path, b"x")
    with pytest.raises(BadDataError) as caught:
        check(folder)
    assert path in str(caught.value)


def test_more_threads_than_configured(folder: Path) -> None:
    write(folder / "000001" / f"{READER}_1", b"x")
    with pytest.raises(BadDataError, match="two runs"):
        check(folder)


def test_file_left_behind(folder: Path) -> None:
    write(folder / "000001_post_temp" / FIRST, b"x")
    with pytest.raises(BadDataError, match=f"000001_post_temp/{FIRST} is unfinished"):
        check(folder)


def test_run_without_data(tmp_path: Path) -> None:
    folder = tmp_path / "000932"
    folder.mkdir()
    assert check(folder) == []
    assert may_begin(folder, minutes=0.5, threads=2)


def test_folders_without_files(tmp_path: Path) -> None:
    folder = tmp_path / "000932"
    (folder / "000000_temp").mkdir(parents=True)
    with pytest.raises(BadDataError, match="crashed"):
        check(folder)
    with pytest.raises(StillTakenError):
        check(folder, minutes=5)
