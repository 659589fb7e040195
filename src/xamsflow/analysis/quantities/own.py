"""The quantities of this site, from ``quantities.py`` in the working directory.

People write them, so anything may be wrong with them: they run in a separate process, with limits
on time and memory. Whatever happens there affects only that quantity.
"""

import ctypes
import hashlib
import importlib.util
import multiprocessing
import os
import re
import resource
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from xamsflow.analysis.quantities import definition, shipped
from xamsflow.analysis.quantities.definition import Definition
from xamsflow.analysis.quantities.run_data import Facts, RunData
from xamsflow.base import system_errors
from xamsflow.base.errors import XamsflowError
from xamsflow.base.exec_with_parent import PR_SET_PDEATHSIG
from xamsflow.state import layout
from xamsflow.state.quantities import Quantity

if TYPE_CHECKING:
    from xamsflow.analysis.site import Site

MAX_TRIES = 3
"""Runs in a row in which a quantity ends its process or reaches a limit before it is given up."""

FILE_ITSELF = "quantities_py"
"""The column that says what is wrong with the file as a whole."""

GB = 1_000_000_000

Found = dict[str, Quantity]


@dataclass(frozen=True)
class Limits:
    """What a quantity may use for one run: seconds, and bytes beyond those in use at the start."""

    time_s: float = 30.0
    memory: int = 2 * GB


@dataclass(frozen=True)
class _Ended:
    """How the process ended instead of answering; it is final if the code itself did that."""

    how: str
    is_final: bool


class OwnQuantities:
    """The quantities of ``quantities.py``, measured in another process.

    The process is a copy of this one, which has loaded all libraries. It starts when it is needed,
    and again after a quantity has ended it.
    """

    def __init__(
        self,
        site: "Site",
        limits: Limits | None = None,
    ) -> None:
        self._site = site
        self._file = site.directory / layout.SITE_QUANTITIES
        self._limits = limits or Limits()
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._definitions: tuple[Definition, ...] | None = None
        self._problem: str | None = None
        self._in_a_row: Counter[str] = Counter()

    @property
    def by(self) -> str:
        """The origin that the quantities name."""
        return self._file.name

    @property
    def is_broken(self) -> bool:
        """Whether the file as a whole cannot be used, so that its quantities are unknown."""
        return bool(self.definitions) and self.definitions[0].name == FILE_ITSELF

    @property
    def definitions(self) -> tuple[Definition, ...]:
        """The quantities that the file defines; none without a file.

        If it cannot be used, FILE_ITSELF is the only one.
        """
        if self._definitions is None:
            self._definitions = self._read_definitions() if self._file.is_file() else ()
        return self._definitions

    def measure(self, wanted: Definition, run: RunData) -> Found:
        """Return a quantity of a run, or what is wrong with it."""
        if wanted.name == FILE_ITSELF:
            return wanted.failed(self._problem or "it cannot be used")
        if self.has_given_up(wanted):
            return wanted.failed(
                f"given up: it ended its process or reached a limit in {MAX_TRIES} runs in a row",
                run.channels,
                is_final=False,
            )
        answer = self._ask((wanted.name, run.facts))
        if isinstance(answer, _Ended):
            self._in_a_row[wanted.name] += 1
            return wanted.failed(answer.how, run.channels, is_final=answer.is_final)
        found, lineage, is_final = answer
        self._in_a_row[wanted.name] = 0 if is_final else self._in_a_row[wanted.name] + 1
        run.lineage |= lineage
        code = wanted.code if is_final else ""
        return {name: replace(each, code=code) for name, each in found.items()}

    def has_given_up(self, wanted: Definition) -> bool:
        """Return whether a quantity is not measured any more by this object."""
        return wanted.by == self.by and self._in_a_row[wanted.name] >= MAX_TRIES

    def close(self) -> None:
        """End the process and whatever it has started."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None and self._process.pid is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
            self._process.join()
        self._connection, self._process = None, None

    def __enter__(self) -> Self:
        """Return the quantities; at the end of the block, their process ends."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self.close()

    def _read_definitions(self) -> tuple[Definition, ...]:
        try:
            code = definition.code_of(self._file)
        except (SyntaxError, ValueError):
            code = hashlib.sha256(self._file.read_bytes()).hexdigest()[:12]
        except OSError as error:
            code, self._problem = "", str(system_errors.cannot("read", self._file, error))
        answer = self._problem or self._ask(None)
        if isinstance(answer, tuple):
            return tuple(replace(each, by=self.by, code=code) for each in answer)
        self._problem = answer.how if isinstance(answer, _Ended) else answer
        text = f"The file {self.by} of this site."
        return (Definition(FILE_ITSELF, "", text, _none, by=self.by, code=code),)

    def _ask(self, question: tuple[str, Facts] | None) -> Any:
        """Return the answer of the process, or how it ended; of a file without quantities, a text.

        None asks for the definitions, which a new process gives by itself.
        """
        if self._connection is None:
            problem = self._start()
            if question is None or not isinstance(problem, tuple):
                return problem
        assert self._connection is not None and question is not None, "the process has started"
        try:
            self._connection.send(question)
        except OSError:  # it has ended since its last answer
            self.close()
            return self._ask(question)
        return self._answer()

    def _start(self) -> Any:
        """Start the process; return its definitions, or why there are none."""
        _ = self._site.loader  # once for all processes
        context = multiprocessing.get_context("fork")
        self._connection, theirs = context.Pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self._process = context.Process(
            target=_serve,
            args=(theirs, self._connection, self._site, self._limits, os.getpid()),
            daemon=True,
        )
        self._process.start()
        theirs.close()
        return self._answer()

    def _answer(self) -> Any:
        assert self._connection is not None and self._process is not None, "the process has started"
        try:
            if not self._connection.poll(self._limits.time_s):
                self.close()
                return _Ended(f"took longer than {self._limits.time_s:g} s", is_final=False)
            return self._connection.recv()
        except Exception:  # the process has ended, or sent something unreadable
            process = self._process
            process.join(1)
            code = process.exitcode
            self.close()
            if code is not None and code < 0:  # for example by the kernel, for lack of memory
                name = signal.Signals(-code).name
                return _Ended(f"ended its process by {name}", is_final=False)
            return _Ended(f"ended its process with exit code {code}", is_final=True)


def _none(_: Any) -> None:
    return None


def _serve(
    connection: Connection, theirs: Connection, site: "Site", limits: Limits, parent: int
) -> None:
    """Answer questions; this is the other process."""
    file = site.directory / layout.SITE_QUANTITIES
    theirs.close()
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # what they print is not our output
    _limit_memory(limits.memory)
    try:
        known = {each.name: each for each in _load(file)}
    except BaseException as error:
        connection.send(_words(error, file, limits))
        return
    connection.send(tuple(replace(each, function=_none) for each in known.values()))
    run: RunData | None = None
    while True:
        name, facts = connection.recv()
        if run is None or run.facts != facts:
            run = RunData(facts, site.detector, site.processed, lambda: site.loader)
        wanted, is_final = known[name], True
        try:
            answer = wanted.found(wanted.function(run)) or wanted.failed("returned no channels")
        except BaseException as error:
            answer = wanted.failed(_words(error, file, limits), run.channels)
            is_final = not definition.may_pass(error)
        connection.send((answer, run.lineage, is_final))


def _load(file: Path) -> Sequence[Definition]:
    sys.path.append(str(file.parent.absolute()))  # for other files next to it
    name = "quantities_of_site"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None, "the file ends with .py"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    found = list(definition.of_module(vars(module), file.name, ""))
    for each in found:
        if each.name in {ours.name for ours in shipped.definitions()}:
            raise ValueError(f"{each.name} is the name of a quantity of xamsflow: choose another")
    return found


def _limit_memory(n_bytes: int) -> None:
    """Limit memory to what this process has now and `n_bytes` more."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    for kind, name in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
        match = re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)
        if match is not None:
            _, most = resource.getrlimit(kind)
            limit = int(match[1]) * 1024 + n_bytes
            limit = limit if most == resource.RLIM_INFINITY else min(limit, most)
            resource.setrlimit(kind, (limit, limit))


def _words(error: BaseException, file: Path, limits: Limits) -> str:
    """Return the error, and the line of the file."""
    if isinstance(error, MemoryError):
        return f"needs more than {limits.memory / GB:g} GB of memory"
    if isinstance(error, XamsflowError):
        return str(error)
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f"{file.name}, line {error.lineno}: SyntaxError: {error.msg}"
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).name == file.name
    ]
    return f"{file.name}, line {lines[-1]}: {text}" if lines else text
