"""A disagreement found by reconcile: two places that give different information about a run."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from xamsflow.base import system_errors
from xamsflow.state import layout


@dataclass(frozen=True)
class Disagreement:
    """One disagreement: `kind` is its name for programs, `what` one line for people.

    `remedy` says what `repair` does, or what a person must do if `repair` is None.
    """

    run: str
    kind: str
    what: str
    remedy: str
    repair: Callable[[], object] | None = field(default=None, repr=False, compare=False)


def set_aside(path: Path) -> None:
    """Move a wrong file or folder into ``.set_aside`` next to it, without overwriting anything."""
    place = layout.set_aside(path)
    try:
        place.parent.mkdir(exist_ok=True)
        path.rename(place)
    except OSError as error:
        raise system_errors.cannot("write", path, error) from error


def is_away(folder: Path) -> bool:
    """Return whether a folder that should hold runs is missing or empty (perhaps unmounted)."""
    try:
        return not any(folder.iterdir())
    except OSError:
        return True


MOUNTED = "is its disk mounted? If the data were moved away on purpose, put a file README there"
