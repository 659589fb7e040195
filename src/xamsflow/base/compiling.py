"""Functions compiled by numba, which keeps them on disk for all processes.

numba numbers what it compiles, and every process counts from the same number. Two processes that
compile a function for different types of arrays can therefore choose the same name:

- for a symbol. A third process that loads both results then calls the wrong function, which reads
  and writes other fields than it should, and nothing reports it.
- for a file. The index that one process writes then leads to the code that the other wrote.

Importing this module makes numba draw both numbers at random, also for functions of other packages.
Upstream, these are https://github.com/numba/numba/issues/10486 and
https://github.com/numba/numba/issues/4807.
"""

import secrets
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from numba.core.bytecode import FunctionIdentity
from numba.core.caching import IndexDataCacheFile

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Decorate a function that is compiled once for each type of its arguments.

    numba notices changes only in the file of the function, so such a function uses constants and
    other compiled functions of its own file only. It does not hold Python's global lock.
    """
    return cast("Function", numba.njit(nogil=True, cache=True)(function))


def _number() -> int:
    """Return a number that no other process draws; forks draw different ones, too."""
    return secrets.randbits(64)


def _name_of_new_file(self: Any, _: int) -> str:
    name: str = self._data_name_pattern.format(number=_number())
    return name


FunctionIdentity._unique_ids = iter(_number, None)  # type: ignore[assignment]
IndexDataCacheFile._data_name = _name_of_new_file  # type: ignore[method-assign]
