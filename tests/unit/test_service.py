"""The systemd unit of endless mode is one that systemd understands."""

import os
import subprocess

from xamsflow.state import layout

UNIT = layout.REPOSITORY / "tools" / "xamsflow-watch.service"


def test_systemd_understands_the_unit(tmp_path):
    command = tmp_path / "xamsflow" / ".venv" / "bin" / "xamsflow"
    command.parent.mkdir(parents=True)
    command.symlink_to("/bin/true")
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--user", UNIT],
        env=os.environ | {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (verified.returncode, verified.stderr) == (0, "")
