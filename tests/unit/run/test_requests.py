"""What a person asks Snakemake for, and what cannot be made."""

import contextlib
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
    ["index.html", "trends.html", "of/another_workflow.txt", "live/000932.json"]
    + [f"000932/{name}" for name in ("peaks.json", "rundoc.json", "transfer.json", "overview.png")],
)
@pytest.mark.parametrize("data_types", [KNOWN, None])
def test_what_can_be_made(file, data_types):
    assert not re.fullmatch(requests.impossible_pattern(data_types), file)


@pytest.mark.parametrize(
    ("targets", "data_types", "told"),
    [
        (["peaks"], KNOWN, None),
        (["peaks", "peaks2"], KNOWN, "'peaks2' .did you mean peaks"),
        (["of_another_context"], KNOWN, "available: peaks"),
        (["of_another_context"], None, None),
        (["rundoc"], None, "'rundoc'"),
        (["{x}"], None, "allowed: a-z, 0-9 and _"),
    ],
)
def test_which_targets_can_be_made(targets, data_types, told):
    refused = pytest.raises(ConfigurationError, match=told)
    with contextlib.nullcontext() if told is None else refused:
        requests.check(targets, data_types)


def test_a_file_asked_for_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = "results/000932/rundoc.json"
    assert requests.names(["all", f"{tmp_path}/{file}"], file)
    assert requests.names([f"./{file}"], file)
    assert not requests.names(["all", "results/000933/rundoc.json"], file)
