"""What a quantity is: a function of a run, with a name, a unit and a definition."""

import ast
import hashlib
import inspect
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import Any, overload

from xamsflow.base.errors import ConfigurationError, TransientError, XamsflowError
from xamsflow.state.quantities import OURS, Quantity

NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)

SUFFIXES = re.compile(r".*_(error|problem|ch\d+)", re.ASCII)
"""Ends of names that mean something else in the table of quantities."""

RESERVED = ("run_id", "start", "end", "mode", "tags", "comments")
"""Columns of the table that describe the run."""

LONGEST_TEXT = 200
"""Characters."""

Function = Callable[[Any], Any]


class NotMeasuredError(XamsflowError):
    """The data of a run do not determine a quantity; the text says why."""


@dataclass(frozen=True)
class Definition:
    """A quantity: a function that takes a run and returns its value.

    The function returns a number, a number and its error (one standard deviation), or a short text;
    with `by_channel`, a mapping from channel to one of these. `by` says who defines it and `code`
    identifies the code, so that the quantity is measured again if the code changes.
    """

    name: str
    unit: str
    definition: str
    function: Function
    by_channel: bool = False
    by: str = OURS
    code: str = ""

    def found(self, returned: Any) -> dict[str, Quantity]:
        """Return what the function returned as quantities by name.

        What cannot be a value becomes a problem.
        """
        if not self.by_channel:
            return {self.name: self._one(returned)}
        if not isinstance(returned, Mapping):
            problem = f"returned {_kind(returned)}, not a dict from channel to value"
            return self.failed(problem)
        try:
            channels = {int(channel): value for channel, value in returned.items()}
        except (TypeError, ValueError):
            return self.failed("returned a dict whose keys are not channels")
        return {
            f"{self.name}_ch{channel}": replace(self._one(value), channel=channel)
            for channel, value in channels.items()
        }

    def failed(
        self, problem: str, channels: tuple[int, ...] = (), *, is_final: bool = True
    ) -> dict[str, Quantity]:
        """Return this quantity without a value, and why; `channels` are those it would have.

        If the problem is not final, such as a disk that is not mounted, a backfill measures it
        again.
        """
        nothing = replace(self._empty, problem=_one_line(problem))
        if not is_final:
            nothing = replace(nothing, code="")
        if not self.by_channel or not channels:
            return {self.name: nothing}
        return {
            f"{self.name}_ch{channel}": replace(nothing, channel=channel) for channel in channels
        }

    @property
    def _empty(self) -> Quantity:
        return Quantity(
            None, unit=self.unit, definition=self.definition, by=self.by, code=self.code
        )

    def _one(self, returned: Any) -> Quantity:
        if isinstance(returned, XamsflowError):  # of one channel
            return replace(self._empty, problem=_one_line(str(returned)))
        value, error = returned, None
        if isinstance(returned, tuple) and len(returned) == 2:
            value, error = returned
        if isinstance(value, str):
            if error is None and len(value) <= LONGEST_TEXT:
                return replace(self._empty, value=value)
            return replace(self._empty, problem=f"returned more than {LONGEST_TEXT} characters")
        if not _is_number(value) or not (error is None or _is_number(error)):
            problem = f"returned {_kind(returned)}, not a number, (number, error) or a short text"
            return replace(self._empty, problem=problem)
        value, error = float(value), None if error is None else float(error)
        if not math.isfinite(value) or (error is not None and not 0 <= error < math.inf):
            return replace(self._empty, problem=f"returned {value} with the error {error}")
        return replace(self._empty, value=value, error=error)


@overload
def quantity(function: Function, /) -> Function: ...


@overload
def quantity(*, unit: str = "", by_channel: bool = False) -> Callable[[Function], Function]: ...


def quantity(
    function: Function | None = None, /, *, unit: str = "", by_channel: bool = False
) -> Any:
    """Mark a function as the quantity of its name; see :func:`xamsflow.quantity`."""

    def mark(function: Function) -> Function:
        function.__quantity__ = Definition(  # type: ignore[attr-defined]
            name=function.__name__,
            unit=unit,
            definition=inspect.getdoc(function) or "",
            function=function,
            by_channel=by_channel,
        )
        return function

    return mark if function is None else mark(function)


def of_module(namespace: Mapping[str, Any], by: str, code: str) -> Iterator[Definition]:
    """Yield the quantities that a module defines, in the order of the file.

    Raises ConfigurationError for a name that a column of the table cannot have.
    """
    for thing in namespace.values():
        marked = getattr(thing, "__quantity__", None)
        if isinstance(marked, Definition) and thing.__module__ == namespace["__name__"]:
            check_name(marked.name, by)
            first_paragraph = marked.definition.partition("\n\n")[0]
            yield replace(marked, definition=_one_line(first_paragraph), by=by, code=code)


def check_name(name: str, by: str) -> None:
    """Raise ConfigurationError for a name that a column of the table cannot have."""
    if not NAME.fullmatch(name) or SUFFIXES.fullmatch(name) or name in RESERVED:
        raise ConfigurationError(
            f"{by} defines a quantity {name!r}",
            "allowed: lower-case letters, digits and _, without _error, _problem or _ch<number> "
            f"at the end, and not {', '.join(RESERVED)}",
        )


def may_pass(error: BaseException) -> bool:
    """Return whether an error may be due to this computer or this moment, not to code or data."""
    return isinstance(error, OSError | MemoryError | TransientError)


def code_of(file: Path) -> str:
    """Return an identification of the code in a file, which comments and docstrings do not change.

    Raises SyntaxError, OSError.
    """
    tree = ast.parse(file.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:12]


def _is_number(value: Any) -> bool:
    # numpy's numbers are registered as such, except its booleans.
    return isinstance(value, Real) or (getattr(value, "shape", None) == () and _as_float(value))


def _as_float(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    return f"a {type(value).__name__}"


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_TEXT else line[: LONGEST_TEXT - 1] + "…"
