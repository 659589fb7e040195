"""amstrax, in an environment of its own: the newest set of versions on which it runs."""

import subprocess
import sys
from pathlib import Path

from xamsflow.state import layout

PEERS = layout.REPOSITORY / "benchmarks" / "peers"
ENVIRONMENT = layout.REPOSITORY / "benchmarks" / ".amstrax"


def amstrax_python() -> Path | None:
    """Return the Python that has amstrax, installed if needed; None where that is not possible."""
    python = ENVIRONMENT / "bin" / "python"
    if (ENVIRONMENT / ".installed").exists():
        return python
    print("installing amstrax into", ENVIRONMENT, flush=True)
    requirements = PEERS / "requirements.txt"
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", ENVIRONMENT], check=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--requirement", requirements], check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"amstrax cannot be installed here: {error}")
        return None
    (ENVIRONMENT / ".installed").touch()
    return python
