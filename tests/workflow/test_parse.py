"""Each job parses the Snakefile again, so parsing must be pure and fast."""

import json
import subprocess
import sys

from site_for_tests import PROFILE
from xamsflow.state import layout

PARSE = """
import json, sys
outside = []
events = {"socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"}
sys.addaudithook(lambda event, about: event in events and outside.append((event, repr(about))))
from snakemake.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    code = end.code
unwanted = sorted({"strax", "straxen", "pymongo", "numba"} & set(sys.modules))
print(json.dumps({"code": code, "outside": outside, "unwanted": unwanted}))
"""


def parse(folder, *arguments):
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            PARSE,
            *("--snakefile", str(layout.SNAKEFILE)),
            *("--profile", str(PROFILE)),
            *("--directory", str(folder)),
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_parsing_connects_to_nothing_and_loads_neither_strax_nor_pymongo(tmp_path):
    for arguments in (["--list-rules"], ["-n", "results/000932/raw_records_v1730.json"]):
        assert parse(tmp_path, *arguments) == {"code": 0, "outside": [], "unwanted": []}


def test_the_watch_itself_sees_a_connection(tmp_path):
    # Pending runs are queried, so there must be a connection attempt (which nobody answers).
    seen = parse(tmp_path, "-n", "--config", "rundb={'uri': 'mongodb://127.0.0.1:1'}")
    assert seen["outside"]
    assert "pymongo" in seen["unwanted"]
