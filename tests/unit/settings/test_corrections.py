from pathlib import Path

import pytest

from xamsflow.base.errors import ConfigurationError
from xamsflow.settings import corrections
from xamsflow.state import layout


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "config" / "corrections"
    folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return folder


def test_the_value_of_a_run(folder: Path) -> None:
    (folder / "lifetime_v1.json").write_text('{"000020-000029": 2.5, "000001-000009": [1, 2]}')
    lifetime = corrections.load("lifetime_v1")
    assert corrections.of_run(lifetime, 1) == corrections.of_run(lifetime, 9) == [1, 2]
    assert corrections.of_run(lifetime, 20) == 2.5
    assert [entry.value for entry in lifetime.entries] == [[1, 2], 2.5]


def test_a_value_that_was_not_measured_is_marked(folder: Path) -> None:
    (folder / "lifetime_v1.json").write_text(
        '{"000001-000009": 1,'
        ' "000010-000019": {"value": 2, "provenance": "estimated", "why": "as before"}}'
    )
    lifetime = corrections.load("lifetime_v1")
    assert corrections.of_run(lifetime, 10) == 2
    assert corrections.provenances({"lifetime": lifetime}, 9) == {
        "lifetime": {"file": "lifetime_v1", "provenance": "measured", "why": ""}
    }
    assert corrections.provenances({"lifetime": lifetime}, 19) == {
        "lifetime": {"file": "lifetime_v1", "provenance": "estimated", "why": "as before"}
    }
    assert corrections.provenances({"lifetime": lifetime}, 20) == {}


@pytest.mark.parametrize("run", [0, 10, 19, 30])
def test_a_run_without_a_value(folder: Path, run: int) -> None:
    (folder / "lifetime_v1.json").write_text('{"000001-000009": 1, "000020-000029": 2}')
    with pytest.raises(ConfigurationError) as error:
        corrections.of_run(corrections.load("lifetime_v1"), run)
    assert f"run {run:06d}: config/corrections/lifetime_v1.json has no value" in str(error.value)


def test_a_plain_value_applies_to_all_runs() -> None:
    assert corrections.of_run(3.5, 7) == 3.5
    assert corrections.of_run(None, 7) is None
    assert corrections.of_run([1, 2], 7) == [1, 2]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not valid JSON"),
        ("[1]", "one object"),
        ('[["000001-000002", 1]]', "one object"),
        ('{"1-2": 1}', "run range is '1-2'"),
        ('{"000002-000001": 1}', "run range is '000002-000001'"),
        ('{"000001-*": 1}', "run range"),
        ('{"000001-000005": 1, "000005-000009": 2}', "two values for run 000005"),
        ('{"000001-000005": 1, "000001-000005": 1}', "two values for run 000001"),
        ('{"000001-000005": "many"}', "is 'many', allowed: any value except text"),
        ('{"000001-000005": {"value": 1}}', "provenance is None, allowed: measured, estimated"),
        ('{"000001-000005": {"value": 1, "provenance": "nominal"}}', "lacks the key why"),
        ('{"000001-000005": {"value": 1, "reason": "x"}}', "has reason, allowed: value"),
    ],
)
def test_files_that_are_not_corrections(folder: Path, content: str, words: str) -> None:
    (folder / "wrong.json").write_text(content)
    with pytest.raises(ConfigurationError) as error:
        corrections.load("wrong")
    assert words in str(error.value)
    assert "wrong.json" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"config/corrections/nothing.json is missing"):
        corrections.load("nothing")


def test_an_entry_is_added_and_the_others_keep_their_form(folder: Path) -> None:
    (folder / "gains_v1.json").write_text(
        '{\n  "000001-000009": [1.50, 2],\n'
        '  "000010-000019": {\n    "value": [3, 4],\n    "provenance": "estimated",'
        '\n    "why": "as \\"before\\""\n  },\n  "000030-999999": [7, 8]\n}\n'
    )
    entry = corrections.Entry(5, 14, [3, 4], run=5, date="2026-11-28", error=[0.1, None])
    before = corrections.load("gains_v1")
    path, content = corrections.written("gains_v1", entry)
    assert path == Path("config/corrections/gains_v1.json")
    assert content == (
        '{\n  "000001-000004": [1.50, 2],\n'
        '  "000005-000014": {"value": [3, 4], "error": [0.1, null], "provenance": "measured", '
        '"run": 5, "date": "2026-11-28"},\n'
        '  "000015-000019": {\n    "value": [3, 4],\n    "provenance": "estimated",'
        '\n    "why": "as \\"before\\""\n  },\n  "000030-999999": [7, 8]\n}\n'
    )
    after = corrections.parsed("gains_v1", content)
    assert after.entry(7) == entry
    assert corrections.changes(before, after) == [(5, 9)]
    assert corrections.provenances({"gains": after}, 7)["gains"]["run"] == 5


def test_an_entry_that_splits_a_range_or_fills_a_gap(folder: Path) -> None:
    (folder / "lifetime_v1.json").write_text('{"000010-000019": 1, "000025-000030": 2}')
    before = corrections.load("lifetime_v1")
    for first, last, changed in ((12, 13, [(12, 13)]), (18, 26, [(18, 19), (20, 24), (25, 26)])):
        _, content = corrections.written("lifetime_v1", corrections.Entry(first, last, 3))
        after = corrections.parsed("lifetime_v1", content)
        assert corrections.changes(before, after) == changed
        assert [corrections.of_run(after, run) for run in (10, first, last, 30)] == [1, 3, 3, 2]


def test_entries_of_shipped_files_keep_their_form() -> None:
    for path in sorted((layout.REPOSITORY / layout.CORRECTIONS).glob("*.json")):
        _, content = corrections.written(path.stem, corrections.Entry(999_999, 999_999, [1]))
        lines = set(path.read_text().splitlines())
        assert len(lines - set(content.splitlines())) <= 2, path.name
