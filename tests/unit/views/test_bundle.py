"""Secrets, bytes and files; a bundle of a real run is in tests/workflow/test_answers.py."""

import io
import json
import re
import tarfile
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import yaml

from xamsflow.base.errors import ConfigurationError
from xamsflow.settings import config
from xamsflow.state import layout, receipts
from xamsflow.views import bundle

SECRET = "s3cr3t/w+rd"
PLANTED = ("s3cr3t/w+rd", "hunter2", "abc-token-xyz", "mongo-pw", "log-pw", "rsync-pw")


@pytest.fixture
def settings(tmp_path, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("MONGO_USER", "daq")
    monkeypatch.setenv("MONGO_PASSWORD", SECRET)
    monkeypatch.setenv("HOME", str(tmp_path))
    return config.load()


DOCUMENT = {
    "number": 932,
    "mode": "led",
    "start": datetime(2024, 3, 1, tzinfo=UTC),
    "daq_config": {
        "mongo_uri": "mongodb://daq:mongo-pw@127.0.0.1/",
        "api_key": "abc-token-xyz",
        "passwords": {"hv": "hunter2"},
    },
    "comments": [{"comment": f"the password is {SECRET}, é", "user": "x"}],
}


def unpacked(content):
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {
            member.name.partition("/")[2]: archive.extractfile(member).read()
            for member in archive.getmembers()
        }


def plant(work):
    (work / "logs/transfer").mkdir(parents=True)
    log = f"PASSWORD=log-pw\nwith {SECRET}\nrsync://me:rsync-pw@daq/x\nordinary line\n"
    (work / "logs/transfer/000932.1.log").write_text(log)
    receipts.write(
        work / "results/000932/transfer.json",
        {"run_id": "000932", "source": {"password": "hunter2"}, "destination": SECRET},
    )


def test_secrets_are_nowhere_in_it(settings, tmp_path):
    plant(tmp_path / "work")
    files = unpacked(bundle.make("000932", DOCUMENT, settings))
    for name, content in files.items():
        for secret in PLANTED:
            assert secret.encode() not in content, (name, secret)
    assert b"ordinary line" in files["logs/transfer/000932.1.log"]
    assert "é" in files["README.txt"].decode()
    made = json.loads(files["run_document.json"])
    assert made["number"] == {"$numberInt": "932"}
    assert made["daq_config"]["mongo_uri"] == "mongodb://(removed)@127.0.0.1/"


def test_the_same_run_gives_the_same_bytes(settings, tmp_path):
    plant(tmp_path / "work")
    assert bundle.make("000932", DOCUMENT, settings) == bundle.make("000932", DOCUMENT, settings)


def test_quantities_and_verdict_are_in_it(settings, tmp_path):
    plant(tmp_path / "work")
    for name in ("quantities", "health"):
        receipts.write(tmp_path / f"work/results/000932/{name}.json", {"version": 1, "is": name})
    files = unpacked(bundle.make("000932", DOCUMENT, settings))
    for name in ("quantities", "health"):
        assert json.loads(files[f"receipts/{name}.json"])["is"] == name


def test_without_anything_there_is_no_bundle(settings):
    with pytest.raises(ConfigurationError, match="nothing is known about run 000932"):
        bundle.make("000932", None, settings)


def test_the_correction_files_that_the_detector_names_are_in_it(settings):
    files = unpacked(bundle.make("000932", DOCUMENT, replace(settings, detector="xams")))
    detector = (layout.REPOSITORY / layout.DETECTORS / "xams.yaml").read_text()
    names = set(re.findall(r"file: (\w+)", detector))
    assert len(names) >= 2
    assert {f"corrections/{name}.json" for name in names} == {
        name for name in files if name.startswith("corrections/")
    }
    for name in names:
        path = layout.REPOSITORY / layout.CORRECTIONS / f"{name}.json"
        assert files[f"corrections/{name}.json"] == path.read_bytes()


def test_the_configuration_is_readable(settings):
    files = unpacked(bundle.make("000932", DOCUMENT, settings))
    made = yaml.safe_load(files["configuration.yaml"])
    assert made["detector"] == "xamsl"
    assert made["storage"]["processed"] == "data/processed"


def test_a_file_that_is_there_is_not_overwritten(tmp_path):
    path = tmp_path / "x.tar.gz"
    assert bundle.write(path, b"one")
    assert not bundle.write(path, b"one")
    with pytest.raises(ConfigurationError, match="exists already: choose another --output"):
        bundle.write(path, b"two")
    assert path.read_bytes() == b"one"
    with pytest.raises(ConfigurationError, match="cannot write"):
        bundle.write(path / "y", b"two")


def test_what_a_receipt_says_chooses_no_place_in_the_bundle(settings, tmp_path):
    stored = {"events": {"lineage": {}}, "../../../evil": {"lineage": {}}, "peaks": 5}
    receipts.write(tmp_path / "work/results/000932/events.json", {"stored": stored})
    files = unpacked(bundle.make("000932", DOCUMENT, settings))
    assert [name for name in files if name.startswith("lineage/")] == ["lineage/events.json"]
    assert not any(".." in name for name in files)
