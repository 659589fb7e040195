"""Folders that a colleague has closed, and odd documents, end no verb with a traceback."""

import json
import os
import subprocess
import sys

import pytest

from servers.rights import without_roots_rights

VERBS = {
    "show 901-902": "Run 000901",
    "log 901": "run 000901 has no logs",
    "doctor": "database clock",
    "page": "index.html",
    "plan": "000902",
    "bundle 902": "run_000902",
    "verify 901": "cannot read",
    "reconcile --details": "000901 unreadable: cannot read",
}
"""Each verb, and a part of what it says."""


@pytest.fixture
def closed(site):
    """A site with a run whose files only somebody else can read, and an odd document."""
    site.add_run(901, duration=0.6, rate=50)
    site.add_run(902, duration=0.6, rate=50, on_disk=False)
    odd = {"detectors": True, "data": [{"type": "events", "location": ["x"], "host": {"a": 1}}]}
    site.collection.update_one({"number": 902}, {"$set": odd | {"comments": 5, "tags": "x"}})
    folders = [site.work / "results" / "000901", site.work / "logs" / "process",
               site.work / "data" / "live_data" / "000901", site.daq / "000901",
               site.work / "data" / "processed" / ".locks", site.work / "journal"]  # fmt: skip
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        folder.joinpath("transfer.json").write_text("{}")
    for folder in folders:
        folder.chmod(0)
    yield site
    for folder in folders:
        folder.chmod(0o700)


CODE = """
import contextlib, io, json, sys
from xamsflow.cli import main

for verb in json.loads(sys.argv[1]):
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        main([*verb.split(), *sys.argv[2:]])
    print(json.dumps([verb, said.getvalue()]))
"""


def test_no_verb_ends_with_a_traceback(closed):
    where = ["--directory", str(closed.work), "--configfile", str(closed.configfile)]
    answer = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(list(VERBS)), *where],
        env=os.environ | closed.environment,
        preexec_fn=without_roots_rights,
        cwd=closed.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    said = dict(map(json.loads, answer.stdout.splitlines()))
    for verb, part in VERBS.items():
        assert part in said[verb], f"{verb}: {said[verb]}"
        assert "Traceback" not in said[verb]
