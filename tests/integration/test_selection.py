"""The conditions of the selection, one by one, agree with the run database's query."""

import json
import re
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servers.mongod import collection, scratch
from xamsflow import rundb
from xamsflow.base import clock
from xamsflow.rundb import selection
from xamsflow.settings.config import Select, Watch
from xamsflow.state import layout

NOW = clock.now()
OWNER = "host:1:1:x"

TIMES = st.sampled_from(
    [None, "yesterday", 3, *(NOW - timedelta(days=days) for days in (-1, 0.5, 2, 400))]
)
STATUS = st.sampled_from(
    [
        *(None, "pending", "submitted", "running", "done", "failed", "failed due to x"),
        *("submitted_job", "odd", 3, ["pending"], [None]),
        *({"status": status} for status in ("pending", "failed", "done", "running")),
    ]
)
TAG = st.sampled_from(["abandon", "hold-processing", "process", "messy"])
TAGS = st.one_of(
    st.sampled_from([None, "process", {"name": "process"}, ["process"], [{"name": ["process"]}]]),
    st.lists(st.builds(lambda name: {"name": name, "user": "x"}, TAG), max_size=3),
)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.sampled_from(["xamsl_led", "bkg", "", None, 3]),
        "detectors": st.sampled_from([["xams"], ["xamsl", "other"], [], "xams", None, 3, [3]]),
        "start": TIMES,
        "end": TIMES,
        "tags": TAGS,
        "processing_status": STATUS,
        "processing": st.one_of(
            st.sampled_from([None, "x", []]),
            st.fixed_dictionaries(
                {},
                optional={
                    "owner": st.sampled_from([OWNER, None]),
                    "retry_at": TIMES,
                    "forced": st.sampled_from([True, False, None, "yes"]),
                },
            ),
        ),
    },
)
SELECTS = st.builds(
    Select,
    first_run=st.sampled_from([None, 3]),
    last_run=st.sampled_from([None, 7]),
    runs=st.sampled_from([(), (range(1, 4), range(8, 9))]),
    modes=st.sampled_from([("*",), ("*led*", "none"), ("bkg",)]),
    detectors=st.sampled_from([("*",), ("xams",), ("xamsl*", "x")]),
    skip_tags=st.sampled_from([(), ("abandon", "hold-processing")]),
    force_tags=st.sampled_from([(), ("process",)]),
    max_age_days=st.sampled_from([None, 1, 30.5]),
    retry=st.booleans(),
    follow=st.booleans(),
    longest_run_h=st.sampled_from([24, 24 * 30]),
)
WATCHES = st.builds(
    Watch,
    auto=st.booleans(),
    max_age_days=st.sampled_from([None, 1]),
    oldest_every=st.none(),
    interval_s=st.just(1.0),
    max_jobs=st.none(),
    switch=st.none(),
    profile=st.just("local"),
)


@pytest.fixture(scope="module")
def connected(mongod):
    config = scratch(mongod)
    with collection(mongod, config) as runs, rundb.open_database(config) as database:
        yield runs, database


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(DOCUMENTS, min_size=1, max_size=9), SELECTS, WATCHES)
def test_the_query_and_the_conditions_agree(connected, documents, select, watch):
    runs, database = connected
    runs.delete_many({})
    runs.insert_many(
        {"number": number, **fields} for number, fields in enumerate(documents, start=1)
    )
    # Whole documents, as MongoDB returns those of other tools.
    stored = {document["number"]: document for document in runs.find()}

    def fulfilled(conditions):
        return [
            number
            for number, document in stored.items()
            if all(condition.ok for condition in conditions(document))
        ]

    taken = [run.number for run in database.pending(select)]
    expected = fulfilled(lambda document: selection.conditions(document, select, NOW))
    assert taken == sorted(expected, reverse=True)
    asked = fulfilled(lambda document: selection.conditions_to_ask(document, select, watch, NOW))
    assert list(database.unasked(select, watch)) == sorted(asked)
    # A driver can claim each run that it takes, once.
    pending = {run: ["events"] for run in database.pending(select)}
    claims = database.claim_pending(pending, OWNER, select.force_tags)
    assert sorted((claim.number for claim in claims), reverse=True) == taken
    assert database.claim_pending(pending, "other:2:2:y", select.force_tags) == []
    assert database.pending(select) == []


def test_with_the_indexes_of_the_manual_no_look_goes_through_all_documents(connected):
    runs, _ = connected
    manual = (layout.REPOSITORY / "docs" / "how-to" / "run-database.md").read_text()
    (fields,) = re.findall(r"^(\[.*\])\n  \.forEach\(field => .*createIndex", manual, re.MULTILINE)
    for field in json.loads(fields):
        runs.create_index(field)
    for follow in (False, True):
        select = Select(force_tags=("process",), follow=follow)
        plan = runs.find(selection.query(select, NOW)).explain()["queryPlanner"]["winningPlan"]
        assert "IXSCAN" in str(plan)
        assert "COLLSCAN" not in str(plan)


@pytest.mark.parametrize(
    ("fields", "unfulfilled", "remedy"),
    [
        ({}, [], ""),
        ({"end": None}, ["the run has ended"], "still being taken"),
        ({"processing_status": None}, ["it is requested"], "`xamsflow pend 932`"),
        ({"processing_status": "done"}, ["it is requested"], "`xamsflow reprocess 932`"),
        ({"processing_status": "failed"}, ["it is requested"], "`xamsflow retry 932`"),
        ({"processing_status": "running", "processing": {"owner": OWNER}}, ["it is requested"],
         "wait until it ends"),
        ({"processing_status": "submitted_job"}, ["it is requested"], "pend 932 --force"),
        ({"processing_status": "failed",
          "processing": {"retry_at": clock.now() + timedelta(hours=1)}},
         ["it is requested"], "wait until then"),
        ({"tags": [{"name": "hold-processing"}]}, ["it has no tag abandon or hold-processing"],
         "`xamsflow release 932`"),
        ({"mode": "bkg"}, ["its mode is *led*"], "change select.modes"),
        ({"detectors": ["xams"]}, ["its detector is xamsl"], "change select.detectors"),
        ({"end": NOW - timedelta(days=9)}, ["it ended in the last 7 days (select.max_age_days)"],
         "force it"),
        ({"mode": "bkg", "detectors": None, "end": NOW - timedelta(days=9),
          "processing_status": "done", "tags": [{"name": "process"}]}, [], ""),
        ({"tags": [{"name": "process"}, {"name": "abandon"}]},
         ["it has no tag abandon or hold-processing"], "release"),
    ],
)  # fmt: skip
def test_each_condition_says_what_to_do(fields, unfulfilled, remedy):
    document = {
        "number": 932,
        "mode": "xamsl_led",
        "detectors": ["xamsl"],
        "end": NOW,
        "processing_status": "pending",
        **fields,
    }
    select = Select(
        modes=("*led*",),
        detectors=("xamsl",),
        skip_tags=("abandon", "hold-processing"),
        force_tags=("process",),
        max_age_days=7,
    )
    found = selection.conditions(document, select, NOW)
    missed = [condition for condition in found if not condition.ok]
    assert [condition.name for condition in missed] == unfulfilled
    assert all(remedy in condition.remedy for condition in missed)
