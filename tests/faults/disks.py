"""Disks that are full or read-only, at every place that is written to."""

import shutil

from faults.case import Case
from faults.catalogue import fault


@fault
def live_data_full(case: Case) -> None:
    case.prepare()
    case.small_disk(case.work / "data" / "live_data", case.random.choice([4, 8, 16]))
    case.start()


@fault
def processed_full(case: Case) -> None:
    case.prepare()
    case.small_disk(case.work / "data" / "processed", case.random.choice([8, 16, 32]))
    case.start()


@fault
def results_full(case: Case) -> None:
    case.prepare()
    case.small_disk(case.work / "results", case.random.choice([20, 24, 32, 40]))
    case.start()


@fault
def logs_full(case: Case) -> None:
    case.prepare()
    case.small_disk(case.work / "logs", case.random.choice([20, 24, 32, 40]))
    case.start()


@fault
def logs_fill_up_meanwhile(case: Case) -> None:
    case.prepare()
    case.small_disk(case.work / "logs", 2000)
    case.start()
    case.moment("transfer", "process")
    ballast = case.work / "logs" / "ballast"
    try:
        with ballast.open("wb") as file:
            while True:
                file.write(bytes(65536))
                file.flush()
    except OSError:
        pass
    case.heal.append(ballast.unlink)


@fault
def working_directory_full(case: Case) -> None:
    case.prepare()
    shutil.rmtree(case.work)
    case.small_disk(case.work, case.random.choice([150, 250, 400]))
    case.start()


@fault
def live_data_read_only(case: Case) -> None:
    case.prepare()
    case.read_only(case.work / "data" / "live_data")
    nothing_is_claimed(case)


@fault
def processed_read_only(case: Case) -> None:
    case.prepare()
    case.read_only(case.work / "data" / "processed")
    nothing_is_claimed(case)


@fault
def results_read_only(case: Case) -> None:
    case.prepare()
    case.read_only(case.work / "results")
    nothing_is_claimed(case)


@fault
def logs_read_only(case: Case) -> None:
    case.prepare()
    case.read_only(case.work / "logs")
    nothing_is_claimed(case)


@fault
def results_read_only_meanwhile(case: Case) -> None:
    case.prepare()
    case.start()
    case.moment("transfer", "process")
    case.read_only(case.work / "results")
    case.heal.append(case.ask_again)


def nothing_is_claimed(case: Case) -> None:
    """Nothing is claimed that could not be worked on; a person mends it and starts again."""
    case.start()
    assert case.end() != 0
    assert all("processing" not in case.document(number) for number in case.numbers)
