"""Reprocess many runs: preview, start, pause, resume, end and accept a campaign, and show it."""

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from xamsflow.base import amounts, clock, system_errors
from xamsflow.base.errors import ConfigurationError, TransientError
from xamsflow.base.printable import printable
from xamsflow.cli import asking, choosing, next_step
from xamsflow.run import start
from xamsflow.settings import config
from xamsflow.settings.config import Config
from xamsflow.state import campaigns, layout, owner, receipts, run_numbers
from xamsflow.state.campaigns import Campaign, Phase
from xamsflow.views import terminal
from xamsflow.views.terminal import Column

if TYPE_CHECKING:
    from xamsflow.operate.forecast import Forecast
    from xamsflow.rundb import RunDatabase
    from xamsflow.views.campaigns import Progress

HELP = "reprocess many runs as a campaign that can be paused and resumed"

ACTIONS = ("new", "list", "show", "start", "pause", "resume", "retry", "end", "accept", "back")

COLUMNS = (
    Column("campaign"),
    Column("phase"),
    Column("runs", right=True),
    Column("done", right=True),
    Column("failed", right=True),
    Column("left", right=True),
    Column("ends about", drop=1),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action, the campaign, and the selection of runs for a new one."""
    add = parser.add_argument
    add("action", choices=ACTIONS, help="the action (see docs/how-to/campaigns.md)")
    add("name", nargs="?", metavar="NAME", help="name of the campaign")
    add("--runs", nargs="+", metavar="RUN", help=f"new: {choosing.HELP}")
    add("--mode", action="append", metavar="PATTERN", help="new: runs whose mode matches")
    add("--tag", action="append", metavar="TAG", help="new: runs that have this tag")
    add(
        "--from",
        dest="file",
        type=choosing.path,
        metavar="FILE",
        help="new: the runs in a file: output of `xamsflow good --json`, or a list of numbers",
    )
    add(
        "--targets",
        nargs="+",
        metavar="TYPE",
        help="new: final data types [targets in the settings]",
    )
    add("--reason", metavar="TEXT", help="new, accept, back: record this reason with the campaign")
    add("--profile", metavar="NAME", help="estimate the duration with this profile [watch.profile]")
    add("--yes", action="store_true", help="do not ask for confirmation")
    add("--dry-run", action="store_true", help="show what would be done without doing it")
    add("--json", action="store_true", help="list, show: print JSON (keys: docs/reference/json.md)")


def run(options: argparse.Namespace) -> int:
    """Perform the action; return 0 only if it succeeds for all runs."""
    settings = config.load(options.configfile)
    if options.action == "list":
        if options.name is not None:
            raise ConfigurationError("list takes no name", "show NAME shows one campaign")
        return _list(options, settings)
    if options.name is None:
        raise _needs_name(options.action)
    choice = ("runs", "mode", "tag", "file", "targets", "reason")
    given = [name for name in choice if getattr(options, name)]
    if options.action in ("accept", "back"):
        given = [name for name in given if name != "reason"]
    if options.action != "new" and given:
        name = {"file": "from"}.get(given[0], given[0])
        raise ConfigurationError(
            f"--{name} applies only to a new campaign", "the runs of a campaign cannot be changed"
        )
    if options.action != "new" and not campaigns.exists(options.name):
        with contextlib.suppress(TransientError):
            _check_is_here(options.name, settings)
    does: dict[str, Callable[[argparse.Namespace, Config], int]] = {"new": _new, "show": _show}
    return does.get(options.action, _act)(options, settings)


def _new(options: argparse.Namespace, settings: Config) -> int:
    from xamsflow import rundb  # noqa: PLC0415 - keeps --help fast
    from xamsflow.operate import campaigns as operate  # noqa: PLC0415

    campaigns.check_free(options.name)
    words = [*(options.runs or ()), *(_listed(options) if options.file else ())]
    if not (words or options.mode or options.tag):
        raise ConfigurationError("no runs were given", "give --runs, --mode, --tag or --from")
    with rundb.open_database(settings.rundb) as database:
        if (directory := database.campaigns().get(options.name)) is not None:
            raise ConfigurationError(
                f"the run database has runs of a campaign {options.name} from "
                f"{_directory(directory)}",
                "choose another name",
            )
        found = {
            number: document
            for number, document in _documents(database, words).items()
            if asking.matches(document, options.mode, options.tag)
        }
    if not found:
        print("No runs match.")
        return 1
    forecast = _forecast(options, settings, found, tuple(options.targets or ()))
    runs = tuple(cost.number for cost in forecast.costs)
    operate.check_runs(options.name, runs)
    _print_forecast(forecast)
    if not runs:
        print("There is nothing to reprocess, so no campaign was created.")
        return 1
    if options.dry_run:
        print("Nothing was changed (--dry-run).")
        return 0
    made = campaigns.new(
        options.name, runs, tuple(options.targets or ()), owner.user(), options.reason or ""
    )
    campaigns.create(made)
    print(_to_start(made))
    return 0


def _act(options: argparse.Namespace, settings: Config) -> int:
    from xamsflow import rundb  # noqa: PLC0415
    from xamsflow.operate import campaigns as operate  # noqa: PLC0415
    from xamsflow.run import journal  # noqa: PLC0415
    from xamsflow.views import campaigns as views  # noqa: PLC0415

    action, by, reason = options.action, owner.user(), options.reason or ""
    with (
        campaigns.changing(options.name) as campaign,
        rundb.open_database(settings.rundb) as database,
    ):
        operate.check(campaign, action)
        if action == "start":
            numbers = run_numbers.words(campaign.runs)
            documents = _documents(database, numbers)
            _print_forecast(_forecast(options, settings, documents, campaign.targets))
        if options.dry_run:
            print("Nothing was changed (--dry-run).")
            return 0
        what = {
            "accept": f"Switch the campaign {campaign.name} to its new data",
            "back": f"Switch the campaign {campaign.name} back to the earlier data",
        }.get(action, f"{action.capitalize()} the campaign {campaign.name}")
        if not (options.yes or asking.confirmed(what)):
            print("Nothing was changed.")
            return 1
        journal.publish(database, settings)  # an earlier outcome must not be published after this
        if action in ("start", "resume"):
            left_out = operate.start(database, settings, campaign, action, by)
        elif action == "end":
            left_out = operate.end(database, settings, campaign, by)
        elif action == "accept":
            left_out = operate.accept(database, settings, campaign, by, reason)
        elif action == "back":
            left_out = operate.back(database, settings, campaign, by, reason)
        else:
            does = {"pause": operate.pause, "retry": operate.retry}
            left_out = does[action](database, campaign, by)
        for number, why in left_out.items():
            print(f"xamsflow: {layout.run_id(number)} was left out: {why}", file=sys.stderr)
        changed = campaigns.read(campaign.name)
        progress = views.of(changed, database)
    _print_progress(changed, progress)
    if action != "pause" and progress.by_status["pending"]:
        print(next_step.of_pending_runs(settings, options.configfile))
    return 1 if left_out else 0


def _show(options: argparse.Namespace, settings: Config) -> int:
    from xamsflow import rundb  # noqa: PLC0415
    from xamsflow.views import campaigns as views  # noqa: PLC0415

    campaign = campaigns.read(options.name)
    with rundb.open_database(settings.rundb) as database:
        progress = views.of(campaign, database)
        if options.json:
            print(json.dumps(progress.to_json(), indent=1, ensure_ascii=False))
            return 0
        if campaign.phase is Phase.NEW:
            documents = _documents(database, run_numbers.words(campaign.runs))
            _print_forecast(_forecast(options, settings, documents, campaign.targets))
    _print_progress(campaign, progress)
    return 0


def _list(options: argparse.Namespace, settings: Config) -> int:
    from xamsflow import rundb  # noqa: PLC0415
    from xamsflow.views import campaigns as views  # noqa: PLC0415

    found, problems = campaigns.read_all()
    for problem in problems:
        print(f"xamsflow: {problem}", file=sys.stderr)
    with rundb.open_database(settings.rundb) as database:
        rows = [views.of(campaign, database) for campaign in found]
        here = campaigns.names()
        elsewhere = {
            name: directory for name, directory in database.campaigns().items() if name not in here
        }
    if options.json:
        print(json.dumps([row.to_json() for row in rows], indent=1, ensure_ascii=False))
    elif rows:
        print(terminal.table(COLUMNS, [_cells(row) for row in rows], line=terminal.width()))
    elif not problems:
        print("There are no campaigns here; xamsflow campaign new NAME creates one.")
    for name, directory in sorted(elsewhere.items()):
        print(f"{printable(name)}: in {_directory(directory)}", file=sys.stderr)
    return 1 if problems else 0


def _cells(row: "Progress") -> list[str]:
    done, failed = row.by_status["done"], row.by_status["failed"]
    left = "" if row.phase is Phase.ENDED else row.left
    counts = [str(number) for number in (row.n_runs, done, failed, left)]
    return [row.name, row.phase.value, *counts, amounts.time(row.end)]


def _documents(database: "RunDatabase", words: list[str]) -> dict[int, dict[str, Any]]:
    from xamsflow.operate import forecast  # noqa: PLC0415

    return choosing.in_database(words, database, (*forecast.FIELDS, "tags"))


def _listed(options: argparse.Namespace) -> list[str]:
    """Return the runs in a file: the JSON of `xamsflow good`, or lines of numbers and ranges."""
    try:
        text = options.file.read_text(encoding="utf-8")
    except OSError as error:
        what = system_errors.cannot("read", options.file, error).what
        raise ConfigurationError(what, "correct the path") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{options.file} is not text", "correct the path") from error
    if text.lstrip().startswith("{"):
        content = receipts.read(options.file, ("runs",))
        try:
            words = [str(run["run_id"]) for run in content["runs"]]
        except (KeyError, TypeError) as error:
            raise ConfigurationError(
                f"{options.file} is not a list of good runs", "create it with xamsflow good --json"
            ) from error
    else:
        words = [word for line in text.splitlines() for word in line.partition("#")[0].split()]
    if not words:
        raise ConfigurationError(f"{options.file} contains no runs", "give another file")
    try:
        run_numbers.parse_all(words)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{options.file}: {error.what}",
            "give the output of xamsflow good --json, or run numbers and ranges",
        ) from error
    return words


def _forecast(
    options: argparse.Namespace,
    settings: Config,
    documents: Mapping[int, Mapping[str, Any]],
    targets: tuple[str, ...],
) -> "Forecast":
    from xamsflow.operate import forecast  # noqa: PLC0415

    profile = start.profile_folder(options.profile or settings.watch.profile)
    jobs = settings.watch.max_jobs or start.usual_jobs(profile)
    if len(documents) >= 1000 and sys.stderr.isatty():
        print(f"examining {len(documents)} runs …", file=sys.stderr)
    return forecast.forecast(documents.values(), settings, targets, jobs)


def _print_forecast(forecast: "Forecast") -> None:
    made = len(forecast.costs)
    print(f"{amounts.runs(made)} to reprocess; {amounts.runs(len(forecast.up_to_date))} up to date")
    if not made:
        return
    names = ", ".join(f"{name} {count}" for name, count in forecast.by_data_type.items())
    print(f"data types: {names}")
    if forecast.learned_from == 0:
        print("cost: unknown, because these data types have not been produced here yet")
        return
    if forecast.unknown:
        print(f"not counted below: {amounts.runs(forecast.unknown)} whose size or cost is unknown")
    print(f"{amounts.size(forecast.read)} to read, {amounts.size(forecast.written)} to write")
    short = "" if forecast.written <= forecast.free else ": NOT ENOUGH"
    print(
        f"disk space: {amounts.size(forecast.written)} in addition to the present data, of "
        f"{amounts.size(forecast.free)} free{short}"
    )
    print(
        f"CPU: {amounts.duration(forecast.cpu_s)}, estimated from "
        f"{amounts.runs(forecast.learned_from)} processed here"
    )
    end = clock.now() + timedelta(seconds=forecast.wall_s)
    print(
        f"time: {amounts.duration(forecast.wall_s)} with {forecast.jobs} runs at a time; if "
        f"started now and nothing else is processed, done at about {amounts.time(end)} UTC"
    )


def _print_progress(campaign: Campaign, progress: "Progress") -> None:
    words = (
        {"waiting": "not processed, or requested again since"}
        if progress.phase is Phase.ENDED
        else {}
    )
    said = [
        f"{count} {words.get(status, status)}"
        for status, count in progress.by_status.items()
        if count
    ]
    why = f" ({progress.reason})" if progress.reason else ""
    print(f"campaign {progress.name}{why}: {progress.phase}, {amounts.runs(progress.n_runs)}")
    print(", ".join(said))
    if progress.rate is not None:
        end = "" if progress.end is None else f", done at about {amounts.time(progress.end)} UTC"
        print(f"{progress.rate:.3g} runs per hour{end}")
    for cause in progress.failures:
        runs = choosing.named(cause.runs)
        count = amounts.runs(len(cause.runs))
        print(f"{count} failed in {cause.stage}: {cause.reason} (run {runs})")
    if (switch := campaign.switch) and progress.by_status["done"]:
        what = "new" if switch["action"] == "accept" else "earlier"
        why = f" ({switch['reason']})" if switch.get("reason") else ""
        when = amounts.time(datetime.fromisoformat(switch["time"]))
        print(f"switched to the {what} data at {when} UTC by {switch['by']}{why}")
    if step := _next(campaign, progress):
        print(step)


def _next(campaign: Campaign, progress: "Progress") -> str:
    """Return what a person can do next with a campaign, empty if it is working on its runs."""
    verb, compare = "xamsflow campaign", f"xamsflow compare {campaign.name}"
    if campaign.phase is Phase.NEW:
        return _to_start(campaign)
    if campaign.phase is Phase.PAUSED:
        return f"To continue: {verb} resume {campaign.name}"
    if campaign.phase is Phase.RUNNING and progress.by_status["failed"]:
        return f"Once the cause is fixed: {verb} retry {campaign.name}"
    if campaign.phase is Phase.RUNNING and not progress.left:
        return f"All runs are done. Next: {compare}, then {verb} end {campaign.name}"
    if campaign.phase is Phase.ENDED and progress.by_status["done"] and not campaign.switch:
        return f"To switch analysts to the new data: {compare}, then {verb} accept {campaign.name}"
    return ""


def _to_start(campaign: Campaign) -> str:
    return f"To start it: xamsflow campaign start {campaign.name}"


def _needs_name(action: str) -> ConfigurationError:
    if action == "new":
        return ConfigurationError(
            "a new campaign needs a name", "xamsflow campaign new NAME --runs 900-950"
        )
    known = ", ".join(campaigns.names()) or "none yet"
    return ConfigurationError(f"{action} needs the name of a campaign", f"existing: {known}")


def _check_is_here(name: str, settings: Config) -> None:
    """Raise ConfigurationError if another working directory has this campaign."""
    from xamsflow import rundb  # noqa: PLC0415

    with rundb.open_database(settings.rundb) as database:
        directory = database.campaigns().get(name)
    if directory is not None:
        raise ConfigurationError(
            f"the campaign {name} is in {_directory(directory)}",
            f"add --directory {directory}" if directory else "run the command there",
        )


def _directory(path: str) -> str:
    return f"the working directory {printable(path)}" if path else "another working directory"
