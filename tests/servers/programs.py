"""The programs that the servers of the tests need."""

import os
import shutil

import pytest

SEARCHED = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
"""Servers are not always in the path of those who start the tests."""


def needed(*names: str) -> str:
    """Return the path of the first of these programs that is installed.

    Where there is none, the test fails in one line.
    """
    for name in names:
        if path := shutil.which(name, path=SEARCHED):
            return path
    return pytest.fail(f"{names[0]} is missing: run tools/system-packages test", pytrace=False)
