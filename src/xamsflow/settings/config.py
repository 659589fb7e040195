"""The configuration, checked, as typed values.

There are four sources, and each overrides individual keys of the previous ones:
``config/config.yaml``, the site's settings (``site.yaml`` in the working directory), files given
with ``--configfile``, and ``--config``.
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
"""The environment variable through which a workflow passes its configuration to its scripts."""

SITE = "XAMSFLOW_SITE"
"""The environment variable that names a file to use instead of ``site.yaml``."""


DAQ = "daq"
"""The DAQ's name in the list of sources."""


@dataclass(frozen=True)
class SshHost:
    """How to reach a host by ssh; None selects ssh's default."""

    host: str
    port: int = 22
    user: str | None = None
    identity_file: Path | None = None
    known_hosts: Path | None = None


@dataclass(frozen=True)
class Select:
    """Which runs are selected; None, and an empty `runs`, mean no limit.

    `modes` and `detectors` are patterns. A run with one of `force_tags` is selected even if it is
    not pending, and only `skip_tags` can exclude it. `max_age_days` counts from the run's end.
    `retry` also selects failed runs whose time ``processing.retry_at`` has come.
    `follow` also selects runs that are being taken, if they started less than `longest_run_h` ago.
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

    `auto` sets runs without a status pending if they ended in the last `max_age_days` (None: at any
    time). Every `oldest_every`-th selected run is the oldest one, the others are the newest
    (None: all are the newest). `max_jobs` is the number of runs processed at a time, or None for as
    many as the profile allows. `switch` is the collection with the switch that stops processing,
    for example ``daq.processing``; None if there is none. `pictures` is the number of pictures
    drawn at a time alongside the processing, 0 for none; `quantities` says whether those of new
    runs are measured there, too.
    """

    auto: bool
    max_age_days: float | None
    oldest_every: int | None
    interval_s: float
    max_jobs: int | None
    switch: str | None
    pictures: int
    quantities: bool
    profile: str


@dataclass(frozen=True)
class Follow:
    """How a run is followed while it is being taken.

    The run is checked every `interval_s` and abandoned if no data arrive for `patience_s`. `show`
    tells whether it is drawn meanwhile.
    """

    interval_s: float
    patience_s: float
    show: bool


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
    """Where the DAQ writes runs: on the host `ssh`, or on a file system of this machine if None.

    `live_data` is the parent folder of the runs; None takes it from the run document. There, live
    data on the hosts `copies_on` are copies, not the DAQ's own: on `cluster` (``storage.host``) and
    on the other sources. `copies_in` is the folder of the copies here (``storage.live_data``).
    """

    ssh: SshHost | None
    live_data: Path | None
    cluster: str | None = None
    sources: tuple[str, ...] = ()
    copies_in: Path | None = None

    @property
    def copies_on(self) -> tuple[str | None, ...]:
        """The hosts, as named in run documents, on which there are only copies."""
        return (self.cluster, *self.sources) if self.cluster is not None else self.sources


@dataclass(frozen=True)
class Source:
    """A place that keeps copies of runs: on the host `ssh`, or on this machine if None.

    `name` is that of the host in live entries of run documents. `live_data` is the parent folder of
    the runs; None takes it from those entries.
    """

    name: str
    ssh: SshHost | None
    live_data: Path | None


@dataclass(frozen=True)
class Storage:
    """Where live data arrive and strax data are stored; `host` is the name in run documents."""

    live_data: Path
    processed: Path
    host: str


@dataclass(frozen=True)
class Retry:
    """What is retried automatically, see xamsflow.run.policy.

    `resources`, `transient` and `unknown` are the numbers of retries by class of failure. A job
    waits up to `patience_s` for a host or server.
    """

    resources: int
    transient: int
    unknown: int
    first_pause_s: int
    longest_pause_s: int
    patience_s: int


@dataclass(frozen=True)
class Notify:
    """Which notifications are sent, and how; see xamsflow.run.notify.

    `command` is a program with its arguments; None disables notifications.
    """

    command: tuple[str, ...] | None
    events: tuple[str, ...]
    absence_h: float
    space_left_gb: float
    repeat_h: float
    timeout_s: float


@dataclass(frozen=True)
class TargetsByMode:
    """The targets that replace the default ones for runs whose mode matches a pattern."""

    modes: tuple[str, ...]
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Origin:
    """Where settings come from, for error messages: the files in order, then ``--config``."""

    files: tuple[Path, ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict)

    def of(self, key: str) -> str:
        """Name the source that sets a key (in dotted form)."""
        path = key.split(".")
        if _sets(self.given, path):
            return "--config"
        files = [file for file in self.files if _sets(_read(file), path)]
        return str(files[-1]) if files else "configuration"


@dataclass(frozen=True)
class Config:
    """The complete, validated configuration; `context` is None for the plugins of this project.

    `sources` are the places from which runs are copied, nearest first; `daq` is one of them.
    """

    detector: str
    context: str | None
    targets: tuple[str, ...]
    targets_by_mode: tuple[TargetsByMode, ...]
    select: Select
    watch: Watch
    follow: Follow
    rundb: Rundb
    daq: Daq
    sources: tuple[Daq | Source, ...]
    storage: Storage
    retry: Retry
    notify: Notify
    login_node_rules: tuple[str, ...]
    origin: Origin = field(compare=False)

    def targets_for(self, mode: str) -> tuple[str, ...]:
        """Return the targets of a run with this mode: those of the first matching entry.

        A run with a missing or empty mode gets the default targets.
        """
        for entry in self.targets_by_mode:
            if mode and any(fnmatchcase(mode, pattern) for pattern in entry.modes):
                return entry.targets
        return self.targets


def of_detector(config: Config, has: Collection[str]) -> Config:
    """Return the configuration restricted to a detector that has these data types.

    Several detectors share the targets by mode: those that this detector lacks are left out, and if
    none remain, runs get the default targets. Raises ConfigurationError if the detector lacks one
    of `targets`, or if no detector could have one of the targets by mode. With another context the
    data types are unknown, so the configuration is returned unchanged.
    """
    if config.context is not None:
        return config
    known = ", ".join(sorted(has))
    for target in config.targets:
        if target not in has:
            raise ConfigurationError(
                f"{config.origin.of('targets')}: targets has {target!r}, "
                f"allowed for {config.detector}: {known}"
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
    """Return the settings of the working directory, overridden by the files in `configfiles`.

    Raises ConfigurationError naming the file, the key, the value found and the allowed values.
    """
    files = [*site_files(), *configfiles]
    settings = _read(layout.DEFAULT_CONFIG)
    for path in files:
        _override(settings, _read(path))
    return parse(settings, files)


def of_site(changes: Mapping[str, Any]) -> Config:
    """Return the defaults, overridden by the plain settings `changes` of a site.

    Raises ConfigurationError naming the key, the value found and the allowed values.
    """
    settings = _read(layout.DEFAULT_CONFIG)
    _override(settings, changes)
    return parse(settings)


def site_file() -> Path:
    """Return the path of the site's settings, whether or not the file exists.

    It is ``site.yaml`` in the working directory, or the file that the environment variable SITE
    names relative to the working directory.
    """
    return _expanded(os.environ.get(SITE) or str(layout.SITE_SETTINGS)).absolute()


def site_files() -> list[Path]:
    """Return the file with the site's settings in a list, empty if it is missing or has no keys.

    Raises ConfigurationError if the file is unusable, or if SITE names a missing file.
    """
    path = site_file()
    if not os.environ.get(SITE) and not path.exists():
        return []
    return [path] if _read(path) else []


def parse(
    settings: Mapping[str, Any], files: Iterable[Path] = (), given: Mapping[str, Any] | None = None
) -> Config:
    """Convert plain settings, such as Snakemake's ``config``, to a valid Config.

    `files` override the defaults, in order, and `given` (``--config``) overrides all of them.
    Raises ConfigurationError naming the file with the mistake, the key, the value found and the
    allowed values.
    """
    origin = Origin(tuple(files), given or {})
    for file in origin.files:
        if layout.is_run_id(file.parent.name):
            raise ConfigurationError(
                f"--configfile reads {file} as settings", "put targets before --configfile"
            )
        _read(file)  # Snakemake has read it too, but accepts more, such as octal numbers
    mistake = schema.mistake(dict(settings), SCHEMA)
    if mistake is not None:
        raise ConfigurationError(f"{origin.of(mistake.key)}: {mistake}")
    return _typed(settings, origin)


def to_environment(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment that passes settings accepted by :func:`parse` to scripts."""
    return {ENVIRONMENT: json.dumps(settings)}


def from_environment() -> Config:
    """Return the configuration of the workflow that started this process.

    It is not checked again, because loading the checker takes longer than everything else that a
    short job does at its start. Raises ConfigurationError if no workflow started this process.
    """
    if ENVIRONMENT not in os.environ:
        raise ConfigurationError(
            f"the environment lacks {ENVIRONMENT}", "start the script through snakemake"
        )
    return _typed(json.loads(os.environ[ENVIRONMENT]), Origin())


def _sets(settings: Any, key: Sequence[str]) -> bool:
    """Return whether settings contain a value for a key or, instead, for a section around it."""
    if not key or not isinstance(settings, Mapping):
        return True
    return key[0] in settings and _sets(settings[key[0]], key[1:])


def _typed(settings: Mapping[str, Any], origin: Origin) -> Config:
    rundb, storage = settings["rundb"], settings["storage"]
    daq, sources = _sources(settings, origin)
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
        daq=daq,
        sources=sources,
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
            f"allowed: {last} (last_run) or less"
        )
    try:
        runs = run_numbers.parse_all(section["runs"])
    except ConfigurationError as error:
        where = origin.of("select.runs")
        raise ConfigurationError(f"{where}: select.runs: {error}") from error
    patterns = ("modes", "detectors", "skip_tags", "force_tags")
    lists = {name: tuple(section[name]) for name in patterns}
    return Select(**{**section, **lists, "runs": runs})


def _sources(settings: Mapping[str, Any], origin: Origin) -> tuple[Daq, tuple[Daq | Source, ...]]:
    """Return the DAQ and all sources, the DAQ among them; each name may occur once."""
    listed = settings["sources"]
    names = [one if isinstance(one, str) else one["name"] for one in listed]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None or DAQ not in names:
        found = f"{twice} twice" if twice is not None else "no daq"
        raise ConfigurationError(
            f"{origin.of('sources')}: sources has {found}",
            "list daq and each other source once, the nearest first",
        )
    section = settings["daq"]
    daq = Daq(
        _ssh_host(section),
        _path(section["live_data"]),
        cluster=settings["storage"]["host"],
        sources=tuple(name for name in names if name != DAQ),
        copies_in=_expanded(settings["storage"]["live_data"]),
    )
    others = {
        one["name"]: Source(one["name"], _ssh_host(one), _path(one.get("live_data")))
        for one in listed
        if not isinstance(one, str)
    }
    return daq, tuple(others.get(name, daq) for name in names)


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
            f"correct the path in --configfile or {SITE}",
        ) from error
    except (yaml_file.Error, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path} is not valid YAML: {yaml_file.said(error)}", "correct the file at that line"
        ) from error
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise ConfigurationError(f"{path} must contain keys and values, found {settings!r:.80}")
    return settings


def _override(settings: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """Merge `changes` into `settings`, section by section, as Snakemake does with --configfile."""
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
            f"configuration: {value!r} names the home directory of an unknown user",
            "give the absolute path",
        ) from error


def _ssh_host(section: Mapping[str, Any] | None) -> SshHost | None:
    if section is None or section.get("host") is None:
        return None
    return SshHost(
        host=section["host"],
        port=section.get("port", 22),
        user=section.get("user"),
        identity_file=_path(section.get("identity_file")),
        known_hosts=_path(section.get("known_hosts")),
    )
