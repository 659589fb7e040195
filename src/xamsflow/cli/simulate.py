"""Write simulated runs as the DAQ does, with their run documents."""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xamsflow.base import clock
from xamsflow.base.errors import ConfigurationError
from xamsflow.cli import choosing
from xamsflow.redax import rundoc
from xamsflow.settings import config, detector
from xamsflow.state import layout, receipts, run_numbers

if TYPE_CHECKING:
    from xamsflow.simulate import LedLight, SimulatedRun

HELP = "write simulated runs in redax's format, and their run documents"

PAUSE = timedelta(minutes=1)
"""Time from the end of a simulated run to the start of the next."""

MOST_RUNS = 10_000

LED_SAMPLES = 220
"""Length of a pulse in an LED run: two records of the usual length."""

OF_REDAX = {
    "chunk_length": (float, "S", "strax_chunk_length in s [5]"),
    "chunk_overlap": (float, "S", "strax_chunk_overlap in s [0.5]"),
    "buffered_chunks": (int, "N", "strax_buffer_num_chunks [3]"),
    "fragment_payload": (int, "BYTES", "strax_fragment_payload_bytes [220]"),
    "integers": (
        str,
        "TYPE",
        "BSON type of whole numbers: int32, int64 or double; redax reads only int32 [int32]",
    ),
    "idle_threads": (int, "N", "threads per reader that receive no data [0]"),
    "board_fail_threads": (int, "N", "idle threads that write only to THE_END [0]"),
    "late_fraction": (float, "F", "fraction of read-out batches that arrive late [0]"),
    "late_chunks": (float, "N", "delay of late batches in chunks [0]"),
}
"""Options that change how redax writes the same pulses: type, unit and meaning."""


def _threads(text: str) -> int | None:
    if text == "unnamed":
        return None
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number or 'unnamed', not {text!r}") from None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the runs and the parameters of the simulation."""
    add = parser.add_argument
    add("runs", nargs="+", metavar="RUN", help=choosing.HELP)
    add(
        "--output",
        type=choosing.path,
        required=True,
        metavar="DIR",
        help="parent folder of the runs",
    )
    add(
        "--detector",
        metavar="NAME",
        help="name of a file in config/detectors [the configured detector]",
    )
    add("--duration", type=float, default=12.0, metavar="S", help="duration of a run in s [12]")
    add(
        "--rate",
        type=float,
        default=400.0,
        metavar="HZ",
        help="pulse rate per channel in Hz, without --physics [400]",
    )
    add("--noise", type=float, default=2.0, metavar="ADC", help="rms noise in ADC counts [2]")
    add("--seed", type=int, default=0, metavar="N", help="random seed [0]")
    add(
        "--compressor",
        default="lz4",
        metavar="NAME",
        help="compressor named in the run document; redax writes lz4 for any but blosc [lz4]",
    )
    add("--readers", type=int, default=1, metavar="N", help="number of reader processes [1]")
    add(
        "--threads",
        type=_threads,
        default=1,
        metavar="N",
        help="number of threads per reader, or 'unnamed': redax then uses 8 [1]",
    )
    add("--mode", metavar="NAME", help="mode in the run document [from detector and digitizers]")
    add(
        "--s2-fraction",
        type=float,
        default=0.0,
        metavar="F",
        help="fraction of long S2-like pulses [0]",
    )
    add("--border-pulses", action="store_true", help="place pulses or S2s across chunk boundaries")
    add(
        "--physics",
        action="store_true",
        help="simulate S1s and S2s of a xenon TPC; the truth is written to DIR/truth_RUN.npz",
    )
    add(
        "--led",
        type=float,
        metavar="PE",
        help="simulate an LED run with this mean number of photoelectrons per flash and channel",
    )
    add("--event-rate", type=float, metavar="HZ", help="event rate in Hz, with --physics [50]")
    for kind, default in (("s1", "5 500"), ("s2", "100 20000")):
        add(
            f"--{kind}-area",
            type=float,
            nargs=2,
            metavar=("FROM", "TO"),
            help=f"photoelectrons per {kind.upper()}, with --physics [{default}]",
        )
    for name, (convert, metavar, text) in OF_REDAX.items():
        add(f"--{name.replace('_', '-')}", type=convert, metavar=metavar, help=text)
    add(
        "--silence",
        type=float,
        nargs=2,
        metavar=("FROM", "TO"),
        help="time without pulses, in s since the start of the run",
    )
    add(
        "--live",
        type=float,
        metavar="SPEED",
        help="write the run as if it were being taken, SPEED times faster than the DAQ",
    )
    add(
        "--insert",
        action="store_true",
        help="insert the run documents into the run database (with --live, first without an end)",
    )


def run(options: argparse.Namespace) -> int:
    """Write the runs one after the other; write nothing if any of them exists."""
    configuration = config.load(options.configfile)
    runs = _settings(options, options.detector or configuration.detector)
    if options.live is not None and not 0 < options.live < float("inf"):
        raise ConfigurationError(f"--live is {options.live:g}, allowed: a factor above 0")
    for settings in runs:
        folder = options.output / settings.run_id
        if folder.exists():
            raise ConfigurationError(f"{folder} exists", "choose another run number or folder")

    if options.insert:
        _check_may_insert(configuration)

    def tell(document: dict[str, Any], *, is_new: bool) -> None:
        if options.insert:
            from xamsflow import rundb  # noqa: PLC0415 - keeps --help fast

            with rundb.open_database(configuration.rundb) as database:
                (database.insert if is_new else database.set_end)(document)

    # The last run ended one pause ago.
    began = clock.now() - len(runs) * (timedelta(seconds=options.duration) + PAUSE)
    for index, settings in enumerate(runs):
        if options.live is None:
            start = began + index * (timedelta(seconds=options.duration) + PAUSE)
            tell(_write(replace(settings, start=start), options.output), is_new=True)
        else:
            started = replace(settings, start=clock.now())
            for document in _take(started, options.output, options.live):
                tell(document, is_new=document["end"] is None)
        print(f"{settings.run_id} is in {options.output / settings.run_id}")
    return 0


def _settings(options: argparse.Namespace, detector_name: str) -> "list[SimulatedRun]":
    from xamsflow.simulate import Physics, SimulatedRun  # noqa: PLC0415 - keeps --help fast

    numbers = _numbers(options.runs)
    one_detector = detector.load(detector_name)
    physics = _physics(options)
    of_redax: dict[str, Any] = {
        name: value for name in OF_REDAX if (value := getattr(options, name)) is not None
    }
    light = _light(options, one_detector, of_redax)
    if options.silence is not None:
        of_redax["silence"] = tuple(options.silence)
    return [
        SimulatedRun(
            number=number,
            detector=one_detector,
            duration=options.duration,
            rate=options.rate,
            noise=options.noise,
            seed=options.seed,
            compressor=options.compressor,
            readers=options.readers,
            threads=options.threads,
            s2_fraction=options.s2_fraction,
            border_pulses=options.border_pulses,
            mode=options.mode,
            physics=Physics.of(one_detector, number, **physics) if options.physics else None,
            led=light,
            **of_redax,
        )
        for number in numbers
    ]


def _light(
    options: argparse.Namespace, one_detector: detector.Detector, of_redax: dict[str, Any]
) -> "LedLight | None":
    """Return the light of an LED run, whose pulses have as many samples as are processed."""
    from xamsflow.simulate import LedLight  # noqa: PLC0415 - keeps --help fast

    if options.led is None:
        return None
    if options.physics:
        raise ConfigurationError("--led and --physics cannot be combined", "give one of them")
    light = LedLight.of(one_detector, occupancy=options.led)
    of_redax["pulse_length"] = LED_SAMPLES
    return light


def _numbers(words: Sequence[str]) -> list[int]:
    """Return the numbers of the runs to simulate, in the order given."""
    numbers = [number for part in run_numbers.parse_all(words) for number in part]
    if len(numbers) > MOST_RUNS:
        raise ConfigurationError(
            f"{' '.join(words)} are {len(numbers)} runs, too many",
            f"simulate at most {MOST_RUNS} runs at a time",
        )
    if len(set(numbers)) < len(numbers):
        raise ConfigurationError("a run number is given twice", "give each run once")
    return numbers


def _check_may_insert(settings: config.Config) -> None:
    """Raise ConfigurationError, before anything is written, if the account may not insert."""
    from xamsflow import rundb  # noqa: PLC0415 - keeps --help fast

    with rundb.open_database(settings.rundb) as database:
        actions = database.actions()
        where = database.name
    if actions is not None and "insert" not in actions:
        raise ConfigurationError(
            f"the account may not insert into {where}", "use an account with the role readWrite"
        )


def _physics(options: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters of physics that were given."""
    given = {
        name: tuple(value) if isinstance(value, list) else value
        for name in ("event_rate", "s1_area", "s2_area")
        if (value := getattr(options, name)) is not None
    }
    if given and not options.physics:
        option = "--" + next(iter(given)).replace("_", "-")
        raise ConfigurationError(
            f"{option} is given without --physics", "give both options or neither"
        )
    return given


def _write(settings: "SimulatedRun", output: Path) -> dict[str, Any]:
    from xamsflow.simulate import simulate  # noqa: PLC0415 - keeps --help fast

    document = simulate(settings, output)
    _write_document(document, output)
    return document


def _take(settings: "SimulatedRun", output: Path, speed: float) -> Iterator[dict[str, Any]]:
    """Write a run as if it were being taken; yield its document at its start and at its end."""
    from xamsflow.simulate import LiveRun  # noqa: PLC0415 - keeps --help fast

    def wait_until(run_time: int) -> None:
        due = settings.start + timedelta(seconds=run_time / rundoc.NS_PER_S / speed)
        time.sleep(max(0.0, (due - clock.now()).total_seconds()))

    live_run = LiveRun(settings, output, wait_until)
    _write_document(live_run.document, output)
    yield live_run.document
    for file in live_run:
        print(file.path, flush=True)
    _write_document(live_run.document, output)
    yield live_run.document


def _write_document(document: dict[str, Any], output: Path) -> None:
    path = output / f"rundoc_{layout.run_id(document['number'])}.json"
    receipts.write(path, rundoc.to_json(document))
