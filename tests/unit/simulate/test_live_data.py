import struct
from dataclasses import replace
from pathlib import Path

import lz4.frame
import numpy as np
import pytest
import strax
from hypothesis import given, settings
from hypothesis import strategies as st

from redax_checks import check_format
from redax_folder import FILE_NAME, THE_END, RedaxFolder, decode, record_dtype
from xamsflow.base.errors import ConfigurationError
from xamsflow.settings import detector
from xamsflow.simulate import LiveRun, SimulatedRun, simulate, truth
from xamsflow.simulate.live_data import compress

XAMSL = detector.load("xamsl")
NORMAL = SimulatedRun(932, XAMSL, duration=12, rate=200, border_pulses=True)
SHORT_CHUNKS = SimulatedRun(
    932, XAMSL, duration=0.5, rate=1000, chunk_length=0.09, chunk_overlap=0.01, border_pulses=True
)


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def written(run, parent):
    simulate(run, parent)
    return RedaxFolder(parent / run.run_id, run.compressor, run.fragment_payload)


@pytest.fixture(scope="module")
def normal(tmp_path_factory):
    return written(NORMAL, tmp_path_factory.mktemp("live"))


def test_usual_run(normal):
    check_format(normal, NORMAL)
    assert normal.n_chunks == 3
    assert len(normal.threads) == 1


@given(
    readers=st.integers(1, 2),
    threads=st.integers(1, 3),
    idle_threads=st.integers(0, 1),
    compressor=st.sampled_from(["lz4", "blosc"]),
    fragment_payload=st.sampled_from([220, 96, 1000]),
    rate=st.sampled_from([0.0, 3.0, 30.0, 2000.0]),
    s2_fraction=st.sampled_from([0.0, 0.2]),
    border_pulses=st.booleans(),
    duration=st.floats(0.001, 0.3),
    seed=st.integers(0, 100),
)
@settings(deadline=None, max_examples=40, derandomize=True)
def test_any_run(tmp_path_factory, idle_threads, threads, **choices):
    run = SimulatedRun(
        7,
        XAMSL,
        chunk_length=0.05,
        chunk_overlap=0.02,
        threads=threads + idle_threads,
        idle_threads=idle_threads,
        **choices,
    )
    folder = written(run, tmp_path_factory.mktemp("live"))
    check_format(folder, run)
    assert len(folder.threads) <= run.readers * threads


def test_pulses_are_spread_over_two_folders_at_the_borders(normal):
    (thread,) = normal.threads
    for before, after in (("000000", "000000_post"), ("000000_post", "000001")):
        first, second = normal.records(before, thread), normal.records(after, thread)
        continued = 0
        for channel in range(4):
            head = first[first["channel"] == channel][-1]
            tail = second[second["channel"] == channel][0]
            if tail["record_i"]:
                assert tail["record_i"] == head["record_i"] + 1
                assert tail["time"] == head["time"] + 110 * head["dt"]
                continued += 1
        assert continued == 3  # of the fourth pulse the last record sticks out
    everything = normal.unique_records()
    since_border = (everything["time"] + everything["length"].astype(int) * everything["dt"]) % (
        NORMAL.period_ns
    )
    sticks_out = since_border - np.int64(NORMAL.chunk_ns)
    assert ((sticks_out > 0) & (sticks_out < 1100)).any()


def test_order_is_event_then_channel_and_not_time(normal):
    (thread,) = normal.threads
    records = normal.records("000000", thread)
    assert (np.diff(records["time"]) < 0).any()
    # One board after the other within a batch, and within the board's events channel by channel.
    fast = records[np.isin(records["channel"], (0, 1))]
    first = fast[fast["record_i"] == 0]
    close = np.abs(np.diff(first["time"].astype(int))) <= 4
    assert close.mean() > 0.3
    assert (np.diff(first["channel"].astype(int))[close] == 1).all()
    same_pulse = np.diff(fast["record_i"].astype(int)) == 1
    assert same_pulse.sum() == (fast["record_i"] > 0).sum()


def test_last_chunk_has_an_overlap_only_if_there_are_data(tmp_path):
    run = replace(SHORT_CHUNKS, border_pulses=False)
    ended_in_main = written(replace(run, number=1, duration=0.25), tmp_path)
    ended_in_overlap = written(replace(run, number=2, duration=0.199), tmp_path)
    (thread,) = ended_in_main.threads
    assert ended_in_main.parts_of(thread) == [0, 1, 2]
    assert ended_in_main.parts_of(thread, "_post") == [0, 1]
    (thread,) = ended_in_overlap.threads
    assert ended_in_overlap.parts_of(thread) == [0, 1]
    assert ended_in_overlap.parts_of(thread, "_post") == [0, 1]
    assert ended_in_overlap.parts_of(thread, "_pre") == [1, 2]


def test_threads_may_end_in_different_chunks_and_idle_ones_have_no_files(tmp_path):
    run = replace(SHORT_CHUNKS, threads=3, idle_threads=1, duration=0.2018, border_pulses=False)
    folder = written(run, tmp_path)
    assert len(folder.threads) == 2
    assert sorted(len(folder.parts_of(thread)) for thread in folder.threads) == [2, 3]
    assert len(list(folder.path.glob("THE_END/*"))) == 2
    assert len(list(folder.path.glob("000002/*"))) == 1


def test_empty_parts_are_files_of_0_bytes(tmp_path):
    run = SimulatedRun(
        932, XAMSL, duration=2, rate=4, chunk_length=0.05, chunk_overlap=0.05, threads=2
    )
    folder = written(run, tmp_path)
    check_format(folder, run)
    empty = [path for path in folder.path.rglob("*") if path.is_file() and not path.stat().st_size]
    assert len(empty) > 10
    assert {path.parent.name for path in empty} > {"000000_post", "000001_pre"}


def test_run_without_data_is_an_empty_folder(tmp_path):
    document = simulate(replace(SHORT_CHUNKS, rate=0, border_pulses=False), tmp_path)
    assert list((tmp_path / "000932").iterdir()) == []
    assert document["rate"] == {"xamsl": {"avg": 0.0, "max": 0.0}}


def test_small_lz4_frames_are_of_one_block_and_large_ones_linked(normal):
    (thread,) = normal.threads
    for part in ("000000", "000000_post", "000001", "000001_post", "000002"):
        raw = normal.raw(part, thread)
        size = len(decode(raw, "lz4"))
        expected = ("6040", "6050")[size > 2**16] if size <= 2**18 else "4050"
        assert raw[:4] == struct.pack("<I", 0x184D2204)
        assert raw[4:6].hex() == expected
        assert raw[-4:] == bytes(4)
        info = lz4.frame.get_frame_info(raw)
        assert info["content_size"] == 0
        assert not info["content_checksum"]
        assert not info["block_checksum"]
    assert len(decode(normal.raw("000000", thread), "lz4")) > 2**18
    tiny = compress(np.zeros(3, dtype=record_dtype(220)), "lz4")
    assert tiny[4:6].hex() == "6040"


def test_blosc_buffers_have_redax_parameters(tmp_path):
    run = replace(SHORT_CHUNKS, compressor="blosc")
    folder = written(run, tmp_path)
    (thread,) = folder.threads
    raw = folder.raw("000000", thread)
    version, _, flags, typesize, decoded, _, size = struct.unpack("<BBBBIII", raw[:16])
    assert version == 2
    assert typesize == 1
    assert flags & 0b1  # shuffle
    assert flags >> 5 == 1  # lz4
    assert decoded == len(decode(raw, "blosc"))
    assert size == len(raw)


@pytest.mark.parametrize("compressor", ["lz4", "blosc"])
def test_same_settings_give_the_same_bytes(tmp_path, compressor):
    run = replace(SHORT_CHUNKS, compressor=compressor, threads=2, readers=2, rate=20_000)
    for parent in ("one", "two"):
        simulate(run, tmp_path / parent)
    simulate(replace(run, seed=1), tmp_path / "other")
    one, two, other = (content(tmp_path / parent) for parent in ("one", "two", "other"))
    assert one == two
    assert set(one) != set(other)
    assert max(len(raw) for raw in one.values() if raw) > 2**18


def test_runs_differ_with_the_same_seed(tmp_path):
    one, two = (truth(replace(SHORT_CHUNKS, number=number)) for number in (1, 2))
    assert one.tobytes() != two.tobytes()


@pytest.mark.parametrize("compressor", ["lz4", "blosc"])
def test_strax_reads_it(tmp_path, compressor):
    run = replace(SHORT_CHUNKS, compressor=compressor)
    folder = written(run, tmp_path)
    dtype = np.dtype(strax.raw_record_dtype(110))
    (thread,) = folder.threads
    read = np.concatenate(
        [
            strax.load_file(str(folder.path / f"{chunk:06d}{suffix}" / thread), compressor, dtype)
            for suffix in ("", "_post")
            for chunk in folder.parts_of(thread, suffix)
        ]
    )
    read = strax.stable_sort(read, order=("time", "channel"))
    assert read.tobytes() == truth(run).tobytes()


def test_existing_folder_is_refused_and_left_alone(tmp_path):
    (tmp_path / "000932").mkdir()
    for make in (simulate, LiveRun):
        with pytest.raises(ConfigurationError, match="000932 exists"):
            make(SHORT_CHUNKS, tmp_path)
    assert list((tmp_path / "000932").iterdir()) == []


def test_folder_that_cannot_be_made_is_an_error_of_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"cannot write .*file"):
        simulate(SHORT_CHUNKS, tmp_path / "file")


class TestLiveRun:
    RUN = replace(SHORT_CHUNKS, buffered_chunks=1, threads=2)

    def test_ends_with_the_files_of_a_run_that_has_ended(self, tmp_path):
        live_run = LiveRun(self.RUN, tmp_path / "live")
        for _ in live_run:
            pass
        document = simulate(self.RUN, tmp_path / "ended")
        assert content(tmp_path / "live") == content(tmp_path / "ended")
        for one in (live_run.document, document):
            one["data"][0].pop("location")
            one["daq_config"].pop("strax_output_path")
        assert live_run.document == document

    def test_writes_one_file_per_step_and_none_partly(self, tmp_path):
        live_run = LiveRun(self.RUN, tmp_path)
        known: set[Path] = set()
        for file in live_run:
            there = {path for path in tmp_path.rglob("*") if path.is_file()}
            assert there == known | {file.path}
            assert not file.path.parent.name.endswith("_temp")
            known = there
            assert live_run.document["end"] is None
        assert live_run.document["end"] is not None

    def test_writes_main_post_and_next_pre_and_last_the_end(self, tmp_path):
        order: dict[str, list[str]] = {}
        for file in LiveRun(self.RUN, tmp_path):
            order.setdefault(file.path.name, []).append(file.path.parent.name)
        assert len(order) == 2
        for folders in order.values():
            chunks = range(sum(len(folder) == 6 for folder in folders))
            full = [f for k in chunks for f in (f"{k:06d}", f"{k:06d}_post", f"{k + 1:06d}_pre")]
            last = "THE_END"
            assert folders == [*full[: len(folders) - 1], last]

    def test_waits_for_the_time_of_each_part(self, tmp_path):
        waited: list[int] = []
        for file in LiveRun(self.RUN, tmp_path, waited.append):
            assert waited[-1] == file.time
        assert waited == sorted(waited)
        assert waited[0] > 2 * self.RUN.period_ns
        assert waited[-1] == self.RUN.duration_ns

    def test_left_off_it_looks_like_a_crash(self, tmp_path):
        live_run = LiveRun(self.RUN, tmp_path)
        for file in live_run:
            if file.path.parent.name == "000001":
                break
        assert live_run.document["end"] is None
        assert not (tmp_path / "000932" / "THE_END").exists()


class TestAgainstTheRealRun:
    THREAD = "xams-daq_reader_0_139811453138688"

    @pytest.fixture
    def real(self, real_data):
        return RedaxFolder(real_data / "live_data" / "002240")

    def test_frames_begin_and_end_alike(self, real, normal):
        (thread,) = normal.threads
        for part in ("000000", "000001"):
            ours, theirs = normal.raw(part, thread), real.raw(part, self.THREAD)
            assert ours[:7] == theirs[:7]
            assert ours[-4:] == theirs[-4:]
            info, real_info = map(lz4.frame.get_frame_info, (ours, theirs))
            assert info == real_info

    def test_our_compression_of_real_records_is_of_the_same_size(self, real):
        records = real.records("000000_post", self.THREAD)
        ours = compress(records, "lz4")
        assert len(ours) == len(real.raw("000000_post", self.THREAD))

    def test_names_and_last_words_agree(self, real, normal):
        assert real.raw("THE_END", self.THREAD) == THE_END
        ours = FILE_NAME.fullmatch(normal.threads[0])
        assert ours["reader"] == FILE_NAME.fullmatch(self.THREAD)["reader"]
        assert len(ours["handle"]) == 15

    def test_real_files_pass_the_same_checks(self, real):
        for part, begin, end in (
            ("000000", 0, NORMAL.chunk_ns),
            ("000000_post", NORMAL.chunk_ns, NORMAL.period_ns),
            ("000001", NORMAL.period_ns, NORMAL.period_ns + NORMAL.chunk_ns),
        ):
            records = real.records(part, self.THREAD)
            assert ((begin <= records["time"]) & (records["time"] < end)).all()
            is_last = records["record_i"] == (records["pulse_length"] - 1) // 110
            assert (records["length"][~is_last] == 110).all()

    def test_pulses_look_alike(self, real, normal):
        theirs = real.records("000001", self.THREAD)
        ours = normal.records("000001", normal.threads[0])
        for channel in (0, 1):
            a, b = (
                x[(x["channel"] == channel) & (x["record_i"] == 0)]["data"].astype(float)
                for x in (ours, theirs)
            )
            (a_height, a_noise), (b_height, b_noise) = (
                (
                    x[:, :40].mean(axis=1) - x.min(axis=1),
                    np.median(x[:, :40].std(axis=1)),
                )
                for x in (a, b)
            )
            assert a_noise == pytest.approx(b_noise, rel=0.15)
            for low, high in ((0, 100), (1000, 16_000)):
                shares = [((low < h) & (h < high)).mean() for h in (a_height, b_height)]
                assert shares[0] == pytest.approx(shares[1], abs=0.1)
