import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from xamsflow.base.errors import BadDataError, ConfigurationError
from xamsflow.state import receipts


def test_what_is_written_is_read(tmp_path):
    receipt = {"run_id": "000932", "files": [{"path": "é", "size": 1}]}
    receipts.write(tmp_path / "deep" / "r.json", receipt)
    assert receipts.read(tmp_path / "deep" / "r.json") == receipt
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["r.json"]


def test_a_second_one_replaces_the_first(tmp_path):
    receipts.write(tmp_path / "r.json", {"a": 1})
    receipts.write(tmp_path / "r.json", {"a": 2})
    assert receipts.read(tmp_path / "r.json") == {"a": 2}


@pytest.mark.parametrize("content", ["", "{", "[1]", "\x00"])
def test_an_invalid_receipt_is_refused(tmp_path, content):
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(BadDataError, match=r"r\.json is not a receipt"):
        receipts.read(tmp_path / "r.json")


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot write"):
        receipts.write(tmp_path / "file" / "r.json", {})


def test_a_full_disk_leaves_the_earlier_receipt(tmp_path):
    path = tmp_path / "r.json"
    receipts.write(path, {"a": 1})
    # A process of its own: the limit on the size of files cannot be taken back.
    code = (
        "import resource, signal, sys, pathlib\n"
        "from xamsflow.base import errors\n"
        "from xamsflow.state import receipts\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
        "try: receipts.write(pathlib.Path(sys.argv[1]), {'b': 'x' * 100})\n"
        "except errors.ResourcesError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True
    )
    assert "no space left" in done.stdout
    assert receipts.read(path) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["r.json"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 10


def test_a_receipt_is_on_the_disk_before_it_becomes_visible(tmp_path, monkeypatch):
    """After a power cut there is the earlier receipt or the new one, in a folder that is there."""
    done = []
    fsync, replace = os.fsync, Path.replace

    def noting_fsync(descriptor):
        done.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    def noting_replace(self, target):
        done.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(Path, "replace", noting_replace)
    path = tmp_path / "results" / "000932" / "r.json"
    receipts.write(path, {"a": 1})
    made = {tmp_path, tmp_path / "results"}
    assert set(done[:2]) == made
    assert done[2].parent == path.parent
    assert done[3:] == ["rename", path.parent]
    done.clear()
    receipts.write(path, {"a": 2}, durable=False)
    assert done == ["rename"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "missing key run_id"),
        ('{"run_id": "000932"}', "missing key"),
        ('{"run_id": 932}', "missing key"),
    ],
)
@pytest.mark.parametrize("read", [receipts.read_transfer, receipts.read_data_type])
def test_a_receipt_that_lacks_a_required_key_is_named(tmp_path, read, content, message):
    path = tmp_path / "000932" / "records.json"
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(BadDataError, match=rf"records\.json .*{message}.*: move it away") as error:
        read(path)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("levels", [300, 100_000])
def test_deeply_nested_json_is_damage_and_no_traceback(tmp_path, levels):
    path = tmp_path / "transfer.json"
    path.write_text('{"a":' * levels + "1" + "}" * levels)
    with pytest.raises(BadDataError, match=r"transfer\.json is not a receipt"):
        receipts.read(path)


def test_a_folder_in_the_place_of_a_receipt_is_damage(tmp_path):
    (tmp_path / "transfer.json").mkdir()
    with pytest.raises(BadDataError, match="a folder"):
        receipts.read(tmp_path / "transfer.json")
    with pytest.raises(ConfigurationError, match="cannot read"):
        receipts.read(tmp_path / ("n" * 300))
