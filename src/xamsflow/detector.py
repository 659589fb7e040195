"""Detectors as data: which channels belong to which digitizer."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from xamsflow import layout, schema
from xamsflow.errors import ConfigurationError

SCHEMA = layout.SCHEMAS / "detector.schema.yaml"


@dataclass(frozen=True)
class Digitizer:
    """One kind of digitizer and its channels; its records go to ``raw_records_<name>``.

    `first_channel` and `last_channel` are both included; `sample_width` is in ns.
    """

    name: str
    type: str
    first_channel: int
    last_channel: int
    sample_width: int
    polarity: str
    positive_channels: tuple[int, ...] = ()


@dataclass(frozen=True)
class Detector:
    """A detector: its digitizers by ascending channel, and the channel of artificial dead time."""

    name: str
    description: str
    digitizers: tuple[Digitizer, ...]
    dead_time_channel: int


def load(name: str) -> Detector:
    """Return a detector from ``config/detectors/<name>.yaml``.

    The working directory's own file goes before the repository's, so that a new detector needs no
    change here. Raises ConfigurationError naming the file, key, what was found and what is allowed.
    """
    folders = [Path(), layout.REPOSITORY]
    for folder in folders:
        path = folder / layout.DETECTORS / f"{name}.yaml"
        if path.is_file():
            try:
                settings = yaml.safe_load(path.read_text(encoding="utf-8"))
            except (OSError, yaml.YAMLError) as error:
                raise ConfigurationError(f"cannot read {path}: {error}") from error
            return parse(name, settings, str(path))
    known = sorted(
        {file.stem for folder in folders for file in (folder / layout.DETECTORS).glob("*.yaml")}
    )
    raise ConfigurationError(
        f"configuration: detector is {name!r}, allowed are {', '.join(known)}",
        f"or write {layout.DETECTORS / name}.yaml",
    )


def parse(name: str, settings: Mapping[str, Any], what: str) -> Detector:
    """Return plain settings as a valid Detector; `what` names them in an error."""
    schema.check(settings, SCHEMA, what)
    digitizers = sorted(
        (
            Digitizer(
                name=key,
                type=values["type"],
                first_channel=values["channels"][0],
                last_channel=values["channels"][1],
                sample_width=values["sample_width"],
                polarity=values["polarity"],
                positive_channels=tuple(values.get("positive_channels", ())),
            )
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
    return detector


def _check_channels(detector: Detector, what: str) -> None:
    for digitizer in detector.digitizers:
        first, last = digitizer.first_channel, digitizer.last_channel
        key = f"{what}: digitizers.{digitizer.name}"
        if first > last:
            raise ConfigurationError(
                f"{key}.channels is [{first}, {last}], allowed is the lower channel first"
            )
        if first <= detector.dead_time_channel <= last:
            raise ConfigurationError(
                f"{what}: dead_time.channel is {detector.dead_time_channel}, allowed is a channel "
                f"outside of digitizers.{digitizer.name} ({first} to {last})"
            )
        for channel in digitizer.positive_channels:
            if not first <= channel <= last:
                raise ConfigurationError(
                    f"{key}.positive_channels has {channel}, allowed is {first} to {last}"
                )
    for lower, upper in pairwise(detector.digitizers):
        if upper.first_channel <= lower.last_channel:
            raise ConfigurationError(
                f"{what}: digitizers.{upper.name}.channels begins at {upper.first_channel}, "
                f"allowed is more than {lower.last_channel}, the last channel of {lower.name}"
            )
