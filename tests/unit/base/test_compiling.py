import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from numba.core.caching import IndexDataCacheFile

import xamsflow
from xamsflow.base import compiling

SOURCE = Path(xamsflow.__file__).parent

# Of both types, the records have as many bytes, but their length is elsewhere.
FUNCTIONS = """
import numpy as np

from xamsflow.base.compiling import compiled

A = np.dtype([("flag", "i1", 4), ("length", "<i4"), ("pad", "i1", 7)])
B = np.dtype([("pad", "i1", 7), ("flag", "i1", 4), ("length", "<i4")])

@compiled
def length(record):
    found = record["length"]
    if found > 1000:  # printing makes it too long to be copied to where it is called
        print("length", found)
    return found

@compiled
def total(records):
    found = 0
    for i in range(len(records)):
        found += length(records[i])
    return found
"""
PROCESSES = """
import multiprocessing, sys
import numpy as np
import functions

def total(dtype):
    records = np.zeros(3, dtype)
    records["flag"], records["length"] = 1, [1, 2, 3]
    return functions.total(records)

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    for dtype in (functions.A, functions.B):
        process = context.Process(target=total, args=(dtype,))
        process.start()
        process.join()
    print(total(functions.A), total(functions.B), sum(functions.total.stats.cache_hits.values()))
"""


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_functions_that_two_processes_compiled_work_in_a_third(start: str, tmp_path: Path) -> None:
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    (tmp_path / "processes.py").write_text(PROCESSES)
    printed = subprocess.run(
        [sys.executable, "processes.py", start],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.split() == ["6", "6", "2"]


def test_what_uses_strax_is_protected() -> None:
    code = "import sys, xamsflow.data.loading; assert 'xamsflow.base.compiling' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_index_never_leads_to_what_another_process_compiled(tmp_path: Path) -> None:
    def of_a_process() -> IndexDataCacheFile:
        return IndexDataCacheFile(str(tmp_path), "function", source_stamp=1)

    class Interrupted(IndexDataCacheFile):  # type: ignore[misc]  # numba has no types
        """Another process saves its function while this one does."""

        def _save_data(self, name: str, data: Any) -> None:
            other = of_a_process()
            other._load_index = dict  # it read the index before this one was written
            other.save("type of the other", "code of the other")
            super()._save_data(name, data)

    Interrupted(str(tmp_path), "function", source_stamp=1).save("type", "code")
    assert of_a_process().load("type") in {None, "code"}
    assert of_a_process().load("type of the other") in {None, "code of the other"}


def test_a_file_of_an_older_source_is_never_used(tmp_path: Path) -> None:
    class Killed(IndexDataCacheFile):  # type: ignore[misc]
        def _save_data(self, *_: Any) -> None:
            """Write the index only."""

    IndexDataCacheFile(str(tmp_path), "function", source_stamp=1).save("type", "old code")
    Killed(str(tmp_path), "function", source_stamp=2).save("type", "new code")
    assert IndexDataCacheFile(str(tmp_path), "function", source_stamp=2).load("type") is None


def test_compiled_functions_depend_on_their_own_file_only() -> None:
    found = 0
    for path in SOURCE.rglob("*.py"):
        text = path.read_text()
        if f"from {compiling.__name__} import compiled\n" not in text:
            continue
        elsewhere = {
            alias.asname or alias.name
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        } - {"np", "math"}
        name = ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
        for function in vars(import_module(name)).values():
            if (original := getattr(function, "py_func", None)) is not None:
                found += 1
                names = set(inspect.unwrap(original).__code__.co_names)
                assert not names & elsewhere, f"{path}: {original.__name__}"
    assert found > 10
