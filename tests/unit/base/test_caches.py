import sysconfig
from pathlib import Path

import pytest

from xamsflow.base import caches


def test_compiled_functions_stay_in_an_environment_of_our_own(monkeypatch, tmp_path):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    assert caches.compiled_elsewhere(tmp_path) is None
    monkeypatch.setattr(sysconfig, "get_path", lambda _name: "/proc/1")  # nobody writes there
    assert caches.compiled_elsewhere(tmp_path) == tmp_path
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/elsewhere")
    assert caches.compiled_elsewhere(tmp_path) == Path("/elsewhere")


@pytest.mark.parametrize(("home", "usable"), [("/proc/none", False), ("{}/new", True)])
def test_a_home_that_cannot_be_written_is_replaced(monkeypatch, tmp_path, home, usable):
    monkeypatch.setenv("HOME", home.format(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert caches.home_is_usable() is usable
    environment = caches.environment(tmp_path)
    assert environment.get("XDG_CACHE_HOME") == (None if usable else str(tmp_path))
