"""What is written about the workflow is what it does."""

import re
import subprocess

from site_for_tests import XAMSFLOW
from xamsflow import cli, layout

RULE_FILES = layout.REPOSITORY / "workflow" / "rules"
OF_REPORT = ("overview", "page")
"""Rules that share a file, report.smk."""

RULES = sorted(
    line.removeprefix("rule ").rstrip(":")
    for file in RULE_FILES.glob("*.smk")
    for line in file.read_text().splitlines()
    if line.startswith("rule ")
)


def test_each_rule_has_one_name_everywhere():
    assert RULES
    text = (layout.REPOSITORY / "docs" / "data-flow.md").read_text()
    assert sorted(re.findall(r"^\| \[(\w+)\]\(#\w+\)", text, re.MULTILINE)) == RULES
    for rule in RULES:
        assert f"\n## {rule}\n" in text
        assert rule in OF_REPORT or (RULE_FILES / f"{rule}.smk").is_file()
        assert (layout.REPOSITORY / "workflow" / "scripts" / f"{rule}.py").is_file()
        assert (layout.REPOSITORY / "workflow" / "report" / f"{rule}.rst").is_file()
        for folder in ("LOG", "BENCHMARK"):
            assert f"/{rule}/" in getattr(layout, f"{rule.upper()}_{folder}")


def test_the_readme_is_short_and_its_links_lead_somewhere():
    text = (layout.REPOSITORY / "README.md").read_text()
    assert len(text.splitlines()) <= 100
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (layout.REPOSITORY / link).exists(), link


def test_the_readme_names_only_commands_that_there_are():
    text = (layout.REPOSITORY / "README.md").read_text()
    makefile = (layout.REPOSITORY / "Makefile").read_text()
    for target in set(re.findall(r"^make (\w+)", text, re.MULTILINE)):
        assert f"\n{target}:" in makefile
    for verb in set(re.findall(r"`xamsflow (\w+)", text)):
        assert verb in cli.VERBS
    for profile in set(re.findall(r"profiles/\w+", text)):
        assert (layout.REPOSITORY / profile / "config.yaml").is_file()


def test_every_verb_has_help():
    helped = subprocess.run([XAMSFLOW, "--help"], capture_output=True, text=True, check=True)
    for verb in cli.VERBS:
        assert verb in helped.stdout
        subprocess.run([XAMSFLOW, verb, "--help"], capture_output=True, check=True)


def test_the_report_of_snakemake_can_be_made(site):
    site.add_run(932)
    assert site.snakemake().returncode == 0
    made = subprocess.run(
        [
            *site.command(
                "results/000932/rundoc.json", "--report", str(site.folder / "report.html")
            ),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert "SHA-256" in (site.folder / "report.html").read_text()
