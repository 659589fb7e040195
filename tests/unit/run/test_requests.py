"""What a person asks Snakemake for, and what cannot be made."""

import re

import pytest

from xamsflow.base.errors import ConfigurationError
from xamsflow.run import requests

KNOWN = {"peaks", "raw_records_v1730"}


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("940/rundoc.json", "'940' is not a run: give the number with six digits, as in 000940"),
        ("run/overview.png", "with six digits"),
        ("0000932/peaks.json", "with six digits"),
        ("٠٠٠٩٣٢/peaks.json", "with six digits"),
        ("000932/peeks.json", "no data type 'peeks' .did you mean peaks"),
        ("000932/events.json", "available: peaks, raw_records_v1730"),
        ("000932/peaks2.json", "no data type 'peaks2'"),
    ],
)
def test_what_cannot_be_made(file, told):
    assert re.fullmatch(requests.impossible_pattern(KNOWN), file)
    with pytest.raises(ConfigurationError, match=told):
        requests.refuse(file, KNOWN)


@pytest.mark.parametrize(
    "file",
    ["index.html", "trends.html"]
    + [f"000932/{name}" for name in ("peaks.json", "rundoc.json", "transfer.json", "overview.png")],
)
@pytest.mark.parametrize("data_types", [KNOWN, None])
def test_what_can_be_made(file, data_types):
    assert not re.fullmatch(requests.impossible_pattern(data_types), file)


@pytest.mark.parametrize(
    ("data_type", "data_types", "possible"),
    [
        ("peaks", KNOWN, True),
        ("peaks2", KNOWN, False),
        ("of_another_context", KNOWN, False),
        ("of_another_context", None, True),
        ("rundoc", None, False),
    ],
)
def test_which_data_types_can_be_made(data_type, data_types, possible):
    pattern = requests.data_type_pattern(data_types)
    assert bool(re.fullmatch(pattern, data_type)) == possible


def test_a_file_asked_for_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = "results/000932/rundoc.json"
    assert requests.names(["all", f"{tmp_path}/{file}"], file)
    assert requests.names([f"./{file}"], file)
    assert not requests.names(["all", "results/000933/rundoc.json"], file)
