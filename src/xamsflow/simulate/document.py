"""The run document of a simulated run, with the fields and types that the DAQ writes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bson.int64 import Int64

from xamsflow.simulate.boards import SimulatedBoard, boards, reader_name
from xamsflow.simulate.settings import LENGTH_STEP, THRESHOLD, SimulatedRun

UNUSED_INPUT = -1
"""Marks an input without a channel; the channel mask disables it, so it sends no data."""

POLARITY_REGISTER = {False: "110000", True: "100000"}
"""Values of an input's DPP register, by whether its pulses are positive."""


def document_at_start(settings: SimulatedRun, live_data: Path) -> dict[str, Any]:
    """Return the run document while the run is being taken: ``end`` is None."""
    return {
        "number": settings.number,
        "detectors": [settings.detector.name],
        "user": "simulation",
        "mode": _mode(settings),
        "start": _to_ms(settings.start.astimezone(UTC)),
        "end": None,
        "daq_config": _daq_config(settings, live_data),
        "data": [{"type": "live", "host": "daq", "location": str(live_data.absolute())}],
        "rate": {},
    }


def what_the_end_adds(settings: SimulatedRun, bytes_by_chunk: dict[int, int]) -> dict[str, Any]:
    """Return the fields of the run document that change when the run ends.

    `bytes_by_chunk` is the number of bytes read from the digitizers in each chunk period.
    """
    duration = timedelta(microseconds=-(-settings.duration_ns // 1000))
    end = _to_ms(settings.start.astimezone(UTC) + duration + timedelta(microseconds=999))
    rates = [
        n_bytes
        * 1000.0
        / min(settings.period_ns, settings.duration_ns - chunk * settings.period_ns)
        for chunk, n_bytes in bytes_by_chunk.items()
    ]
    average = sum(bytes_by_chunk.values()) * 1000.0 / settings.duration_ns
    rate = {"avg": average, "max": max(rates)} if rates else {"avg": 0.0, "max": 0.0}
    return {"end": end, "rate": {settings.detector.name: rate}}


def _daq_config(settings: SimulatedRun, live_data: Path) -> dict[str, Any]:
    readers = [reader_name(reader) for reader in range(settings.readers)]
    all_boards = boards(settings)
    return {
        "name": _mode(settings),
        "user": "simulation",
        "description": f"Simulated data of {settings.detector.description}",
        "detector": settings.detector.name,
        "detectors": dict.fromkeys(readers, settings.detector.name),
        "processing_threads": _threads(settings, readers),
        "run_start": 1 if len(all_boards) > 1 else 0,
        "compressor": settings.compressor,
        "strax_chunk_length": _number(settings.chunk_length),
        "strax_chunk_overlap": _number(settings.chunk_overlap),
        "strax_fragment_payload_bytes": _integer(settings, settings.fragment_payload),
        "strax_buffer_num_chunks": settings.buffered_chunks,
        "strax_chunk_phase_limit": 2,
        "strax_output_path": str(live_data.absolute()),
        "firmware_version": 0,
        "baseline_dac_mode": "fixed",
        "baseline_value": 4000,
        "baseline_fixed_value": 4000,
        "boards": [
            {
                "crate": 0,
                "link": index // settings.readers,
                "board": board.number,
                "vme_address": "0",
                "type": board.type,
                "host": reader_name(board.reader),
            }
            for index, board in enumerate(all_boards)
        ],
        "channels": {str(board.number): _channels(board) for board in all_boards},
        "thresholds": {str(board.number): [THRESHOLD] * board.n_inputs for board in all_boards},
        "registers": [register for board in all_boards for register in _registers(settings, board)],
    }


def _threads(settings: SimulatedRun, readers: list[str]) -> dict[str, Any]:
    if settings.threads is None:
        return {}
    return dict.fromkeys(readers, _integer(settings, settings.threads))


def _integer(settings: SimulatedRun, value: int) -> Any:
    return {"int32": int, "int64": Int64, "double": float}[settings.integers](value)


def _mode(settings: SimulatedRun) -> str:
    if settings.mode is not None:
        return settings.mode
    if settings.led is not None:
        return "ledcalibration"
    types = "_".join(sorted({digitizer.type for digitizer in settings.detector.digitizers}))
    return f"{settings.detector.name}_{types}_{THRESHOLD}ADC_th"


def _channels(board: SimulatedBoard) -> list[int]:
    connected = [one.channel for one in board.inputs]
    return connected + [UNUSED_INPUT] * (board.n_inputs - len(connected))


def _registers(settings: SimulatedRun, board: SimulatedBoard) -> list[dict[str, Any]]:
    mask = 2 ** len(board.inputs) - 1
    values = [
        ("EF24", "1", "Software reset"),
        ("8120", f"{mask:X}", "Channel mask"),
        ("8038", f"{-(-settings.pre_trigger // 4):X}", "Samples before the trigger, by 4"),
        ("8020", f"{settings.pulse_length // LENGTH_STEP:X}", "Samples of a pulse, by 10"),
    ]
    values += [
        (f"1{number:X}80", POLARITY_REGISTER[one.positive], "DPP register: polarity")
        for number, one in enumerate(board.inputs)
    ]
    return [
        {"reg": register, "val": value, "board": board.number, "comment": comment}
        for register, value, comment in values
    ]


def _number(value: float) -> int | float:
    """Return a whole number as an integer, as people write it in the DAQ's options."""
    return int(value) if value == int(value) else float(value)


def _to_ms(time: datetime) -> datetime:
    """Return the time truncated to milliseconds, as MongoDB stores it."""
    return time.replace(microsecond=time.microsecond // 1000 * 1000)
