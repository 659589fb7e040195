"""The truth of a simulated run, stored next to its folder: the list of its signals."""

import zipfile
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xamsflow.base import system_errors
from xamsflow.base.errors import BadDataError
from xamsflow.simulate.sensors import sensors
from xamsflow.simulate.settings import SimulatedRun
from xamsflow.simulate.signals import signal_dtype
from xamsflow.state import layout

Array = NDArray[Any]

ROWS_AT_ONCE = 100_000
"""Minimum number of rows of an array in the file."""

ANY_DATE = (1980, 1, 1, 0, 0, 0)
"""All arrays in the file have this date, so that equal runs give the same bytes."""


def truth_path(live_data: Path, number: int) -> Path:
    """Return the file with the truth of a run."""
    return live_data / f"truth_{layout.run_id(number)}.npz"


class TruthFile:
    """Writes the truth of a run incrementally, so that it does not have to fit in memory.

    Without physics there is no truth and no file. The file contains the channels as ``channels``
    and the signals in arrays ``signals_000000`` and so on.
    """

    def __init__(self, settings: SimulatedRun, live_data: Path) -> None:
        self._path = truth_path(live_data, settings.number)
        self._file: zipfile.ZipFile | None = None
        self._waiting: list[Array] = []
        self._n_arrays = 0
        if settings.physics is not None:
            all_sensors = sensors(settings.detector, settings.number, settings.physics)
            try:
                self._file = zipfile.ZipFile(self._path, "w", zipfile.ZIP_DEFLATED)
            except OSError as error:
                raise system_errors.cannot("write", self._path, error) from error
            self._write("channels", np.array([sensor.channel for sensor in all_sensors]))
            self._waiting.append(np.zeros(0, dtype=signal_dtype(len(all_sensors))))

    def append(self, signals: Array) -> None:
        """Add signals; they may be in any order."""
        self._waiting.append(signals)
        if sum(map(len, self._waiting)) >= ROWS_AT_ONCE:
            self._flush()

    def __enter__(self) -> "TruthFile":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._flush()
            self._file.close()

    def _flush(self) -> None:
        self._write(f"signals_{self._n_arrays:06d}", np.concatenate(self._waiting))
        self._n_arrays += 1
        self._waiting.clear()

    def _write(self, name: str, values: Array) -> None:
        assert self._file is not None
        member = zipfile.ZipInfo(f"{name}.npy", ANY_DATE)
        member.compress_type = zipfile.ZIP_DEFLATED
        try:
            with self._file.open(member, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, values)
        except OSError as error:
            raise system_errors.cannot("write", self._path, error) from error


def load_signals(path: Path) -> Array:
    """Return all signals of a run, sorted by time; see ``signals.signal_dtype`` for the fields.

    Raises BadDataError if the file is missing or damaged.
    """
    try:
        with np.load(path) as file:
            names = sorted(name for name in file.files if name.startswith("signals_"))
            signals = np.concatenate([file[name] for name in names])
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise BadDataError(f"cannot read the truth in {path}: {error}", "simulate again") from error
    return signals[np.argsort(signals["time"], kind="stable")]
