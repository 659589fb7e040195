import os
from pathlib import Path

import pytest

from xamsflow.base.errors import ResourcesError
from xamsflow.state import claims, layout
from xamsflow.state.claims import Claim, Order


@pytest.fixture(autouse=True)
def working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_claim_is_written_with_its_purpose():
    assert claims.read("000932") is None
    assert claims.targets("000932") == ()
    assert not claims.follows("000932")
    assert claims.shortages("000932") == 0
    claims.write([Order(Claim(932, "me", 1, shortages=2), ("events",), follow=True)])
    assert claims.read("000932") == Claim(932, "me", 1, shortages=2)
    assert claims.targets("000932") == ("events",)
    assert claims.follows("000932")
    assert claims.shortages("000932") == 2


def test_only_the_owners_claim_is_removed():
    claims.write([Order(Claim(932, "another", 2), ("events",))])
    claims.remove(Claim(932, "me", 1))
    assert claims.read("000932") == Claim(932, "another", 2)
    claims.remove(Claim(932, "another", 2))
    assert claims.read("000932") is None


@pytest.fixture(params=["links", "no links"])
def links(request, monkeypatch):
    def refuse(source, link):
        raise PermissionError(1, "Operation not permitted", source, None, link)

    if request.param == "no links":
        monkeypatch.setattr(os, "link", refuse)


@pytest.mark.parametrize("together", [1, 2, 3, 100])
def test_claims_written_together_stay_separate(links, together, monkeypatch):
    monkeypatch.setattr(claims, "TOGETHER", together)
    runs = range(1, 6)
    claims.write([Order(Claim(number, "me", 10 + number), (f"to_{number}",)) for number in runs])
    claims.write([Order(Claim(2, "another", 20), ("events",))])
    claims.remove(Claim(3, "me", 13))
    names = {layout.run_id(number) for number in runs}
    told = {run: claims.read(run) for run in names}
    assert told == {
        "000001": Claim(1, "me", 11),
        "000002": Claim(2, "another", 20),
        "000003": None,
        "000004": Claim(4, "me", 14),
        "000005": Claim(5, "me", 15),
    }
    assert claims.targets("000004") == ("to_4",)
    there = {path for path in Path("results").rglob("*") if path.is_file()}
    assert there == {layout.claim_file(run) for run in names - {"000003"}}


CLAIM_IN_PART = '{"000932": {"claim": {"number": 932}}}'


@pytest.mark.parametrize(
    "torn", ["", "{", "{}", "[]", '{"000932": 1}', '{"000932": {}}', CLAIM_IN_PART]
)
def test_a_damaged_file_is_not_a_claim(torn):
    claims.write([Order(Claim(932, "me", 1), ("events",))])
    layout.claim_file("000932").write_text(torn)
    assert claims.read("000932") is None
    assert claims.targets("000932") == ()


def test_without_a_claim_there_is_nothing_to_read():
    claims.write([])
    assert not Path("results").exists()


def test_a_full_disk_is_reported_for_its_run(monkeypatch):
    def full(source, link):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    monkeypatch.setattr(claims.receipts, "write", refuse_second(claims.receipts.write))
    refused = claims.write([Order(Claim(932, "me", 1), ())])
    assert isinstance(refused["000932"], ResourcesError)
    assert not [path for path in Path("results").rglob("*") if path.is_file()]


def refuse_second(write):
    def once(path, receipt, **choices):
        if path == layout.claim_file("000932"):
            raise ResourcesError("no space left", "free some")
        write(path, receipt, **choices)

    return once
