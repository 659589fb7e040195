"""Small files of this project that are torn, left behind, or wrong; and clocks."""

import fcntl
import shutil
import time
from datetime import UTC, datetime

from faults.case import Case, NotPossible, run_id
from faults.catalogue import fault
from shifted_clock import ShiftedClock
from xamsflow.state import layout

TORN = ["", "{", "{}", "[]", '{"run_id": "000901"}', '{"000901": 1}', "\x00" * 100]


@fault
def transfer_receipt_torn(case: Case) -> None:
    case.prepare()
    name = f"results/{run_id(case.run)}/transfer.json"
    assert case.site.snakemake(name).returncode == 0
    (case.work / name).write_text(case.random.choice(TORN))
    case.start()


@fault
def data_type_receipt_torn(case: Case) -> None:
    case.prepare()
    name = f"results/{run_id(case.run)}/raw_records_v1730.json"
    assert case.site.snakemake(name).returncode == 0
    (case.work / name).write_text(case.random.choice(TORN))
    case.start()


@fault
def receipt_lost_meanwhile(case: Case) -> None:
    case.prepare()
    case.start()
    receipt = case.work / "results" / run_id(case.run) / "transfer.json"
    case.wait(receipt.exists, "a transfer")
    time.sleep(case.random.uniform(0.0, 0.5))
    receipt.unlink(missing_ok=True)


@fault
def claim_file_torn(case: Case) -> None:
    case.prepare()
    case.start()
    claim = case.work / layout.claim_file(run_id(case.run))
    case.wait(claim.exists, "a claim")
    case.moment("transfer", "process")
    if claim.exists():
        claim.write_text(case.random.choice(TORN))


@fault
def results_removed(case: Case) -> None:
    """Somebody cleans up while the driver is away: all is found on disk again."""
    case.prepare()
    driver = case.start()
    case.moment("process", "publish")
    case.kill(driver.pid)
    case.heal.append(lambda: shutil.rmtree(case.work / "results"))


@fault
def lock_held_by_another(case: Case) -> None:
    """A job of an earlier driver, or of another folder, still works on the run."""
    case.prepare()
    locks = case.work / "data" / "processed" / ".locks"
    locks.mkdir(parents=True)
    with (locks / run_id(case.run)).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        case.start()
        case.moment("transfer")
        time.sleep(1)


@fault
def stale_locks_of_snakemake(case: Case) -> None:
    case.prepare()
    locks = case.work / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    (locks / "0.output.lock").write_text(f"results/{run_id(case.run)}/transfer.json\n")
    incomplete = case.work / ".snakemake" / "incomplete"
    incomplete.mkdir()
    (incomplete / "cmVzdWx0cy8wMDA5MDEvdHJhbnNmZXIuanNvbg==").touch()
    case.start()


@fault
def strax_data_half_written(case: Case) -> None:
    case.prepare()
    case.start()
    processed = case.work / "data" / "processed"
    case.wait(
        lambda: list(processed.glob(f"{run_id(case.run)}-*_temp*")), "strax writes", pause_s=0.001
    )
    case.kill_all()


@fault
def clock_stepped(case: Case) -> None:
    """The clock of the driver's host jumps, forth or back, while it works."""
    case.prepare()
    try:
        clock = ShiftedClock(case.folder)
    except FileNotFoundError as error:
        raise NotPossible(str(error)) from error
    case.site.environment |= clock.environment
    # Without its first try, so that there is a moment at which it is tried again.
    case.site.daq.rename(case.folder / "unmounted")
    case.start()
    case.moment("start", "transfer")
    step = case.random.choice([-400 * 86_400, -3600, 3600, 400 * 86_400])
    clock.shift(step)
    case.end()
    told = case.document(case.run)["processing"]["time"]
    assert abs((told - datetime.now(UTC)).total_seconds() - step) < 100, "the clock was stepped"
    case.heal.append(lambda: (case.folder / "unmounted").rename(case.site.daq))
    case.heal.append(lambda: clock.shift(0))
