"""CONTRIBUTING names the files that must change, and nothing else must."""

import dataclasses
import re
import shutil
import sys
import typing
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from xamsflow import cli
from xamsflow.data.context import context
from xamsflow.settings import config, data_types, detector
from xamsflow.state import layout

TEXT = (layout.REPOSITORY / "CONTRIBUTING.md").read_text()
NAMED = sorted(set(re.findall(r"`([\w<>./-]+(?:/|\.\w+))`", TEXT)))
SETTINGS = [
    (section, key)
    for section, value in yaml.safe_load(layout.DEFAULT_CONFIG.read_text()).items()
    for key in (value if isinstance(value, dict) else [""])
]


@pytest.mark.parametrize("name", NAMED)
def test_each_named_path_exists(name):
    pattern = re.sub("<\\w+>", "*", name).rstrip("/")
    rooms = layout.REPOSITORY / "src" / "xamsflow"
    assert [*layout.REPOSITORY.glob(pattern), *rooms.glob(pattern)]


def test_the_table_names_paths():
    assert len(NAMED) > 30


def test_a_module_and_its_name_are_all_that_a_new_verb_needs(tmp_path, monkeypatch, capsys):
    verb = ModuleType("xamsflow.cli.greet")
    verb.HELP = "greet a person"
    verb.add_arguments = lambda parser: parser.add_argument("person")
    verb.run = lambda options: print(f"hello {options.person}") or 0
    monkeypatch.setitem(sys.modules, verb.__name__, verb)
    monkeypatch.setattr(cli, "VERBS", (*cli.VERBS, "greet"))
    assert cli.main(["greet", "Ada", "--directory", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "hello Ada\n"


def test_a_file_is_all_that_a_new_detector_needs(tmp_path, monkeypatch):
    file = tmp_path / layout.DETECTORS / "another.yaml"
    file.parent.mkdir(parents=True)
    shutil.copy(layout.REPOSITORY / layout.DETECTORS / "xams.yaml", file)
    monkeypatch.chdir(tmp_path)
    settings = yaml.safe_load(layout.DEFAULT_CONFIG.read_text()) | {"detector": "another"}
    asked = config.parse(settings)
    here = detector.load(asked.detector)
    assert config.of_detector(asked, data_types.of(here)).targets == ("event_basics",)
    assert "event_basics" in context(here, Path("nowhere"), readonly=True).tree


@pytest.mark.parametrize(("section", "key"), SETTINGS)
def test_a_setting_stands_in_the_four_files(section, key):
    schema = yaml.safe_load(
        (layout.REPOSITORY / "workflow/schemas/config.schema.yaml").read_text()
    )["properties"]
    fields = typing.get_type_hints(config.Config)
    rows = (layout.REPOSITORY / "config" / "README.md").read_text().splitlines()
    assert section in schema
    assert section in fields
    if not key:
        assert any(row.startswith(f"| `{section}`") for row in rows)
        return
    assert key in schema[section]["properties"]
    assert key in {field.name for field in _fields(fields[section])}
    assert any(
        row.startswith(f"| `{section}.") and re.search(rf"`({section}\.)?{key}`", row)
        for row in rows
    )


def _fields(section: type) -> list[dataclasses.Field]:
    """Return a section's fields, those of an ssh host within it among them."""
    found = list(dataclasses.fields(section))
    for hint in typing.get_type_hints(section).values():
        if config.SshHost in (hint, *typing.get_args(hint)):
            found += dataclasses.fields(config.SshHost)
    return found
