"""Settings that are wrong."""

from faults.case import Case
from faults.catalogue import fault


@fault
def configuration_misspelt(case: Case) -> None:
    """A start refuses, and touches no run."""
    case.prepare()
    wrong = case.random.choice(
        [{"detectr": "xamsl"}, {"retry": {"transient": -1}}, {"targets": ["peeks"]}]
    )
    case.site.configure(**wrong)
    case.start()
    assert case.end() != 0
    assert all("processing" not in case.document(number) for number in case.numbers)
    case.site.configure()


@fault
def detector_wrong(case: Case) -> None:
    """Nothing is stored under another detector's name; the live data need not come again."""
    case.prepare()
    case.site.configure(detector="xams")
    case.start()
    assert case.end() != 0
    for number in case.numbers:
        document = case.document(number)
        assert document["processing_status"] == "failed"
        assert document["processing"]["failure"] in ("bad_data", "configuration"), document
    case.site.configure()
    for number in case.numbers:
        case.pend(number)


@fault
def daq_folder_wrong(case: Case) -> None:
    case.prepare()
    case.site.configure(daq={"live_data": str(case.folder / "elsewhere")})
    case.start()
    assert case.end() != 0
    case.site.configure()
