import pytest

from xamsflow.base.meter import Meter, Progress
from xamsflow.run import progress


def made(**changes):
    return Progress(
        **{
            "what": "records",
            "bytes_done": 30e6,
            "n_bytes": 120_000_000,
            "chunk": 3,
            "n_chunks": 12,
            "elapsed_s": 10.0,
        }
        | changes
    )


def test_rate_and_time_left_are_those_of_the_live_data():
    assert made().mb_per_s == pytest.approx(3)
    assert made().time_left_s == pytest.approx(30)
    assert made().fields() == {
        "what": "records",
        "chunk": 3,
        "n_chunks": 12,
        "percent": 25,
        "mb_per_s": 3.0,
        "time_left_s": 30,
    }
    assert str(made()) == "records: 3 of 12 chunks, 3.0 MB/s, 30 s left"


def test_without_chunks_it_is_told_in_bytes():
    copying = made(what="copying", chunk=None, n_chunks=None)
    assert str(copying) == "copying: 30 of 120 MB, 3.0 MB/s, 30 s left"


def test_what_is_not_known_yet_is_left_open():
    first = made(bytes_done=0, chunk=0, elapsed_s=0.0)
    assert str(first) == "records: 0 of 12 chunks"
    assert first.fields() | {"mb_per_s": None, "time_left_s": None} == first.fields()
    empty = made(bytes_done=0, n_bytes=0, chunk=0, n_chunks=0)
    assert empty.percent is None
    assert empty.time_left_s is None


def test_a_new_piece_of_work_begins_anew():
    meter = Meter()
    assert meter.read() is None
    meter.reach("records", 5, 10, chunk=1, n_chunks=2)
    meter.reach("records", 10, 10, chunk=2, n_chunks=2)
    first = meter.read()
    assert first is not None
    assert (first.chunk, first.n_chunks, first.bytes_done) == (2, 2, 10)
    assert first.elapsed_s > 0
    meter.reach("peaks", 0, 10, chunk=0, n_chunks=2)
    second = meter.read()
    assert second is not None
    assert second.elapsed_s == 0


def test_chunks_are_counted_by_their_main_folders():
    paths = ["000000/r_1", "000000/r_2", "000000_post/r_1", "000001_pre/r_1", "000001/r_1"]
    assert progress.n_chunks({"path": path} for path in [*paths, "THE_END/r_1"]) == 2
    assert progress.n_chunks([]) == 0
