import json
import re

import pytest

from xamsflow.base.errors import BadDataError
from xamsflow.redax import findings
from xamsflow.redax.findings import RULES, SHOWN_PER_RULE, Findings, Severity, Verdict
from xamsflow.state import layout


def test_the_docs_show_the_table_of_rules() -> None:
    text = (layout.REPOSITORY / "docs" / "reference" / "live-data-checks.md").read_text()
    assert findings.table() in text


def test_every_known_fault_has_one_rule() -> None:
    traps = [name for name in RULES if re.fullmatch(r"T\d+", name)]
    assert traps == [f"T{number}" for number in range(1, 35)]
    for rule in RULES.values():
        assert rule.severities or re.match("Avoided|Not visible", rule.how), rule.name


def test_reject_stops_with_the_findings_line() -> None:
    with pytest.raises(
        BadDataError, match=r"^run 000007: T9: a file is missing: .* xamsflow retransfer 000007$"
    ):
        Findings("000007").add("T9", "a file is missing")


def test_all_are_collected_if_wanted() -> None:
    found = Findings("000007", stop=False)
    assert found.verdict is Verdict.CLEAN
    found.add("T16", "joined")
    assert found.verdict is Verdict.CLEAN
    found.add("T14", "few", lost_ns=5, lost_records=None, chunk=3)
    assert found.verdict is Verdict.DEGRADED
    found.add("T9", "missing")
    assert found.verdict is Verdict.REJECT
    assert [one["rule"] for one in found.listed] == ["T16", "T14", "T9"]
    assert json.loads(json.dumps(found.listed)) == found.listed


def test_many_of_one_rule_are_counted_with_their_losses() -> None:
    found = Findings("000007", stop=False)
    for number in range(25):
        found.add("incomplete_pulse", f"pulse {number}", lost_ns=10, lost_records=2)
        found.add("T14", "few", lost_records=None)
    pulses = [one for one in found.listed if one["rule"] == "incomplete_pulse"]
    assert len(pulses) == SHOWN_PER_RULE
    assert sum(one["lost_records"] for one in pulses) == 50
    assert sum(one["lost_ns"] for one in pulses) == 250
    assert pulses[-1]["and_more"] == 25 - SHOWN_PER_RULE
    others = [one for one in found.listed if one["rule"] == "T14"]
    assert others[-1]["lost_records"] is None


def test_the_run_document_gets_the_verdict_without_notes() -> None:
    found = Findings("000007", stop=False)
    found.add("T16", "joined")
    found.add("T14", "few", lost_ns=5, lost_records=7, chunk=3)
    quality = {"verdict": found.verdict.value, "findings": found.listed, "live_time_ns": 1}
    assert findings.summary(quality) == {
        "verdict": "degraded",
        "findings": [
            {
                "rule": "T14",
                "severity": Severity.DEGRADED.value,
                "message": "few",
                "lost_ns": 5,
                "lost_records": 7,
            }
        ],
    }
    assert findings.summary({})["verdict"] == "unchecked"
