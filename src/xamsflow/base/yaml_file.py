"""YAML files, read with libyaml if Python's package supports it, which is ten times as fast."""

import re
from pathlib import Path
from typing import Any

import yaml

Error = yaml.YAMLError

_OCTAL = re.compile(r"[-+]?0[0-7_]+")


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """A loader of plain types that refuses octal numbers: a run number may start with zeros."""


def _integer(loader: Any, node: yaml.ScalarNode) -> int:
    if _OCTAL.fullmatch(node.value):
        raise yaml.constructor.ConstructorError(
            None,
            None,
            f"{node.value} would be read as an octal number; omit the zeros",
            node.start_mark,
        )
    return int(loader.construct_yaml_int(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _integer)


def read(path: Path) -> Any:
    """Return the contents of a file, with plain types only.

    Raises OSError if the file cannot be read, UnicodeDecodeError or Error if it is not valid YAML
    or has an octal number.
    """
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)


def said(error: Exception) -> str:
    """Return an error of :func:`read` in one line, without a name for the text that was read."""
    return " ".join(str(error).replace('in "<unicode string>", ', "at ").split())
