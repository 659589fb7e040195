"""What redax's format says of a simulated run's folder, checked."""

import re
from typing import Any

import numpy as np

from redax_folder import FILE_NAME, THE_END, RedaxFolder
from xamsflow.simulate import SimulatedRun, truth


def check_format(folder: RedaxFolder, run: SimulatedRun) -> None:
    """Check all that redax's format says of any run that ended normally."""
    assert {path.name for path in folder.path.parent.iterdir() if path.is_dir()} == {run.run_id}
    names = re.compile(r"\d{6}(_pre|_post)?(_temp)?|THE_END")
    assert all(names.fullmatch(path.name) for path in folder.path.iterdir())
    assert not (folder.path / "000000_pre").exists()
    assert not list(folder.path.glob("*_temp/*"))
    assert {path.name for path in folder.path.glob("THE_END/*")} == set(folder.threads)
    for thread in folder.threads:
        check_thread(folder, run, thread)
    np.testing.assert_array_equal(
        folder.unique_records().view(np.uint8), truth(run).view(np.uint8).ravel()
    )


def check_thread(folder: RedaxFolder, run: SimulatedRun, thread: str) -> None:
    name = FILE_NAME.fullmatch(thread)
    assert name
    assert int(name["reader"].rpartition("_")[2]) < run.readers
    assert folder.raw("THE_END", thread) == THE_END
    main, post, pre = (folder.parts_of(thread, suffix) for suffix in ("", "_post", "_pre"))
    last = len(main) - 1
    assert main == list(range(len(main)))
    assert post in (main, main[:-1])
    assert pre == [chunk + 1 for chunk in post]
    for chunk in main:
        begin = chunk * run.period_ns
        part = f"{chunk:06d}"
        records = check_part(folder, thread, part, begin, begin + run.chunk_ns)
        if chunk == last:
            assert len(records)  # otherwise there would be no part at all
        if chunk in post:
            end = begin + run.period_ns
            overlap = check_part(folder, thread, f"{part}_post", begin + run.chunk_ns, end)
            assert len(overlap) or chunk < last
            following = f"{chunk + 1:06d}_pre"
            assert folder.raw(f"{part}_post", thread) == folder.raw(following, thread)
            has_temp = (folder.path / f"{following}_temp").is_dir()
            assert has_temp or not len(overlap)


def check_part(folder: RedaxFolder, thread: str, part: str, begin: int, end: int) -> Any:
    records = folder.records(part, thread)
    assert ((begin <= records["time"]) & (records["time"] < end)).all()
    assert (folder.raw(part, thread) == b"") == (len(records) == 0)
    if len(records):
        assert (folder.path / f"{part}_temp").is_dir()
    n = folder.payload // 2
    assert ((records["length"] > 0) & (records["length"] <= n)).all()
    is_last = records["record_i"] == (records["pulse_length"] - 1) // n
    assert (records["length"][~is_last] == n).all()
    for channel in np.unique(records["channel"]):
        assert (np.diff(records["time"][records["channel"] == channel]) > 0).all()
    return records
