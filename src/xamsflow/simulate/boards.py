"""The digitizer boards of a detector, and which reader reads each board."""

from dataclasses import dataclass

from xamsflow.base.errors import ConfigurationError
from xamsflow.settings.detector import MEASURES_BASELINE, Digitizer
from xamsflow.simulate.settings import SimulatedRun

FIRST_BOARD = 77
"""The number of XAMSL's board; further boards have the following numbers."""

HOST = "xams-daq"

INPUTS = {"V1724": 8, "V1724_MV": 8, "V1725": 16, "V1730": 8}
"""Inputs that redax reads per board; the XAMS version reads 8 of a V1730's 16."""


@dataclass(frozen=True)
class Input:
    """A connected input; `channel` is its global channel, `sample_width` is in ns."""

    channel: int
    board: int
    reader: int
    sample_width: int
    positive: bool
    measures_baseline: bool


@dataclass(frozen=True)
class SimulatedBoard:
    """A board that the reader process with the number `reader` reads; its first inputs are used."""

    number: int
    type: str
    reader: int
    inputs: tuple[Input, ...]

    @property
    def n_inputs(self) -> int:
        """Inputs of this board, connected or not."""
        return INPUTS[self.type]


def reader_name(reader: int) -> str:
    """Return the name of a reader process, the key of ``processing_threads``."""
    return f"{HOST}_reader_{reader}"


def boards(settings: SimulatedRun) -> tuple[SimulatedBoard, ...]:
    """Return the boards that the detector's channels need, assigned to the readers in turn.

    Raises ConfigurationError if a reader would have no board.
    """
    shares = [
        (digitizer, channels)
        for digitizer in settings.detector.digitizers
        for channels in _channels_by_board(digitizer)
    ]
    if settings.readers > len(shares):
        raise ConfigurationError(
            f"simulated run {settings.number}: readers is {settings.readers}, allowed: 1 to "
            f"{len(shares)}, the number of digitizer boards of {settings.detector.name}"
        )
    return tuple(
        _board(settings, FIRST_BOARD + index, index % settings.readers, digitizer, channels)
        for index, (digitizer, channels) in enumerate(shares)
    )


def _channels_by_board(digitizer: Digitizer) -> list[range]:
    inputs = INPUTS[digitizer.type]
    end = digitizer.last_channel + 1
    return [
        range(first, min(first + inputs, end))
        for first in range(digitizer.first_channel, end, inputs)
    ]


def _board(
    settings: SimulatedRun, number: int, reader: int, digitizer: Digitizer, channels: range
) -> SimulatedBoard:
    return SimulatedBoard(
        number=number,
        type=digitizer.type,
        reader=reader,
        inputs=tuple(
            Input(
                channel=channel,
                board=number,
                reader=reader,
                sample_width=digitizer.sample_width,
                positive=digitizer.polarity == "positive" or channel in digitizer.positive_channels,
                measures_baseline=settings.own_baseline and digitizer.type in MEASURES_BASELINE,
            )
            for channel in channels
        ),
    )
