from xamsflow import claims
from xamsflow.claims import Claim


def test_a_claim_is_told_with_its_targets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert claims.read("000932") is None
    assert claims.targets("000932") == ()
    claims.write(Claim(932, "me", 1), ["events"])
    assert claims.read("000932") == Claim(932, "me", 1)
    assert claims.targets("000932") == ("events",)


def test_only_the_own_claim_is_removed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    claims.write(Claim(932, "another", 2), ["events"])
    claims.remove(Claim(932, "me", 1))
    assert claims.read("000932") == Claim(932, "another", 2)
    claims.remove(Claim(932, "another", 2))
    assert claims.read("000932") is None
