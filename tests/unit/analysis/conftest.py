"""A working directory with processed runs of XAMS, whose gains differ between the runs."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from xamsflow.analysis.site import Site, open_site
from xamsflow.data.processing import process_run
from xamsflow.redax import rundoc
from xamsflow.run import run_metadata
from xamsflow.settings import config
from xamsflow.settings import detector as detectors
from xamsflow.simulate import Physics, SimulatedRun, simulate
from xamsflow.state import layout, receipts

RUNS = {
    "006800": datetime(2026, 1, 5, 12, 0, 0, 797_000, tzinfo=UTC),
    "007200": datetime(2026, 1, 5, 12, 1, 0, 0, tzinfo=UTC),
}
FACTS = {
    "006800": {"mode": "bg_Cs137", "source": "Cs137", "tags": [{"name": "good"}]},
    "007200": {"mode": "bg", "tags": [{"name": "_bad"}], "comments": [{"comment": "HV tripped"}]},
}
TRANSFERRED = "006801"
"""A run of which nothing is stored."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of the processed runs in one process: making the runs is costly."""
    for item in items:
        if Path(__file__).parent in item.path.parents and "place" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group("analysis"))


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here, the settings are those of the working directory."""
    monkeypatch.delenv(config.SITE, raising=False)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working directory; tests must not change it."""
    folder = tmp_path_factory.mktemp("analysis")
    (folder / "site.yaml").write_text("detector: xams\n")
    xams = detectors.load("xams")
    for run, start in RUNS.items():
        physics = Physics.of(xams, int(run), event_rate=30.0)
        settings = SimulatedRun(
            number=int(run), detector=xams, start=start, duration=1.2, physics=physics
        )
        document = simulate(settings, folder / "live_data") | FACTS[run]
        made = process_run(
            document=document,
            detector=xams,
            live_data=folder / "live_data",
            processed=folder / "data" / "processed",
            data_type="event_info",
        )
        transferred = {"run_document": rundoc.to_json(document), "bytes": 1}
        receipts.write(folder / layout.transfer_receipt(run), transferred)
        receipts.write(folder / layout.data_type_receipt(run, "event_info"), made)
        receipts.write(folder / layout.rundoc_receipt(run), {"run_id": run})
        run_metadata.write(folder / "data" / "processed", run_metadata.of(document, [made]))
    receipts.write(folder / layout.transfer_receipt(TRANSFERRED), transferred)
    return folder


@pytest.fixture(scope="session")
def shared_site(place: Path) -> Site:
    """The site, opened without a run database."""
    return open_site(place / "site.yaml", directory=place, run_database=False)


@pytest.fixture
def changeable(place: Path, shared_site: Site, tmp_path: Path) -> Site:
    """The site with a folder of strax data that a test may change: links to the files."""
    processed = tmp_path / "processed"
    for file in (place / "data" / "processed").rglob("*"):
        target = processed / file.relative_to(place / "data" / "processed")
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.is_file():
            target.hardlink_to(file)
    storage = replace(shared_site.settings.storage, processed=processed)
    settings = replace(shared_site.settings, storage=storage)
    return Site(settings, place, run_database=False)
