"""The documents describe what the workflow does."""

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from site_for_tests import XAMSFLOW
from xamsflow import cli
from xamsflow.state import layout

RULE_FILES = layout.REPOSITORY / "workflow" / "rules"
OF_REPORT = ("overview", "page", "trends")
"""Rules that share a file, report.smk."""

RULES = sorted(
    line.removeprefix("rule ").rstrip(":")
    for file in RULE_FILES.glob("*.smk")
    for line in file.read_text().splitlines()
    if line.startswith("rule ")
)


def test_each_rule_has_one_name_everywhere():
    assert RULES
    text = (layout.REPOSITORY / "docs" / "explanation" / "data-flow.md").read_text()
    assert sorted(re.findall(r"^\| \[(\w+)\]\(#\w+\)", text, re.MULTILINE)) == RULES
    for rule in RULES:
        assert f"\n## {rule}\n" in text
        assert rule in OF_REPORT or (RULE_FILES / f"{rule}.smk").is_file()
        assert (layout.REPOSITORY / "workflow" / "scripts" / f"{rule}.py").is_file()
        assert (layout.REPOSITORY / "workflow" / "report" / f"{rule}.rst").is_file()
        for folder in ("LOG", "BENCHMARK"):
            assert f"/{rule}/" in getattr(layout, f"{rule.upper()}_{folder}")


ASK_SNAKEMAKE = """
import json, sys
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.io import InputFiles, Wildcards
from snakemake.settings.types import OutputSettings, ResourceSettings

told = {}
with SnakemakeApi(OutputSettings()) as api:
    workflow = api.workflow(
        resource_settings=ResourceSettings(cores=1),
        snakefile=Path(sys.argv[1]),
        workdir=Path(sys.argv[2]),
    )
    workflow.list_rules()
    wildcards = Wildcards(fromdict={"run_id": "000932", "data_type": "records"})
    for rule in workflow._workflow.rules:
        resources = rule.expand_resources(wildcards, InputFiles(), 1)
        told[rule.name] = {
            "input": [str(file) for file in rule.input if not callable(file)],
            "output": [str(file) for file in rule.output],
            "log": [str(file) for file in rule.log],
            "resources": {name: resources.get(name) for name in ("mem_mb", "runtime")},
        }
print(json.dumps(told))
"""


def test_the_tables_of_rules_say_what_snakemake_knows(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", ASK_SNAKEMAKE, str(layout.SNAKEFILE), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    known = json.loads(done.stdout.splitlines()[-1])
    text = (layout.REPOSITORY / "docs" / "explanation" / "data-flow.md").read_text()
    files, asked = (
        {row[0].strip("[").partition("]")[0]: row[1:] for row in _table(text, column)}
        for column in ("input", "memory (MB)")
    )
    assert sorted(files) == sorted(asked) == RULES == sorted(set(known) - {"all", "impossible"})
    for rule in RULES:
        needed, made, code = files[rule]
        memory, minutes, log, usage = asked[rule]
        about = known[rule]
        inputs = set(re.findall(r"`(results/[^`]+)`", needed))
        if about["input"]:  # what a function returns is not known without a run
            assert inputs == _patterns(about["input"])
        assert set(re.findall(r"`(results/[^`]+)`", made)) == _patterns(about["output"])
        assert {log.strip("`")} == _patterns(about["log"])
        used = getattr(layout, f"{rule.upper()}_BENCHMARK")
        assert {usage.strip("`")} == _patterns([used])
        assert rule not in layout.LOGS or used == str(layout.usage(Path(layout.LOGS[rule])))
        assert about["resources"] == {"mem_mb": int(memory), "runtime": int(minutes)}
        assert (layout.REPOSITORY / code.strip("`")).exists()


def _patterns(files: list[str]) -> set[str]:
    """Return files with wildcards in the documentation's form, without constraints."""
    return {
        re.sub(r"\{(run_id|data_type)(,.*?)?\}(?=[./])", r"<\1>", file.replace("{6}", ""))
        for file in files
    }


def _table(text: str, column: str) -> list[list[str]]:
    """Return the rows of the table with this column, without the header."""
    found = re.search(rf"^\| rule \|.* {re.escape(column)} .*\n\|[-|]+\n((?:\|.*\n)+)", text, re.M)
    assert found is not None, column
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines()]


def test_the_site_is_built_without_a_warning_and_has_all_pages(tmp_path):
    """Sphinx checks every link and every linked heading."""
    documents, site = layout.REPOSITORY / "docs", tmp_path / "site"
    subprocess.run(
        [
            *(sys.executable, "-m", "sphinx", "-c", documents, "-b", "html", "--fail-on-warning"),
            *("--keep-going", "--quiet", "-d", tmp_path / "doctrees", layout.REPOSITORY, site),
        ],
        check=True,
    )
    for page in documents.rglob("*.md"):
        assert (site / page.relative_to(layout.REPOSITORY).with_suffix(".html")).is_file()
    assert "journal" in (site / "searchindex.js").read_text()
    assert "Return a detector from" in (site / "docs" / "reference" / "api.html").read_text()


def test_the_decisions_are_listed_with_their_date_and_status():
    decisions = layout.REPOSITORY / "docs" / "decisions"
    rows = []
    for record in sorted(decisions.glob("[0-9]*.md")):
        heading, _, about = record.read_text().splitlines()[:3]
        assert heading.startswith(f"# {int(record.name[:4])}. "), record.name
        known = re.fullmatch(r"Date: (\d{4}-\d\d-\d\d) - Status: (\w.*)", about)
        assert known is not None, f"{record.name}: date and status belong on its third line"
        rows.append(f"| [{heading[2:]}]({record.name}) | {known[1]} | {known[2]} |")
    table = (decisions / "README.md").read_text()
    assert [line for line in table.splitlines() if line.startswith("| [")] == rows


def test_the_readme_names_only_existing_commands():
    text = (layout.REPOSITORY / "README.md").read_text()
    makefile = (layout.REPOSITORY / "Makefile").read_text()
    for target in set(re.findall(r"^make (\w+)", text, re.MULTILINE)):
        assert f"\n{target}:" in makefile
    for verb in set(re.findall(r"`xamsflow (\w+)", text)):
        assert verb in cli.VERBS
    for profile in set(re.findall(r"profiles/\w+", text)):
        assert (layout.REPOSITORY / profile / "config.yaml").is_file()


def test_every_verb_has_help(capsys):
    helped = subprocess.run([XAMSFLOW, "--help"], capture_output=True, text=True, check=True)
    for verb in cli.VERBS:
        assert verb in helped.stdout
        with pytest.raises(SystemExit) as left:
            cli.main([verb, "--help"])
        assert left.value.code == 0
        assert f"usage: xamsflow {verb}" in capsys.readouterr().out


def test_the_report_of_snakemake_holds_the_picture_with_its_caption(site):
    site.add_run(932)
    wanted = ["results/000932/overview.png", "results/index.html"]
    assert site.snakemake(*wanted).returncode == 0
    report = site.folder / "report.html"
    shown = [*wanted, "results/000932/transfer.json"]
    made = site.snakemake(*shown, "--report", str(report))
    assert made.returncode == 0, made.stdout
    text = report.read_text()
    assert "SHA-256" in text
    assert "Run 000932 at a glance" in text
    assert "All runs at a glance" in text
    picture = (site.work / wanted[0]).read_bytes()
    assert base64.b64encode(picture).decode() in text
