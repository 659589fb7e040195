"""The configuration, checked, as typed values.

Each of these overrides single keys of those before it: ``config/config.yaml``, the site's own
settings (``site.yaml`` of the working directory), files given with ``--configfile``, ``--config``.
"""

import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from xamsflow.base import schema, yaml_file
from xamsflow.base.errors import ConfigurationError
from xamsflow.settings import data_types
from xamsflow.state import layout, run_numbers

SCHEMA = layout.SCHEMAS / "config.schema.yaml"

ENVIRONMENT = "XAMSFLOW_CONFIG"
"""Name of the variable by which a workflow hands its configuration to the scripts it starts."""

SITE = "XAMSFLOW_SITE"
"""Name of the variable that names another file than ``site.yaml``."""


@dataclass(frozen=True)
class SshHost:
    """How to reach a host by ssh; None leaves a value to ssh's own defaults."""

    host: str
    port: int = 22
    user: str | None = None
    identity_file: Path | None = None
    known_hosts: Path | None = None


@dataclass(frozen=True)
class Select:
    """Which runs are taken; None, and no `runs`, mean no limit.

    `modes` and `detectors` are patterns. A run with one of `force_tags` is taken though nobody set
    it pending, and outside of all limits but `skip_tags`. `max_age_days` counts from its end.
    `retry`: failed runs too, once the time has come that ``processing.retry_at`` names.
    `follow`: runs that are still being taken too, unless they began `longest_run_h` ago or longer.
    """

    first_run: int | None = None
    last_run: int | None = None
    runs: tuple[range, ...] = ()
    modes: tuple[str, ...] = ("*",)
    detectors: tuple[str, ...] = ("*",)
    skip_tags: tuple[str, ...] = ()
    force_tags: tuple[str, ...] = ()
    max_age_days: float | None = None
    newest: int | None = None
    retry: bool = True
    follow: bool = False
    longest_run_h: float = 24


@dataclass(frozen=True)
class Watch:
    """How ``xamsflow watch`` works.

    `auto`: runs without a status are set pending if they ended in the last `max_age_days` (None:
    whenever). One in `oldest_every` runs that are taken is the oldest, the others are the newest
    (None: all are). `max_jobs` is how many runs are worked on at a time, None as many as the
    profile is for. `switch` is the collection, as ``daq.processing``, where somebody can switch it
    off, None if there is none. `pictures` are drawn at a time beside the processing, 0 for none.
    """

    auto: bool
    max_age_days: float | None
    oldest_every: int | None
    interval_s: float
    max_jobs: int | None
    switch: str | None
    pictures: int
    profile: str


@dataclass(frozen=True)
class Follow:
    """How a run is followed while it is taken.

    It is looked at every `interval_s`, and given up when nothing has come for `patience_s`.
    """

    interval_s: float
    patience_s: float


@dataclass(frozen=True)
class Rundb:
    """Where the run documents are."""

    uri: str
    credentials_file: Path | None
    database: str
    collection: str
    tunnel: SshHost | None


@dataclass(frozen=True)
class Daq:
    """Where the DAQ writes runs: on `ssh`, or visible on this machine if None.

    `live_data` is the parent folder of the runs; None takes it from the run document.
    """

    ssh: SshHost | None
    live_data: Path | None


@dataclass(frozen=True)
class Storage:
    """Where live data arrive and strax data are stored; `host` is its name in run documents."""

    live_data: Path
    processed: Path
    host: str


@dataclass(frozen=True)
class Retry:
    """What is retried automatically, see xamsflow.run.policy.

    `resources`, `transient` and `unknown` say how often, by class of failure. `patience_s` is for a
    job that waits for a host or server.
    """

    resources: int
    transient: int
    unknown: int
    first_pause_s: int
    longest_pause_s: int
    patience_s: int


@dataclass(frozen=True)
class Notify:
    """Which messages are sent, and how; see xamsflow.run.notify.

    `command` is a program with its arguments; None: no messages are sent.
    """

    command: tuple[str, ...] | None
    events: tuple[str, ...]
    absence_h: float
    space_left_gb: float
    repeat_h: float
    timeout_s: float


@dataclass(frozen=True)
class TargetsByMode:
    """The targets that replace the usual ones for runs whose mode matches a pattern."""

    modes: tuple[str, ...]
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Origin:
    """Where settings come from, so that a message can name it: files in order, then --config."""

    files: tuple[Path, ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict)

    def of(self, key: str) -> str:
        """Name what has the last word on a key, which is written with dots."""
        path = key.split(".")
        if _sets(self.given, path):
            return "--config"
        files = [file for file in self.files if _sets(_read(file), path)]
        return str(files[-1]) if files else "configuration"


@dataclass(frozen=True)
class Config:
    """The whole configuration, valid; `context` is None for this project's own plugins."""

    detector: str
    context: str | None
    targets: tuple[str, ...]
    targets_by_mode: tuple[TargetsByMode, ...]
    select: Select
    watch: Watch
    follow: Follow
    rundb: Rundb
    daq: Daq
    storage: Storage
    retry: Retry
    notify: Notify
    login_node_rules: tuple[str, ...]
    origin: Origin = field(compare=False)

    def targets_for(self, mode: str) -> tuple[str, ...]:
        """Return the targets of a run with this mode: those of the first entry that matches.

        A run without a mode, or an empty one, gets the usual ones.
        """
        for entry in self.targets_by_mode:
            if mode and any(fnmatchcase(mode, pattern) for pattern in entry.modes):
                return entry.targets
        return self.targets


def of_detector(config: Config, has: Collection[str]) -> Config:
    """Return the configuration for a detector that has these data types.

    Targets by mode are shared by several detectors: those that this one lacks are left out, and if
    none remain, runs get the usual targets. Raises ConfigurationError if the detector lacks one of
    `targets`, or if no detector could have one of the targets by mode. The data types of another
    context are not known, so nothing is changed.
    """
    if config.context is not None:
        return config
    known = ", ".join(sorted(has))
    for target in config.targets:
        if target not in has:
            raise ConfigurationError(
                f"{config.origin.of('targets')}: targets has {target!r}, "
                f"allowed for {config.detector} are {known}"
            )
    by_mode = []
    for entry in config.targets_by_mode:
        for target in entry.targets:
            if target not in has and not data_types.exists(target):
                where = config.origin.of("targets_by_mode")
                raise ConfigurationError(
                    f"{where}: targets_by_mode has {target!r}, which no detector has; "
                    f"{config.detector} has {known}"
                )
        had = tuple(target for target in entry.targets if target in has)
        by_mode.append(replace(entry, targets=had or config.targets))
    return replace(config, targets_by_mode=tuple(by_mode))


def load(configfiles: Iterable[Path] = ()) -> Config:
    """Return the configuration of the working directory, with the keys of `configfiles` over it.

    Raises ConfigurationError naming the file, the key, what was found and what is allowed.
    """
    files = [*site_files(), *configfiles]
    settings = _read(layout.DEFAULT_CONFIG)
    for path in files:
        _override(settings, _read(path))
    return parse(settings, files)


def site_files() -> list[Path]:
    """Return the file with the site's own settings, none where there is none or it has no keys.

    It is ``site.yaml`` of the working directory, or the file that the variable SITE names,
    relative to the working directory too. Raises ConfigurationError if it cannot be used.
    """
    named = os.environ.get(SITE)
    if not named and not layout.SITE_SETTINGS.exists():
        return []
    path = _expanded(named or str(layout.SITE_SETTINGS)).absolute()
    return [path] if _read(path) else []


def parse(
    settings: Mapping[str, Any], files: Iterable[Path] = (), given: Mapping[str, Any] | None = None
) -> Config:
    """Return plain settings, as Snakemake's ``config``, as a valid Config.

    `files` override the defaults, in order, and `given` (``--config``) overrides all of them.
    Raises ConfigurationError naming the file with the mistake, the key, what was found and what is
    allowed.
    """
    origin = Origin(tuple(files), given or {})
    mistake = schema.mistake(dict(settings), SCHEMA)
    if mistake is not None:
        raise ConfigurationError(f"{origin.of(mistake.key)}: {mistake}")
    return _typed(settings, origin)


def to_environment(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment by which scripts get plain settings that `parse` has accepted."""
    return {ENVIRONMENT: json.dumps(settings)}


def from_environment() -> Config:
    """Return the configuration of the workflow that started this process.

    It is not checked again: to load the checker takes longer than all else a short job does first.
    Raises ConfigurationError where no workflow started this process.
    """
    if ENVIRONMENT not in os.environ:
        raise ConfigurationError(
            f"the environment has no {ENVIRONMENT}", "scripts are started by snakemake"
        )
    return _typed(json.loads(os.environ[ENVIRONMENT]), Origin())


def _sets(settings: Any, key: Sequence[str]) -> bool:
    """Tell whether settings have a value for a key, or one in place of a section around it."""
    if not key or not isinstance(settings, Mapping):
        return True
    return key[0] in settings and _sets(settings[key[0]], key[1:])


def _typed(settings: Mapping[str, Any], origin: Origin) -> Config:
    rundb, daq, storage = (settings[section] for section in ("rundb", "daq", "storage"))
    return Config(
        detector=settings["detector"],
        context=settings["context"],
        targets=tuple(settings["targets"]),
        targets_by_mode=tuple(
            TargetsByMode(modes=tuple(entry["modes"]), targets=tuple(entry["targets"]))
            for entry in settings["targets_by_mode"]
        ),
        select=_select(settings["select"], origin),
        watch=Watch(**settings["watch"]),
        follow=Follow(**settings["follow"]),
        rundb=Rundb(
            uri=rundb["uri"],
            credentials_file=_path(rundb["credentials_file"]),
            database=rundb["database"],
            collection=rundb["collection"],
            tunnel=_ssh_host(rundb["tunnel"]),
        ),
        daq=Daq(ssh=_ssh_host(daq), live_data=_path(daq["live_data"])),
        storage=Storage(
            live_data=_expanded(storage["live_data"]),
            processed=_expanded(storage["processed"]),
            host=storage["host"],
        ),
        retry=Retry(**settings["retry"]),
        notify=_notify(settings["notify"]),
        login_node_rules=tuple(settings["login_node_rules"]),
        origin=origin,
    )


def _select(section: Mapping[str, Any], origin: Origin) -> Select:
    first, last = section["first_run"], section["last_run"]
    if first is not None and last is not None and first > last:
        raise ConfigurationError(
            f"{origin.of('select.first_run')}: select.first_run is {first}, "
            f"allowed is {last} (last_run) or less"
        )
    try:
        runs = run_numbers.parse_all(section["runs"])
    except ConfigurationError as error:
        where = origin.of("select.runs")
        raise ConfigurationError(f"{where}: select.runs: {error}") from error
    patterns = ("modes", "detectors", "skip_tags", "force_tags")
    lists = {name: tuple(section[name]) for name in patterns}
    return Select(**{**section, **lists, "runs": runs})


def _notify(section: Mapping[str, Any]) -> Notify:
    command = section["command"]
    return Notify(
        **{
            **section,
            "command": None if command is None else tuple(command),
            "events": tuple(section["events"]),
        }
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        settings = yaml_file.read(path)
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the configuration {path} ({error.strerror})",
            f"correct the path that --configfile or {SITE} gives",
        ) from error
    except (yaml_file.Error, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path} is not valid YAML: {error}", "correct the file there"
        ) from error
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise ConfigurationError(f"{path} must hold keys and values, found {settings!r:.80}")
    return settings


def _override(settings: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """Lay `changes` over `settings`, section by section, as Snakemake does with --configfile."""
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(settings.get(key), dict):
            _override(settings[key], value)
        else:
            settings[key] = value


def _path(value: str | None) -> Path | None:
    return None if value is None else _expanded(value)


def _expanded(value: str) -> Path:
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise ConfigurationError(
            f"configuration: {value!r} names the home of a user who is not there",
            "give the whole path",
        ) from error


def _ssh_host(section: Mapping[str, Any] | None) -> SshHost | None:
    if section is None or section["host"] is None:
        return None
    return SshHost(
        host=section["host"],
        port=section.get("port", 22),
        user=section.get("user"),
        identity_file=_path(section.get("identity_file")),
        known_hosts=_path(section.get("known_hosts")),
    )
