"""Runs that redax's own writer made: each is stored record by record, and judged rightly.

They lie beside the repository, with what is right for each in ``expected.json``.
"""

import hashlib
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import SHARED_DATA
from site_for_tests import Site
from xamsflow.data import context, processing
from xamsflow.redax import rundoc
from xamsflow.settings import detector
from xamsflow.settings.detector import Detector

FOLDER = SHARED_DATA / "redax"
RUNS = sorted(path.parent.name for path in FOLDER.glob("*/expected.json"))
RUN_ID = "000001"
FIELDS = ("time", "length", "dt", "channel", "pulse_length", "record_i", "baseline", "data")


class WrittenByRedax:
    """One of the runs, unpacked into a folder."""

    def __init__(self, name: str, live_data: Path) -> None:
        self.expected = json.loads((FOLDER / name / "expected.json").read_text())
        self.document = rundoc.from_json(
            json.loads((FOLDER / name / "run_document.json").read_text())
        )
        self.detector = detector.load(self.expected["detector"])
        with tarfile.open(FOLDER / name / "live_data.tar.gz") as archive:
            archive.extractall(live_data.parent, filter="data")

    @property
    def verdicts(self) -> set[str]:
        """What may be said of the run; a note leaves it clean."""
        right = self.expected["right"].replace("note", "clean")
        return {verdict for verdict in ("clean", "degraded") if verdict in right}

    @property
    def n_lost(self) -> int:
        return self.expected["records_fed"] - self.expected["records_on_disk"]


def stored_array(processed: Path, one: Detector, data_type: str) -> Any:
    strax_context = context.context(one, processed, readonly=True)
    return strax_context.get_array(RUN_ID, data_type, progress_bar=False)


def stored_records(processed: Path, one: Detector, start: int) -> Any:
    """Return all raw records in order, with times relative to the run's start."""
    found = np.concatenate(
        [
            stored_array(processed, one, f"raw_records_{digitizer.name}")
            for digitizer in one.digitizers
        ]
    )
    found["time"] -= start
    return found[np.lexsort((found["record_i"], found["channel"], found["time"]))]


def sha256(records: Any) -> str:
    checksum = hashlib.sha256()
    for field in FIELDS:
        checksum.update(np.ascontiguousarray(records[field]).tobytes())
    return checksum.hexdigest()


@pytest.mark.skipif(not RUNS, reason="redax's runs are not here")
@pytest.mark.parametrize("name", RUNS)
def test_records_and_verdict(tmp_path: Path, name: str) -> None:
    run = WrittenByRedax(name, tmp_path / "live_data")
    receipt = processing.process_run(
        document=run.document,
        detector=run.detector,
        live_data=tmp_path / "live_data",
        processed=tmp_path / "processed",
        data_type="records",
    )
    quality, stored = receipt["quality"], receipt["stored"]
    assert quality["verdict"] in run.verdicts, quality["findings"]

    on_disk, left_out = quality["records_on_disk"], quality["records_unconnected"]
    records = stored_records(tmp_path / "processed", run.detector, rundoc.parse(run.document).start)
    assert on_disk == run.expected["records_on_disk"]
    assert len(records) == on_disk - left_out == quality["records_stored"]
    assert run.detector.tpc is not None
    of_tpc = stored[f"raw_records_{run.detector.tpc.signals.digitizer}"]["n_items"]
    headless = stored_array(tmp_path / "processed", run.detector, "pulse_counts")
    assert receipt["n_items"] + headless["dropped_records"].sum() == of_tpc
    if not left_out:
        assert sha256(records) == run.expected["sha256_of_records_on_disk"]

    # Whatever is missing is said, as an estimate of the right order.
    said = sum(one["lost_records"] or 0 for one in quality["findings"])
    assert bool(said) == bool(run.n_lost or left_out) or quality["verdict"] == "clean"
    if run.n_lost > 0.01 * run.expected["records_fed"]:
        assert run.n_lost / 5 < said < 5 * run.n_lost


@pytest.mark.skipif(not RUNS, reason="redax's runs are not here")
def test_through_the_workflow(make_site: Callable[..., Site], tmp_path: Path) -> None:
    right = {
        "low_rate_0.3Hz_8threads": "degraded",
        "main_empty_overlap_not": "clean",
        "thread_with_only_an_overlap_pulse": "degraded",
        "threads_not_named_is_8": "clean",
        "xamsl_one_pulse_on_input5": "degraded",
    }
    site = make_site(targets=["records"])
    for number, name in enumerate(right, start=1):
        run = WrittenByRedax(name, tmp_path / name / "live_data")
        (tmp_path / name / "live_data" / RUN_ID).rename(site.daq / f"{number:06d}")
        document = run.document | {"number": number, "processing_status": "pending"}
        document["data"] = [{"type": "live", "host": "daq", "location": str(site.daq)}]
        site.insert(document)

    done = site.snakemake()

    assert done.returncode == 0, done.stdout
    documents = [site.document(number) for number in range(1, len(right) + 1)]
    assert {document["processing_status"] for document in documents} == {"done"}
    found = [document["processing"]["quality"]["verdict"] for document in documents]
    assert dict(zip(right, found, strict=True)) == right
