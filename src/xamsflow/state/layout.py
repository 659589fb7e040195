"""The location of every file, relative to the working directory, and the names of runs.

Patterns hold Snakemake wildcards in braces, so rules and package share one spelling.
"""

import re
import zlib
from datetime import datetime
from pathlib import Path

from xamsflow.base import clock
from xamsflow.base.errors import ConfigurationError

REPOSITORY = Path(__file__).resolve().parents[3]
"""The checkout with ``config/`` and ``workflow/``; the package is installed from it as editable."""

SNAKEFILE = REPOSITORY / "workflow" / "Snakefile"
SCRIPTS = REPOSITORY / "workflow" / "scripts"
SCHEMAS = REPOSITORY / "workflow" / "schemas"
DEFAULT_CONFIG = REPOSITORY / "config" / "config.yaml"
SITE_SETTINGS = Path("site.yaml")
SITE_QUANTITIES = Path("quantities.py")
"""The quantities that a site defines."""

DETECTORS = Path("config") / "detectors"
GOOD_RUNS = Path("config") / "good_runs.yaml"
CORRECTIONS = Path("config") / "corrections"

RUN_DIGITS = 6
RUN_ID_PATTERN = f"[0-9]{{{RUN_DIGITS}}}"
HIGHEST_RUN = int(10**RUN_DIGITS) - 1
DATA_TYPE_PATTERN = (
    r"(?!(?:follow|transfer|rundoc|claim|quantities|health|compared)\b)[a-z][a-z0-9_]*"
)

FOLLOW_RECEIPT = "results/{run_id}/follow.json"
TRANSFER_RECEIPT = "results/{run_id}/transfer.json"
DATA_TYPE_RECEIPT = "results/{run_id}/{data_type}.json"
RUNDOC_RECEIPT = "results/{run_id}/rundoc.json"
OVERVIEW = "results/{run_id}/overview.png"
QUANTITIES = "results/{run_id}/quantities.json"
HEALTH = "results/{run_id}/health.json"
COMPARED = "results/{run_id}/compared.json"
ABOUT_A_RUN = frozenset({"quantities.json", "health.json", "compared.json"})
"""Files beside the receipts of a run that describe the run, and not a step of its processing."""

GAINS_PICTURE = "results/{run_id}/gains.png"
EVENT_PICTURE = "results/{run_id}/event_{number}.png"
EVENTS_PAGE = "results/{run_id}/events.html"
PAGE = Path("results") / "index.html"
PAGE_SCRIPTS = Path("results") / "page"
"""The folder of what an open page loads: what has changed, and the details of runs."""

PAGE_LATEST = PAGE_SCRIPTS / "latest.js"
PAGE_CHANGES = PAGE_SCRIPTS / "changes.js"
PAGE_WATCH = PAGE_SCRIPTS / "watch.js"
PAGE_LIVE = PAGE_SCRIPTS / "live.js"
PAGE_DETAILS = "results/page/{run_id}.js"
TRENDS = Path("results") / "trends.html"
COMPARISON = Path("results") / "comparison"
"""The folder for the report of the last comparison of lineages."""

LIVE = Path("results") / "live"
"""The folder of what is known of runs while they are being taken."""

LIVE_PAGE = Path("results") / "live.html"
CLAIM = "results/{run_id}/claim.json"

CAMPAIGNS = Path("campaigns")
"""The folder of campaigns."""

JOURNAL = Path("journal")
"""The folder of outcomes that are not yet in the run database."""

HEALTH_LOCK = Path(".xamsflow") / "health.lock"
"""Locked while a run is judged, because a verdict depends on those of other runs."""

PAGE_KEPT = Path(".xamsflow") / "page.json"
"""What the page said last; may be deleted."""

PAGE_DETAILS_SEEN = Path(".xamsflow") / "page-details.json"
"""When the page last looked for new details of all runs; may be deleted."""

PAGE_CURRENT = Path(".xamsflow") / "page-lineages.json"
"""The lineages that the current settings give; may be deleted."""

PAGE_LOCK = Path(".xamsflow") / "page.lock"
"""Locked while the page is written, because each version continues the one before."""

NOTIFIED = Path(".xamsflow") / "notified.json"
"""Which events people have been notified of."""

QUANTITY_TABLE = Path(".xamsflow") / "quantities.npz"
"""The quantities of all runs, kept so that they are read fast; may be deleted."""

WATCHING = Path(".xamsflow") / "watching.json"
"""The sign of life of ``xamsflow watch``."""

FOLLOW_LOG = "logs/follow/{run_id}.log"
LIVE_LOG = "logs/live/{run_id}.log"
TRANSFER_LOG = "logs/transfer/{run_id}.log"
PROCESS_LOG = "logs/process/{run_id}.{data_type}.log"
PUBLISH_LOG = "logs/publish/{run_id}.log"
OVERVIEW_LOG = "logs/overview/{run_id}.log"
QUANTITIES_LOG = "logs/quantities/{run_id}.log"
PAGE_LOG = "logs/page/page.log"
TRENDS_LOG = "logs/trends/trends.log"
PICTURES_LOG = Path("logs") / "page" / "pictures.log"
FORK_SERVER_LOG = Path("logs") / "serve" / "serve.log"

USAGE = Path("usage")
"""What each job has used, in the format of Snakemake's benchmark files, and what drivers took."""

FOLLOW_BENCHMARK = "usage/follow/{run_id}.tsv"
TRANSFER_BENCHMARK = "usage/transfer/{run_id}.tsv"
PROCESS_BENCHMARK = "usage/process/{run_id}.{data_type}.tsv"
PUBLISH_BENCHMARK = "usage/publish/{run_id}.tsv"
OVERVIEW_BENCHMARK = "usage/overview/{run_id}.tsv"
QUANTITIES_BENCHMARK = "usage/quantities/{run_id}.tsv"
PAGE_BENCHMARK = "usage/page/page.tsv"
TRENDS_BENCHMARK = "usage/trends/trends.tsv"

LOGS = {
    "follow": FOLLOW_LOG,
    "transfer": TRANSFER_LOG,
    "process": PROCESS_LOG,
    "publish": PUBLISH_LOG,
}
COMPILED = Path(".snakemake") / "compiled"
"""Compiled functions, if the environment belongs to somebody else."""

CACHES = Path(".snakemake") / "caches"
"""What libraries keep, if the user's home cannot be written."""

RECEIPTS = {
    "follow": FOLLOW_RECEIPT,
    "transfer": TRANSFER_RECEIPT,
    "process": DATA_TYPE_RECEIPT,
    "publish": RUNDOC_RECEIPT,
}
"""By rule, in the order of the chain; a run has failed if one of these rules has failed."""

FOLDERS = (
    Path("results"),
    *(Path(parent) / rule for parent in ("logs", "usage") for rule in LOGS),
)
"""Every run of the driver writes here; strax data and live data may lie elsewhere."""


def folders_of_runs() -> list[Path]:
    """Return the folders with receipts of runs, newest run first."""
    return sorted(transfer_receipt("0").parent.parent.glob("[0-9]*"), reverse=True)


def usage(log: Path) -> Path:
    """Return where the job with this log writes what it has used."""
    return USAGE / log.parent.name / log.with_suffix(".tsv").name


def driver_usage(owner: str) -> Path:
    """Return where a driver writes what it has taken."""
    return USAGE / "driver" / f"{owner}.json"


def run_id(number: int) -> str:
    """Return the run's name: its number as six digits."""
    if not is_run_number(number):
        raise ConfigurationError(f"run number {number}", f"allowed: 0 to {HIGHEST_RUN}")
    return f"{number:0{RUN_DIGITS}d}"


def is_run_number(number: int) -> bool:
    """Return whether a number is a valid run number."""
    return 0 <= number <= HIGHEST_RUN


def is_run_id(name: str) -> bool:
    """Return whether a name is a valid run name: six digits."""
    return re.fullmatch(RUN_ID_PATTERN, name) is not None


def run_number(run: str) -> int:
    """Return the number of the run with this six-digit name.

    Raises ConfigurationError for anything else.
    """
    if not is_run_id(run):
        short = run.isascii() and run.isdecimal() and len(run) < RUN_DIGITS
        like = run.zfill(RUN_DIGITS) if short else "000932"
        raise ConfigurationError(
            f"{run!r} is not a run", f"give the number with six digits, as in {like}"
        )
    return int(run)


def follow_receipt(run: str) -> Path:
    """Return the receipt of following a run while it is being taken."""
    return Path(FOLLOW_RECEIPT.format(run_id=run))


def transfer_receipt(run: str) -> Path:
    """Return the receipt of a run's transfer."""
    return Path(TRANSFER_RECEIPT.format(run_id=run))


def data_type_receipt(run: str, data_type: str) -> Path:
    """Return the receipt of a run's data type."""
    return Path(DATA_TYPE_RECEIPT.format(run_id=run, data_type=data_type))


def quantities(run: str) -> Path:
    """Return the file of a run's quantities."""
    return Path(QUANTITIES.format(run_id=run))


def health(run: str) -> Path:
    """Return the file of the verdict on a run's quantities."""
    return Path(HEALTH.format(run_id=run))


def compared(run: str) -> Path:
    """Return the receipt of the last comparison of two lineages of a run."""
    return Path(COMPARED.format(run_id=run))


def receipts_of_data_types(run: str) -> list[Path]:
    """Return the existing receipts of a run's data types, sorted by name."""
    folder = data_type_receipt(run, "x").parent
    pattern = re.compile(DATA_TYPE_PATTERN + r"\.json")
    return sorted(path for path in folder.glob("*.json") if pattern.fullmatch(path.name))


def earlier_receipts(run: str, time: datetime) -> Path:
    """Return the folder for receipts that became obsolete at `time` because of reprocessing."""
    return data_type_receipt(run, "x").parent / "earlier" / time.strftime("%Y%m%dT%H%M%S")


def rundoc_receipt(run: str) -> Path:
    """Return the receipt for publishing the run document."""
    return Path(RUNDOC_RECEIPT.format(run_id=run))


def overview(run: str) -> Path:
    """Return the overview picture of a run."""
    return Path(OVERVIEW.format(run_id=run))


def page_details(run: str) -> Path:
    """Return the script with the details of a run, for the page."""
    return Path(PAGE_DETAILS.format(run_id=run))


def live_file(run: str) -> Path:
    """Return the file that says how a run is doing while it is being taken."""
    return LIVE / f"{run}.json"


def live_event_picture(run: str) -> Path:
    """Return the picture of the newest large event of a run that is being taken."""
    return LIVE / f"{run}.event.png"


def live_log(run: str) -> Path:
    """Return the log of the process that shows a run while it is being taken."""
    return Path(LIVE_LOG.format(run_id=run))


def gains_picture(run: str) -> Path:
    """Return the picture of the fits of an LED run."""
    return Path(GAINS_PICTURE.format(run_id=run))


def event_picture(run: str, number: int) -> Path:
    """Return the picture of one event of a run."""
    return Path(EVENT_PICTURE.format(run_id=run, number=number))


def events_page(run: str) -> Path:
    """Return the page with pictures of events of a run."""
    return Path(EVENTS_PAGE.format(run_id=run))


def watch_log(run: str, time: datetime) -> Path:
    """Return the log file of a driver that ``xamsflow watch`` starts; `run` is its first run.

    Each driver gets a different file because the name includes the milliseconds of `time`.
    """
    return Path("logs") / "watch" / f"{run}.{time:%Y%m%dT%H%M%S}{time.microsecond // 1000:03}.log"


def claim_file(run: str) -> Path:
    """Return the file that tells a run's jobs which driver claimed the run."""
    return Path(CLAIM.format(run_id=run))


def campaign_file(name: str) -> Path:
    """Return the file of a campaign."""
    return CAMPAIGNS / f"{name}.json"


def campaign_lock(name: str) -> Path:
    """Return the file that is locked while a campaign is changed."""
    return CAMPAIGNS / ".locks" / name


def journal_file(number: int, attempt: int, place: str) -> Path:
    """Return the file that keeps the outcome of an attempt until it can be published.

    `place` is the collection and its server: two collections may have runs with the same number.
    """
    return JOURNAL / f"{run_id(number)}.{attempt}.{zlib.crc32(place.encode()):08x}.json"


def incoming(live_data: Path, run: str) -> Path:
    """Return the folder in which a run arrives, next to its final folder."""
    return live_data / f"{run}.incoming"


def identity_file(storage: Path, run: str) -> Path:
    """Return the file that records to which run the data under this number belong."""
    return storage / ".runs" / f"{run}.json"


def set_aside(path: Path) -> Path:
    """Return where to keep a wrong file or folder: in a neighboring folder that nothing reads."""
    time = clock.now().strftime("%Y%m%dT%H%M%S%f")[:-3]
    return path.parent / ".set_aside" / f"{path.name}.{time}"


def lineage_file(processed: Path, run: str) -> Path:
    """Return the record of which lineage of a run is in use.

    It is stored with the strax data, so that it holds in every working directory.
    """
    return processed / ".lineages" / f"{run}.json"


def lock_file(processed: Path, run: str) -> Path:
    """Return the file that a job locks while it works on a run.

    It is stored with the strax data, so that drivers in several working directories share it.
    """
    return processed / ".locks" / run
