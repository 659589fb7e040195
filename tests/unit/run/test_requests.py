"""What a person asks Snakemake for, and what cannot be made."""

import pytest

from xamsflow.base.errors import ConfigurationError
from xamsflow.run import requests

KNOWN = {"peaks", "raw_records_v1730"}


@pytest.mark.parametrize(
    ("run", "data_type", "told"),
    [
        ("940", None, "'940' is not a run: give the number with six digits, as in 000940"),
        ("run", None, "with six digits"),
        ("0000932", "peaks", "with six digits"),
        ("000932", "peeks", "no data type 'peeks' .did you mean peaks"),
        ("000932", "events", "available: peaks, raw_records_v1730"),
    ],
)
def test_what_cannot_be_made(run, data_type, told):
    with pytest.raises(ConfigurationError, match=told):
        requests.check(run, data_type, KNOWN)


def test_what_can_be_made():
    requests.check("000932", "peaks", KNOWN)
    requests.check("000932", None, KNOWN)
    requests.check("000932", "of_another_context", None)


def test_a_file_asked_for_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = "results/000932/rundoc.json"
    assert requests.names(["all", f"{tmp_path}/{file}"], file)
    assert requests.names([f"./{file}"], file)
    assert not requests.names(["all", "results/000933/rundoc.json"], file)
