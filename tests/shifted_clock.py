"""Programs whose host has a wrong clock."""

import shutil
import struct
import subprocess
from pathlib import Path

_SHIFT = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static volatile long long *offset;

__attribute__((constructor)) static void open_offset(void) {
  int file = open(getenv("CLOCK_OFFSET"), O_RDONLY);
  offset = mmap(0, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(clock, time);
  if (clock == CLOCK_REALTIME && offset != MAP_FAILED) time->tv_sec += *offset;
  return result;
}
"""


class ShiftedClock:
    """A clock that is wrong in the programs that get `environment`, by seconds that may change."""

    def __init__(self, folder: Path, seconds: int = 0) -> None:
        """Build it in a folder; raises FileNotFoundError where there is no C compiler."""
        compiler = shutil.which("cc")
        if compiler is None:
            raise FileNotFoundError("there is no C compiler: install gcc")
        source, library = folder / "clock.c", folder / "clock.so"
        source.write_text(_SHIFT)
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        self._offset = folder / "offset"
        self._offset.write_bytes(struct.pack("q", seconds))
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_OFFSET": str(self._offset)}

    def shift(self, seconds: int) -> None:
        """Set by how much it is wrong, in programs that run already, too."""
        with self._offset.open("r+b") as file:
            file.write(struct.pack("q", seconds))
