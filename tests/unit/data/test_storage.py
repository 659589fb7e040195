import errno
import json
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import blosc
import numpy as np
import numpy.typing as npt
import pytest
import strax
from immutabledict import immutabledict

from xamsflow.base.errors import BadDataError, TransientError
from xamsflow.data.storage import DataDirectory

N_CHUNKS = 6
RUN = "000007"


class Pulses(strax.Plugin):  # type: ignore[misc]
    """Records with random samples, and intervals without any."""

    provides = ("pulses", "intervals")
    depends_on = ()
    data_kind = immutabledict(pulses="pulses", intervals="intervals")
    rechunk_on_save = immutabledict(pulses=False, intervals=False)

    def infer_dtype(self) -> dict[str, Any]:
        return {"pulses": strax.raw_record_dtype(50), "intervals": strax.time_fields}

    def is_ready(self, chunk_i: int) -> bool:
        return chunk_i < N_CHUNKS

    def source_finished(self) -> bool:
        return True

    def compute(self, chunk_i: int) -> dict[str, strax.Chunk]:
        start, end = chunk_i * 1_000_000, (chunk_i + 1) * 1_000_000
        made = {}
        for name in self.provides:
            data: npt.NDArray[Any] = np.zeros(2000, self.dtype_for(name))
            data["time"] = start + np.arange(2000) * 100
            if name == "pulses":
                data["length"], data["dt"] = 50, 1
                data["data"] = np.random.default_rng(chunk_i).normal(8000, 5, (2000, 50))
            else:
                data["endtime"] = data["time"] + 50
            made[name] = self.chunk(start=start, end=end, data=data, data_type=name)
        return made


class PulsesWithLongEnd(Pulses):
    """The same, of which the last chunk does not get smaller by being compressed."""

    __version__ = "1"

    def compute(self, chunk_i: int) -> dict[str, strax.Chunk]:
        made = super().compute(chunk_i)
        if chunk_i == N_CHUNKS - 1:
            samples = made["pulses"].data["data"]
            samples[:] = np.random.default_rng(chunk_i).integers(-(2**15), 2**15, samples.shape)
        return made


def context(storage: strax.StorageFrontend, plugin: type[strax.Plugin] = Pulses) -> strax.Context:
    return strax.Context(storage=[storage], register=[plugin])


def make(folder: Path, plugin: type[strax.Plugin] = Pulses) -> None:
    context(DataDirectory(str(folder)), plugin).make(
        RUN, "pulses", save=("pulses", "intervals"), processor="single_thread", progress_bar=False
    )


@pytest.fixture
def made(tmp_path: Path) -> Path:
    make(tmp_path)
    return tmp_path


def expected(data_type: str) -> npt.NDArray[Any]:
    plugin = context(strax.DataDirectory(".", readonly=True)).get_single_plugin(RUN, data_type)
    return np.concatenate([plugin.compute(i)[data_type].data for i in range(N_CHUNKS)])


@pytest.mark.parametrize("data_type", ["pulses", "intervals"])
@pytest.mark.parametrize("directory", [strax.DataDirectory, DataDirectory])
def test_plain_strax_reads_the_data(made: Path, data_type: str, directory: Any) -> None:
    data = context(directory(str(made), readonly=True)).get_array(
        RUN, data_type, progress_bar=False
    )
    assert data.tobytes() == expected(data_type).tobytes()


def test_metadata_have_each_file_and_its_size(made: Path) -> None:
    for data_type in ("pulses", "intervals"):
        (folder,) = made.glob(f"*-{data_type}-*")
        (file,) = folder.glob("*metadata.json")
        chunks = json.loads(file.read_text())["chunks"]
        assert [chunk["chunk_i"] for chunk in chunks] == list(range(N_CHUNKS))
        sizes = {chunk["filename"]: chunk["filesize"] for chunk in chunks}
        assert sizes == {
            path.name: path.stat().st_size for path in folder.iterdir() if path != file
        }


def test_all_files_are_compressed_with_lz4(made: Path) -> None:
    for data_type in ("pulses", "intervals"):
        (folder,) = made.glob(f"*-{data_type}-*")
        files = [path for path in folder.iterdir() if path.suffix != ".json"]
        assert len(files) == N_CHUNKS
        assert {blosc.get_clib(path.read_bytes()) for path in files} == {"LZ4"}


def test_a_chunk_that_blosc_cannot_compress_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """blosc itself would return nothing; a chunk of 2 GB would be too large for this test."""
    monkeypatch.setattr(blosc, "MAX_BUFFERSIZE", 100_000)
    with pytest.raises(BadDataError, match="cannot be stored in pulses-"):
        make(tmp_path)


def test_complete_data_are_not_written_again(made: Path) -> None:
    (folder,) = made.glob("*-pulses-*")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    storage = DataDirectory(str(made))
    plugin = context(storage).get_single_plugin(RUN, "pulses")
    with pytest.raises(TransientError, match="another job created"):
        storage.backends[0].saver(str(folder), dict(plugin.metadata(RUN, "pulses")))
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_damaged_file_is_named(made: Path) -> None:
    (file,) = made.glob("*-pulses-*/*000002")
    content = file.read_bytes()
    file.write_bytes(content[:16] + bytes(len(content) - 16))
    there = context(DataDirectory(str(made), readonly=True))
    with pytest.raises(BadDataError, match=f"{file} cannot be decoded"):
        there.get_array(RUN, "pulses", progress_bar=False)


@pytest.fixture
def small_files(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let no file be longer than 20 kB, or as told, as when a quota is used up."""
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (getattr(request, "param", 20_000), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.usefixtures("small_files")
def test_an_error_in_the_writing_thread_stops_processing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
        make(tmp_path)
    assert not context(strax.DataDirectory(str(tmp_path), readonly=True)).is_stored(RUN, "pulses")


@pytest.mark.parametrize("small_files", [160_000], indirect=True)
@pytest.mark.usefixtures("small_files")
def test_an_error_in_the_last_write_leaves_the_folder_unfinished(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
        make(tmp_path, PulsesWithLongEnd)
    (last,) = tmp_path.glob(f"*-pulses-*/*{N_CHUNKS - 1:06d}")
    assert last.stat().st_size == 160_000
    there = context(strax.DataDirectory(str(tmp_path), readonly=True), PulsesWithLongEnd)
    assert not there.is_stored(RUN, "pulses")
    assert not there.is_stored(RUN, "intervals")
