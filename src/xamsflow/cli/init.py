"""Set up a site: ask for the settings that processing requires."""

import argparse
import getpass
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from xamsflow.base import process, system_errors
from xamsflow.base.errors import ConfigurationError, XamsflowError
from xamsflow.cli import doctor
from xamsflow.run import start
from xamsflow.settings import config
from xamsflow.state import layout

if TYPE_CHECKING:
    from xamsflow.operate.doctor import Result

HELP = "set up a site: ask for hosts, run database and folders, and write site.yaml"

NONE = "none"
"""The answer for anything that a site does not have."""

DAQ = "daq"
"""The answer for a tunnel through the DAQ host."""

BATCH_PROFILES = ("htcondor", "slurm", "stbc")
"""The profiles of batch systems; init suggests the first whose batch system responds here."""

HEADER = (
    "# The settings of this site, written by xamsflow init. config/README.md in the repository\n"
    "# explains these and all other keys.\n"
)

Settings = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """One setting; a question not `asked` has only an option, and is asked if that is wrong.

    `default` and `put` get the settings chosen so far: `default` returns the suggested answer, and
    `put` adds an answer to them. `put` raises ConfigurationError for an invalid answer.
    """

    option: str
    text: str
    default: Callable[[Settings], str]
    put: Callable[[Settings, str], None]
    asked: bool = True


@dataclass(frozen=True)
class Topic:
    """Questions whose answers are checked together, in the same way as by xamsflow doctor."""

    questions: Sequence[Question]
    check: Callable[[config.Config], "Iterable[Result]"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add an option for each question, and --yes."""
    parser.description = (
        "Ask for the settings of a site, check each answer, write site.yaml and, if needed, the "
        "file with the run database's password; then run xamsflow doctor. A setting that is given "
        "as an option is not asked for. The password is read from the terminal or MONGO_PASSWORD."
    )
    for question in (question for topic in TOPICS for question in topic.questions):
        parser.add_argument(f"--{question.option}", metavar="VALUE", help=question.text)
    parser.add_argument(
        "--yes", action="store_true", help="do not ask: use defaults for all other settings"
    )


def run(options: argparse.Namespace) -> int:
    """Ask, check and write; return the exit code of xamsflow doctor."""
    file = config.site_file()
    if file.exists():
        raise ConfigurationError(
            f"{file} exists", "edit it and run xamsflow doctor, or rename it and start again"
        )
    asks = not options.yes
    if asks and not sys.stdin.isatty():
        raise ConfigurationError(
            "nothing was written: the questions require a terminal",
            "give the settings as options and add --yes",
        )
    if asks:
        print("Press Enter to accept the value in brackets. Ctrl-C stops without writing anything.")
    settings: Settings = {}
    for topic in TOPICS:
        settings = _answers(topic, settings, vars(options), asks=asks)
    _write_credentials(settings)
    try:
        file.write_text(HEADER + yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    except OSError as error:
        raise system_errors.cannot("write", file, error) from error
    print(f"\nSettings were written to {file}. Everything that processing needs is checked:\n")
    written = config.load(options.configfile)
    profile = written.watch.profile
    code = doctor.report(written, start.profile_folder(profile))
    if code:
        print("\nFix the problems and run: xamsflow doctor")
    else:
        print("\nNext: choose a run with xamsflow pend RUN. To process it:")
        print(f"  {start.typed(profile, configfiles=options.configfile)}")
        print("To process all runs as they end: xamsflow watch")
    return code


def _answers(topic: Topic, before: Settings, given: Mapping[str, Any], *, asks: bool) -> Settings:
    """Return the settings with the answers to a topic's questions, once they pass its check.

    People may keep answers that do not pass, for example because a host is unreachable.
    """
    answers = {one.option: given[one.option.replace("-", "_")] for one in topic.questions}
    open_questions = {one.option for one in topic.questions if one.asked or answers[one.option]}
    again = False
    while True:
        settings = deepcopy(before)
        can_be_kept = False
        try:
            for question in topic.questions:
                answer = answers[question.option]
                suggested = question.default(settings) if answer is None else answer
                asked = asks and question.option in open_questions and (again or answer is None)
                answers[question.option] = _ask(question, suggested) if asked else suggested
                question.put(settings, answers[question.option])
            loaded = config.of_site(settings)
            can_be_kept = True
            _raise_problem(topic.check(loaded))
        except XamsflowError as error:
            if not asks:
                raise ConfigurationError(f"nothing was written: {error}") from error
            print(f"  problem: {error}")
            if can_be_kept and _input("  Change your answers? [Y/n] ").lower() in ("n", "no"):
                return settings
            again = True
        else:
            return settings


def _raise_problem(results: "Iterable[Result]") -> None:
    """Print what was found; raise ConfigurationError for the first problem."""
    from xamsflow.operate.doctor import Health  # noqa: PLC0415 - keeps --help fast

    for result in results:
        if result.verdict is Health.PROBLEM:
            raise ConfigurationError(f"{result.name}: {result.value}", result.remedy)
        remedy = f" -> {result.remedy}" if result.remedy else ""
        print(f"  {result.verdict}: {result.name}: {result.value}{remedy}")


def _ask(question: Question, suggested: str) -> str:
    return _input(f"{question.text} [{suggested}]: ") or suggested


def _input(prompt: str) -> str:
    try:
        return input(prompt).strip()
    except EOFError:
        raise ConfigurationError(
            "nothing was written: the input ended before the last question"
        ) from None


# The questions


def _put(*keys: str) -> Callable[[Settings, str], None]:
    """Return a function that stores an answer under these keys, and nothing for NONE."""

    def put(settings: Settings, answer: str) -> None:
        if answer != NONE:
            section = settings
            for key in keys[:-1]:
                section = section.setdefault(key, {})
            section[keys[-1]] = answer

    return put


def _host(name: str) -> Settings:
    """Return the settings for an ssh host, which OpenSSH's own configuration completes."""
    user, _, host = name.rpartition("@")
    if not re.fullmatch(r"[\w.:%\[\]][\w.:%\[\]-]*", host):
        raise ConfigurationError(f"{name!r} is not a host", "give a name such as user@host")
    return {"host": host, "user": user} if user else {"host": host}


def _put_daq_host(settings: Settings, answer: str) -> None:
    if answer != NONE:
        settings["daq"] = _host(answer)


def _put_source(settings: Settings, answer: str) -> None:
    """Store ``NAME=FOLDER`` or ``NAME=HOST:FOLDER`` as a source, after the DAQ."""
    if answer == NONE:
        return
    name, _, place = answer.partition("=")
    host, _, folder = place.rpartition(":")
    if not name or not folder.startswith("/"):
        raise ConfigurationError(
            f"{answer!r} is not a source", "give NAME=/FOLDER or NAME=user@host:/FOLDER"
        )
    section = {"name": name, **(_host(host) if host else {}), "live_data": folder}
    settings["sources"] = ["daq", section]


def _put_tunnel(settings: Settings, answer: str) -> None:
    if answer != NONE:
        through = settings.get("daq") if answer == DAQ else _host(answer)
        if not through or "host" not in through:
            raise ConfigurationError(
                "the tunnel needs a DAQ host, and there is none", "enter a host, or none"
            )
        known = {key: value for key, value in through.items() if key != "live_data"}
        settings.setdefault("rundb", {})["tunnel"] = known


def _put_collection(settings: Settings, answer: str) -> None:
    database, _, collection = answer.partition(".")
    settings.setdefault("rundb", {}).update(database=database, collection=collection)


def _put_user(settings: Settings, answer: str) -> None:
    """Let this process use the account; its password is written only to the credentials file."""
    from xamsflow.rundb import credentials  # noqa: PLC0415 - keeps --help fast

    user, password = credentials.USER_VARIABLE, credentials.PASSWORD_VARIABLE
    file = _credentials_file(settings)
    if answer == NONE or file.exists():
        os.environ.pop(user, None)
        os.environ.pop(password, None)
    if answer == NONE:
        return
    if file.exists():
        stored = credentials.find(file)
        if stored is not None and stored.user != answer:
            raise ConfigurationError(
                f"{file} is for user {stored.user}", "edit that file, or name another file"
            )
        return
    word = os.environ.get(password, "")
    if sys.stdin.isatty() and (not word or os.environ.get(user) != answer):
        word = getpass.getpass("Password: ")
    if not word:
        raise ConfigurationError(f"no password was given for {answer}", f"set {password}")
    os.environ.update({user: answer, password: word})


def _user(settings: Settings) -> str:
    from xamsflow.rundb import credentials  # noqa: PLC0415 - keeps --help fast

    file = _credentials_file(settings)
    stored = credentials.find(file) if file.exists() else None
    return os.environ.get(credentials.USER_VARIABLE) or (stored.user if stored else NONE)


def _credentials_file(settings: Settings) -> Path:
    from xamsflow.rundb import credentials  # noqa: PLC0415 - keeps --help fast

    named = settings.get("rundb", {}).get("credentials_file")
    return Path(named or credentials.DEFAULT_FILE).expanduser()


def _write_credentials(settings: Settings) -> None:
    """Move the account from the environment of this process to the credentials file."""
    from xamsflow.rundb import credentials  # noqa: PLC0415 - keeps --help fast

    names = (credentials.USER_VARIABLE, credentials.PASSWORD_VARIABLE)
    user, password = (os.environ.pop(name, None) for name in names)
    if user and password:
        file = _credentials_file(settings)
        credentials.write(file, credentials.Credentials(user, password))
        print(f"\nUser and password were written to {file} (mode 0600).")


def _likely_profile(_: Settings) -> str:
    from xamsflow.operate.doctor import Health, batch_system  # noqa: PLC0415 - keeps --help fast

    for name in BATCH_PROFILES:
        results = batch_system.examine(start.profile_folder(name))
        if all(result.verdict is not Health.PROBLEM for result in results):
            return name
    return "local"


def _default(*keys: str) -> Callable[[Settings], str]:
    """Return a function that returns the default of a setting."""

    def default(_: Settings) -> str:
        value = yaml.safe_load(layout.DEFAULT_CONFIG.read_text(encoding="utf-8"))
        for key in keys:
            value = value[key]
        return NONE if value is None else str(value)

    return default


def _cluster(settings: Settings) -> str:
    """Return this host's name for a site without a batch system."""
    if settings["watch"]["profile"] == "local":
        return process.host().partition(".")[0]
    return _default("storage", "host")(settings)


def _check_detector(loaded: config.Config) -> "Iterable[Result]":
    from xamsflow.operate.doctor import this_host  # noqa: PLC0415 - keeps --help fast

    return this_host.detector_file(loaded)


def _check_daq_host(loaded: config.Config) -> "Iterable[Result]":
    from xamsflow.operate.doctor import daq  # noqa: PLC0415 - keeps --help fast

    return (result for result in daq.examine(loaded.daq) if result.name != daq.FOLDER)


def _check_daq_folder(loaded: config.Config) -> "Iterable[Result]":
    from xamsflow.operate.doctor import daq  # noqa: PLC0415 - keeps --help fast

    return (result for result in daq.examine(loaded.daq) if result.name == daq.FOLDER)


def _check_source(loaded: config.Config) -> "Iterable[Result]":
    from xamsflow.operate.doctor import daq  # noqa: PLC0415 - keeps --help fast

    return daq.copies(loaded.sources)


def _check_rundb(loaded: config.Config) -> "Iterable[Result]":
    from xamsflow.operate.doctor import run_database  # noqa: PLC0415 - keeps --help fast

    return run_database.examine(loaded.rundb, loaded.watch.switch)


def _check_storage(loaded: config.Config) -> "Iterable[Result]":
    from xamsflow.operate.doctor import this_host  # noqa: PLC0415 - keeps --help fast

    return this_host.folders(loaded)


def _check_profile(loaded: config.Config) -> "Iterable[Result]":
    from xamsflow.operate.doctor import batch_system  # noqa: PLC0415 - keeps --help fast

    return batch_system.examine(start.profile_folder(loaded.watch.profile))


TOPICS = (
    Topic(
        [
            Question(
                "detector",
                "Detector, a file in config/detectors",
                _default("detector"),
                _put("detector"),
            )
        ],
        _check_detector,
    ),
    Topic(
        [
            Question(
                "daq-host",
                "DAQ host, user@host or an alias of ~/.ssh/config; none: its disk is mounted here",
                _default("daq", "host"),
                _put_daq_host,
            )
        ],
        _check_daq_host,
    ),
    Topic(
        [
            Question(
                "daq-folder",
                "Folder with the runs on the DAQ host; none: as each run document says",
                _default("daq", "live_data"),
                _put("daq", "live_data"),
            )
        ],
        _check_daq_folder,
    ),
    Topic(
        [
            Question(
                "source",
                "Another place that keeps runs, NAME=[HOST:]FOLDER with the NAME of its host in "
                "run documents; none: only the DAQ",
                lambda _: NONE,
                _put_source,
                asked=False,
            )
        ],
        _check_source,
    ),
    Topic(
        [
            Question(
                "tunnel",
                "ssh host with access to the run database; daq: the DAQ host; none: not needed",
                lambda settings: DAQ if "host" in settings.get("daq", {}) else NONE,
                _put_tunnel,
            ),
            Question(
                "uri",
                "Address of the run database as seen from that host",
                _default("rundb", "uri"),
                _put("rundb", "uri"),
            ),
            Question(
                "credentials-file",
                "File for user and password, created with mode 0600; none: "
                "~/.config/xamsflow/credentials",
                _default("rundb", "credentials_file"),
                _put("rundb", "credentials_file"),
                asked=False,
            ),
            Question("user", "User of the run database; none: no login", _user, _put_user),
            Question(
                "collection",
                "Database and collection of the run documents",
                lambda settings: (
                    "run.runs_gas" if settings["detector"] == "xams" else "run.runs_new"
                ),
                _put_collection,
            ),
        ],
        _check_rundb,
    ),
    Topic(
        [
            Question(
                "profile",
                "Profile: htcondor, slurm, stbc, or local for no batch system",
                _likely_profile,
                _put("watch", "profile"),
            )
        ],
        _check_profile,
    ),
    Topic(
        [
            Question(
                "live-data",
                "Folder for transferred runs",
                _default("storage", "live_data"),
                _put("storage", "live_data"),
            ),
            Question(
                "processed",
                "Folder for strax data",
                _default("storage", "processed"),
                _put("storage", "processed"),
            ),
            Question(
                "cluster",
                "Name of this cluster in the run documents",
                _cluster,
                _put("storage", "host"),
            ),
        ],
        _check_storage,
    ),
)
