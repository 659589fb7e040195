"""Each room says which modules it has: a new reader finds a line's place there."""

import ast
import re
from pathlib import Path

import pytest

from xamsflow.state.layout import REPOSITORY

SOURCE = REPOSITORY / "src" / "xamsflow"
ROOMS = sorted(path.parent for path in SOURCE.rglob("__init__.py"))


def listed(room: Path) -> set[str]:
    """Return the modules that a room's docstring lists, several on a line with commas."""
    text = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8")))
    names = re.findall(r"^    (\w+(?:, \w+)*)  +\S", text or "", re.MULTILINE)
    return {name for line in names for name in line.split(", ")}


def modules(room: Path) -> set[str]:
    files = {path.stem for path in room.glob("*.py")} - {"__init__", "__main__"}
    return files | {path.parent.name for path in room.glob("*/__init__.py")}


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.relative_to(SOURCE)))
def test_a_room_lists_its_modules(room):
    verbs = set()
    if room.name == "cli":
        from xamsflow.cli import VERBS  # noqa: PLC0415

        verbs = set(VERBS)
    assert listed(room) == modules(room) - verbs


def test_rooms_are_listed_in_the_order_of_their_imports():
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    layers = re.search(r"layers = \[(.*?)\]", text, re.DOTALL)
    assert layers is not None
    order = re.findall(r'"(\w+)"', layers[1])
    docstring = ast.get_docstring(ast.parse((SOURCE / "__init__.py").read_text(encoding="utf-8")))
    assert re.findall(r"^    (\w+)  +\S", docstring or "", re.MULTILINE) == order
