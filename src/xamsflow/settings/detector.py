"""Detectors as data: their digitizers and channels, and how to process them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from xamsflow.base import schema, yaml_file
from xamsflow.base.errors import ConfigurationError
from xamsflow.settings import corrections
from xamsflow.settings.corrections import ByRun
from xamsflow.state import layout

SCHEMA = layout.SCHEMAS / "detector.schema.yaml"

DEAD_TIME = "aqmon"
"""The name that straxen uses for artificial dead time: ``raw_records_aqmon``."""


QUIET_SAMPLES = 8
"""Minimum number of samples before a pulse's rise for a baseline. With noise of 2 ADC counts rms,
their mean has an rms of 0.7."""

N_TOP_OF_POLYNOMIALS = 4
"""Channels of the top array from whose shares of light polynomials give positions."""

MEASURES_BASELINE = ("V1725", "V1730")
"""Digitizer types that write their own baseline into each record; the others write 0."""


@dataclass(frozen=True)
class Digitizer:
    """A type of digitizer and its channels; its records are stored as ``raw_records_<name>``.

    `first_channel` and `last_channel` are inclusive; `sample_width` is in ns. The last `n_later`
    channels were connected later: earlier runs have no data in them, so they are not part of the
    lineage of raw records.
    """

    name: str
    type: str
    first_channel: int
    last_channel: int
    sample_width: int
    polarity: str
    positive_channels: tuple[int, ...] = ()
    n_later: int = 0


@dataclass(frozen=True)
class Classification:
    """How peaks become S1s and S2s: areas in photoelectrons, widths of the central half in ns."""

    s1_min_area: float
    s1_min_width: float
    s1_max_width: float
    s2_min_area: float
    s2_min_width: float


@dataclass(frozen=True)
class Signals:
    """Channels of one digitizer whose pulses are combined into peaks.

    Per-channel arrays follow the order of `channels`. `top` and `bottom` are the channels of the
    sensor arrays above and below, both empty if unknown. `gains` are in photoelectrons per ADC
    count and sample: a list, or a :class:`xamsflow.settings.corrections.ByRun`. `hit_threshold` and
    `baseline_max_rms` are in ADC counts, `hit_extension` in samples before and after a hit,
    `max_gap` and `coincidence` in ns, `min_area` in photoelectrons, `split_min_height` in
    photoelectrons per waveform sample. Only the peaks of a TPC have a `classification`.
    """

    name: str
    digitizer: str
    sample_width: int
    channels: tuple[int, ...]
    positive_channels: tuple[int, ...]
    gains: Any
    baseline_samples: int
    baseline_max_rms: float
    hit_threshold: int
    hit_extension: tuple[int, int]
    max_gap: int
    min_area: float
    min_channels: int
    split_min_height: float
    split_min_ratio: float
    coincidence: tuple[int, int]
    top: tuple[int, ...] = ()
    bottom: tuple[int, ...] = ()
    classification: Classification | None = None

    @property
    def min_pre_trigger(self) -> int:
        """Minimum number of samples before a pulse's rise for a baseline from the pulse itself."""
        return QUIET_SAMPLES + self.hit_extension[0]

    @property
    def suffix(self) -> str:
        """The suffix of its data types' names; the TPC has none, as usual in strax."""
        return "" if self.name == "tpc" else f"_{self.name}"


@dataclass(frozen=True)
class Tpc:
    """The properties of the TPC beyond its signals.

    Areas are in photoelectrons, times in ns, `positions` (x and y by channel) in mm,
    `drift_velocity` in mm per ns. `gate_time` is the drift time from the gate. `electron_lifetime`
    (ns), `s1_map` and `position_polynomials` are each a value, or None for no correction or unknown
    positions, or a :class:`xamsflow.settings.corrections.ByRun`. `max_drift_time` is the drift time
    from the cathode, or None if unknown.
    """

    signals: Signals
    positions: tuple[tuple[int, float, float], ...]
    drift_velocity: float
    gate_time: float
    max_drift_time: float | None
    trigger_min_area: float
    event_left: int
    event_right: int
    electron_lifetime: Any
    s1_map: Any
    position_polynomials: Any


@dataclass(frozen=True)
class Coincidences:
    """Peaks of the TPC at the same time as peaks of another detector.

    The other detector's peak starts within `window` (ns, relative to the start of the TPC's peak,
    both ends included) and has an area within `area` (in the unit of its gains).
    """

    signals: Signals
    window: tuple[int, int]
    area: tuple[float, float]


@dataclass(frozen=True)
class Led:
    """The position of LED light within a pulse; windows are [first sample, end), end excluded."""

    digitizer: str
    channels: tuple[int, ...]
    positive_channels: tuple[int, ...]
    records_per_pulse: int
    baseline: tuple[int, int]
    light: tuple[int, int]
    noise: tuple[int, int]


@dataclass(frozen=True)
class Detector:
    """A detector: its digitizers by ascending channel, and the channel of artificial dead time.

    `signals` are groups of channels in addition to the TPC's, each with separate data types.
    """

    name: str
    description: str
    digitizers: tuple[Digitizer, ...]
    dead_time_channel: int
    tpc: Tpc | None = None
    signals: tuple[Signals, ...] = ()
    coincidences: Coincidences | None = None
    led: Led | None = None

    @property
    def corrections(self) -> dict[str, ByRun]:
        """Quantities from correction files, by the name of the plugins' option."""
        quantities: dict[str, Any] = {}
        if self.tpc is not None:
            quantities = {
                "gains": self.tpc.signals.gains,
                "electron_lifetime": self.tpc.electron_lifetime,
                "s1_map": self.tpc.s1_map,
                "position_polynomials": self.tpc.position_polynomials,
            }
        quantities |= {f"gains{signals.suffix}": signals.gains for signals in self.signals}
        return {name: found for name, found in quantities.items() if isinstance(found, ByRun)}


def load(name: str) -> Detector:
    """Return a detector from ``config/detectors/<name>.yaml``.

    A file in the working directory takes precedence over the repository's, so a new detector needs
    no code change. Raises ConfigurationError naming the file, the key, the value found and the
    allowed values.
    """
    folders = [Path(), layout.REPOSITORY]
    for folder in folders:
        path = folder / layout.DETECTORS / f"{name}.yaml"
        if path.is_file():
            try:
                settings = yaml_file.read(path)
            except (OSError, yaml_file.Error) as error:
                raise ConfigurationError(f"cannot read {path}: {error}") from error
            return parse(name, settings, str(path))
    known = sorted(
        {file.stem for folder in folders for file in (folder / layout.DETECTORS).glob("*.yaml")}
    )
    raise ConfigurationError(
        f"configuration: detector is {name!r}, allowed: {', '.join(known)}",
        f"or write {layout.DETECTORS / name}.yaml",
    )


def parse(name: str, settings: Mapping[str, Any], what: str) -> Detector:
    """Return plain settings as a valid Detector; `what` names the settings in an error."""
    schema.check(settings, SCHEMA, what)
    digitizers = sorted(
        (
            _one_digitizer(key, values, f"{what}: digitizers.{key}")
            for key, values in settings["digitizers"].items()
        ),
        key=lambda digitizer: digitizer.first_channel,
    )
    detector = Detector(
        name=name,
        description=settings["description"],
        digitizers=tuple(digitizers),
        dead_time_channel=settings["dead_time"]["channel"],
    )
    _check_channels(detector, what)
    groups = {"tpc": settings["tpc"]} if "tpc" in settings else {}
    groups |= settings.get("signals", {})
    _check_groups(groups, what)
    signals = tuple(
        _signals(key, values, detector, f"{what}: signals.{key}")
        for key, values in settings.get("signals", {}).items()
    )
    return replace(
        detector,
        tpc=_tpc(settings["tpc"], detector, what) if "tpc" in settings else None,
        signals=signals,
        coincidences=_coincidences(settings, signals, what),
        led=_led(settings["led"], detector, f"{what}: led") if "led" in settings else None,
    )


def _one_digitizer(name: str, values: Mapping[str, Any], key: str) -> Digitizer:
    first, last = values["channels"]
    later_first, later_last = values.get("later_channels", (last + 1, last))
    if later_first != last + 1 or later_last < last:
        raise ConfigurationError(
            f"{key}.later_channels is [{later_first}, {later_last}], allowed: channels from "
            f"{last + 1}, the lower one first"
        )
    return Digitizer(
        name=name,
        type=values["type"],
        first_channel=first,
        last_channel=later_last,
        sample_width=values["sample_width"],
        polarity=values["polarity"],
        positive_channels=tuple(values.get("positive_channels", ())),
        n_later=later_last - last,
    )


def _check_channels(detector: Detector, what: str) -> None:
    for digitizer in detector.digitizers:
        first, last = digitizer.first_channel, digitizer.last_channel
        key = f"{what}: digitizers.{digitizer.name}"
        if first > last:
            raise ConfigurationError(
                f"{key}.channels is [{first}, {last}], allowed: the lower channel first"
            )
        if first <= detector.dead_time_channel <= last:
            raise ConfigurationError(
                f"{what}: dead_time.channel is {detector.dead_time_channel}, allowed: a channel "
                f"outside digitizers.{digitizer.name} ({first} to {last})"
            )
        for channel in digitizer.positive_channels:
            if not first <= channel <= last:
                raise ConfigurationError(
                    f"{key}.positive_channels contains {channel}, allowed: {first} to {last}"
                )
    for lower, upper in pairwise(detector.digitizers):
        if upper.first_channel <= lower.last_channel:
            raise ConfigurationError(
                f"{what}: digitizers.{upper.name}.channels starts at {upper.first_channel}, "
                f"allowed: more than {lower.last_channel}, the last channel of {lower.name}"
            )


def _check_groups(groups: Mapping[str, Any], what: str) -> None:
    owner: dict[int, str] = {}
    for name, values in groups.items():
        for channel in values["channels"]:
            if channel in owner:
                raise ConfigurationError(
                    f"{what}: channel {channel} is in {owner[channel]} and in {name}, "
                    "allowed: in one of them"
                )
            owner[channel] = name


def _tpc(values: Mapping[str, Any], detector: Detector, what: str) -> Tpc:
    signals = _signals("tpc", values, detector, f"{what}: tpc")
    top, bottom = tuple(values.get("top", ())), tuple(values.get("bottom", ()))
    positions = values.get("positions", {})
    for key, channels in (("top", top), ("bottom", bottom), ("positions", tuple(positions))):
        for channel in channels:
            if channel not in signals.channels:
                raise ConfigurationError(
                    f"{what}: tpc.{key} contains channel {channel}, allowed: the channels of "
                    f"tpc.channels ({_listed(signals.channels)})"
                )
    if (top or bottom) and sorted(top + bottom) != sorted(signals.channels):
        raise ConfigurationError(
            f"{what}: tpc.top and tpc.bottom contain {_listed(top + bottom)}, allowed: each "
            f"channel of tpc.channels once ({_listed(signals.channels)}), or omit both keys"
        )
    s1, s2 = values["classification"]["s1"], values["classification"]["s2"]
    if s1["max_width"] > s2["min_width"]:
        raise ConfigurationError(
            f"{what}: tpc.classification.s1.max_width is {s1['max_width']}, allowed: "
            f"{s2['min_width']} (s2.min_width) or less"
        )
    drift = values["drift"]
    if drift.get("max_time") is not None and drift["max_time"] <= drift["gate_time"]:
        raise ConfigurationError(
            f"{what}: tpc.drift.max_time is {drift['max_time']}, allowed: more than "
            f"{drift['gate_time']} (gate_time)"
        )
    pinned = values.get("corrections", {})
    lifetime, s1_map, polynomials = (
        _by_run(pinned.get(key), f"{what}: tpc.corrections.{key}")
        for key in ("electron_lifetime", "s1_map", "position_polynomials")
    )
    _check_values(
        lifetime, _is_positive, "one number above 0", f"{what}: tpc.corrections.electron_lifetime"
    )
    if polynomials is not None and len(top) != N_TOP_OF_POLYNOMIALS:
        raise ConfigurationError(
            f"{what}: tpc.corrections.position_polynomials needs {N_TOP_OF_POLYNOMIALS} channels "
            f"in tpc.top, which contains {_listed(top)}"
        )
    classification = Classification(
        s1_min_area=s1["min_area"],
        s1_min_width=s1["min_width"],
        s1_max_width=s1["max_width"],
        s2_min_area=s2["min_area"],
        s2_min_width=s2["min_width"],
    )
    return Tpc(
        signals=replace(signals, top=top, bottom=bottom, classification=classification),
        positions=tuple((channel, float(x), float(y)) for channel, (x, y) in positions.items()),
        drift_velocity=drift["velocity"],
        gate_time=drift["gate_time"],
        max_drift_time=drift.get("max_time"),
        trigger_min_area=values["events"]["trigger_min_area"],
        event_left=values["events"]["left"],
        event_right=values["events"]["right"],
        electron_lifetime=lifetime,
        s1_map=s1_map,
        position_polynomials=polynomials,
    )


def _coincidences(
    settings: Mapping[str, Any], signals: tuple[Signals, ...], what: str
) -> Coincidences | None:
    if "coincidences" not in settings:
        return None
    values = settings["coincidences"]
    by_name = {one.name: one for one in signals}
    if values["signals"] not in by_name or "tpc" not in settings:
        raise ConfigurationError(
            f"{what}: coincidences.signals is {values['signals']!r}, allowed: "
            f"{' or '.join(by_name) or 'none, as there are no signals'}, in a detector with a tpc"
        )
    for key in ("window", "area"):
        if values[key][0] > values[key][1]:
            raise ConfigurationError(
                f"{what}: coincidences.{key} is {values[key]}, allowed: the lower number first"
            )
    return Coincidences(by_name[values["signals"]], tuple(values["window"]), tuple(values["area"]))


def _signals(name: str, values: Mapping[str, Any], detector: Detector, key: str) -> Signals:
    channels = tuple(values["channels"])
    digitizer = _digitizer(channels, detector, key)
    gains = _by_run(values["gains"], f"{key}.gains")

    def one_each(found: Any) -> bool:
        return (
            isinstance(found, list)
            and len(found) == len(channels)
            and all(map(_is_positive, found))
        )

    _check_values(gains, one_each, f"{len(channels)} numbers above 0", f"{key}.gains")
    pulses, peaks = values["pulses"], values["peaks"]
    return Signals(
        name=name,
        digitizer=digitizer.name,
        sample_width=digitizer.sample_width,
        channels=channels,
        positive_channels=_positive(channels, digitizer),
        gains=gains,
        baseline_samples=pulses["baseline_samples"],
        baseline_max_rms=pulses["baseline_max_rms"],
        hit_threshold=pulses["hit_threshold"],
        hit_extension=tuple(pulses["hit_extension"]),
        max_gap=peaks["max_gap"],
        min_area=peaks["min_area"],
        min_channels=peaks["min_channels"],
        split_min_height=peaks["split_min_height"],
        split_min_ratio=peaks["split_min_ratio"],
        coincidence=tuple(peaks["coincidence"]),
    )


def _led(values: Mapping[str, Any], detector: Detector, key: str) -> Led:
    channels = tuple(values["channels"])
    digitizer = _digitizer(channels, detector, key)
    windows = {}
    for name in ("baseline", "light", "noise"):
        first, beyond = values[name]
        if first >= beyond:
            raise ConfigurationError(
                f"{key}.{name} is [{first}, {beyond}], allowed: the lower sample first"
            )
        windows[name] = (first, beyond)
    return Led(
        digitizer=digitizer.name,
        channels=channels,
        positive_channels=_positive(channels, digitizer),
        records_per_pulse=values["records_per_pulse"],
        **windows,
    )


def _digitizer(channels: tuple[int, ...], detector: Detector, key: str) -> Digitizer:
    """Return the digitizer of these channels; it must be one, as their samples are added up."""
    found = set()
    for channel in channels:
        owners = [d for d in detector.digitizers if d.first_channel <= channel <= d.last_channel]
        if not owners:
            raise ConfigurationError(
                f"{key}.channels contains {channel}, which belongs to no digitizer",
                "correct it, or add the digitizer",
            )
        found.add(owners[0])
    if len(found) > 1:
        names = " and ".join(sorted(digitizer.name for digitizer in found))
        raise ConfigurationError(
            f"{key}.channels contains channels of {names}, allowed: channels of one digitizer"
        )
    return found.pop()


def _positive(channels: tuple[int, ...], digitizer: Digitizer) -> tuple[int, ...]:
    is_positive = digitizer.polarity == "positive"
    return tuple(c for c in channels if is_positive or c in digitizer.positive_channels)


def _by_run(value: Any, key: str) -> Any:
    if not isinstance(value, dict):
        return value
    try:
        return corrections.load(value["file"])
    except ConfigurationError as error:
        raise ConfigurationError(f"{key}: {error.what}", error.remedy) from error


def _check_values(quantity: Any, is_allowed: Callable[[Any], bool], allowed: str, key: str) -> None:
    if quantity is None:
        return
    by_run = quantity if isinstance(quantity, ByRun) else None
    for value in [entry.value for entry in by_run.entries] if by_run else [quantity]:
        if not is_allowed(value):
            where = f"{key}, file {by_run.file}," if by_run else key
            raise ConfigurationError(f"{where} is {value}, allowed: {allowed}")


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _listed(channels: tuple[int, ...]) -> str:
    return ", ".join(map(str, channels)) or "none"
