"""YAML files, read by libyaml where Python's package has it: ten times as fast."""

from pathlib import Path
from typing import Any

import yaml

Error = yaml.YAMLError

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(path: Path) -> Any:
    """Return what a file holds, of plain types only.

    Raises OSError where it cannot be read, UnicodeDecodeError or Error where it is not YAML.
    """
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
