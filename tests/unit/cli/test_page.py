from dataclasses import replace

from xamsflow.cli import page
from xamsflow.settings import config


def test_a_context_that_cannot_be_made_does_not_stop_the_page(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    page._find_current(replace(config.load([]), context="not_there.at_all"), ["007000"])
    assert "cannot tell which data are current: " in caplog.text
