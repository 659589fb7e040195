"""A run database that is away, slow, or says no."""

import signal
import time
from typing import Any

from faults.case import Case
from faults.catalogue import fault


@fault
def mongod_killed_and_back(case: Case) -> None:
    case.prepare()
    case.start()
    case.moment("transfer", "process", "publish")
    kill_mongod(case)
    time.sleep(case.random.uniform(0.0, 2.0))
    case.mongod.start()


@fault
def mongod_killed_until_the_next_start(case: Case) -> None:
    case.prepare()
    case.start()
    case.moment("transfer", "process", "publish")
    kill_mongod(case)
    case.heal.append(case.mongod.start)


@fault
def mongod_restarted(case: Case) -> None:
    case.prepare()
    case.start()
    case.moment("transfer", "process", "publish")
    case.mongod.stop()
    case.mongod.start()


@fault
def mongod_hangs_for_seconds(case: Case) -> None:
    case.prepare()
    case.start()
    case.moment("transfer", "process", "publish")
    case.kill(case.mongod.server.pid, signal.SIGSTOP)
    time.sleep(case.random.uniform(0.5, 6.0))
    case.kill(case.mongod.server.pid, signal.SIGCONT)


@fault
def primary_steps_down(case: Case) -> None:
    case.prepare(replica=True)
    case.start()
    case.moment("transfer", "process", "publish")
    # It may be elected again after a second, as the only one there is.
    case.client.admin.command("replSetStepDown", 1, force=True)


@fault
def account_removed(case: Case) -> None:
    case.prepare(auth=True)
    case.start()
    case.moment("transfer", "process", "publish")
    case.client.admin.command("dropUser", "worker")
    case.heal.append(case.make_user)
    case.heal.append(case.ask_again)


@fault
def account_may_only_read(case: Case) -> None:
    case.prepare(auth=True)
    case.start()
    case.moment("transfer", "process", "publish")
    set_role(case, "readAnyDatabase")
    case.heal.append(lambda: set_role(case, "readWriteAnyDatabase"))
    case.heal.append(case.ask_again)


@fault
def status_set_pending_meanwhile(case: Case) -> None:
    """A person asks for the run again while it is worked on."""
    case.prepare()
    case.start()
    case.moment("transfer", "process")
    change(case, {"$set": {"processing_status": "pending"}})


@fault
def status_removed_meanwhile(case: Case) -> None:
    case.prepare()
    case.start()
    case.moment("transfer", "process")
    change(case, {"$unset": {"processing_status": ""}})
    case.heal.append(lambda: case.pend(case.run))


@fault
def document_removed_meanwhile(case: Case) -> None:
    case.prepare()
    case.start()
    case.moment("transfer", "process")
    document = case.document(case.run)
    case.collection.delete_one({"number": case.run})
    case.heal.append(lambda: case.collection.insert_one(document))
    case.heal.append(case.ask_again)


@fault
def document_made_useless_meanwhile(case: Case) -> None:
    """Somebody overwrites what this project and the DAQ keep in the run document."""
    case.prepare()
    case.start()
    case.moment("transfer", "process")
    before = case.document(case.run)
    change(case, {"$set": {"processing": "$(touch harm)", "data": {"a": 1}, "daq_config": None}})
    case.heal.append(
        lambda: change(
            case,
            {
                "$set": {"data": before["data"], "daq_config": before["daq_config"]},
                "$unset": {"processing": ""},
            },
        )
    )
    case.heal.append(lambda: case.pend(case.run))


@fault
def document_is_hostile(case: Case) -> None:
    """The name of the folder on the DAQ host is a command and leads elsewhere."""
    case.prepare()
    change(case, {"$set": {"data.0.location": "$(touch harm)'; touch harm #/../../etc"}})
    case.site.configure(daq={"live_data": None})
    case.start()
    assert case.end() != 0
    assert not list(case.folder.rglob("harm"))
    document = case.document(case.run)
    assert document["processing"]["failure"] == "bad_data", document["processing"]
    change(case, {"$set": {"data.0.location": str(case.site.daq)}})
    case.pend(case.run)


@fault
def several_documents_of_one_run(case: Case) -> None:
    case.prepare()
    case.start()
    case.moment("transfer", "process")
    document = case.document(case.run)
    double = case.collection.insert_one({k: v for k, v in document.items() if k != "_id"})
    case.heal.append(lambda: case.collection.delete_one({"_id": double.inserted_id}))
    case.heal.append(case.ask_again)


def kill_mongod(case: Case) -> None:
    case.kill(case.mongod.server.pid)
    case.mongod.stop()


def set_role(case: Case, role: str) -> None:
    case.client.admin.command("updateUser", "worker", roles=[role])


def change(case: Case, update: dict[str, Any]) -> None:
    case.collection.update_one({"number": case.run}, update)
