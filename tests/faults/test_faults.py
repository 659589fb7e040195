"""Some of the faults, at one moment each; all of them: ``make faults``."""

import pytest

from faults import checks, reference
from faults.case import NotPossible, opened
from faults.catalogue import FAULTS

pytestmark = pytest.mark.xdist_group("faults")  # its tests share costly fixtures

SOME = (
    "everything_killed",
    "mongod_killed_until_the_next_start",
    "ssh_cut_while_copying",
    "results_full",
)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return reference.make(tmp_path_factory.mktemp("reference"))


@pytest.mark.parametrize("name", SOME)
def test_a_fault_is_survived(name, undisturbed, tmp_path):
    with opened(tmp_path / name, 1, undisturbed) as case:
        try:
            FAULTS[name](case)
        except NotPossible as reason:
            pytest.skip(str(reason))
        print(checks.finish(case))


def test_the_checks_notice_what_is_lost(undisturbed, tmp_path):
    """A suite that cannot fail tells nothing."""
    with opened(tmp_path / "lost", 1, undisturbed) as case:
        case.prepare()
        case.start()
        case.end()
        checks.finish(case)
        checks.check_done(case, case.run)
        folder = next((case.work / "data" / "processed").glob("*-raw_records_v1730-*"))
        file = next(path for path in folder.iterdir() if path.suffix != ".json")
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(AssertionError, match="other data"):
            for number in case.numbers:
                checks.check_done(case, number)
        file.write_bytes(content)
        case.collection.update_one(
            {"number": case.run}, {"$push": {"processing.history": {"to": "done"}}}
        )
        with pytest.raises(AssertionError):
            checks.check_history(case, case.run)
