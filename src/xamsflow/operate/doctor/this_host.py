"""Check this host: software, folders, disk space, detector file, notifications."""

import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from xamsflow.base import amounts, caches, starting, system_errors
from xamsflow.base.errors import XamsflowError
from xamsflow.base.folders import existing, is_writable
from xamsflow.operate.doctor.check import Result, errors_are_problems, ok, problem, warning
from xamsflow.settings import config as configuration
from xamsflow.settings import data_types
from xamsflow.settings import detector as detectors
from xamsflow.settings.config import Config
from xamsflow.state import layout, lock, receipts, watching
from xamsflow.transfer import rsync

PACKAGES = ("snakemake", "strax", "straxen", "numpy", "numba", "pymongo", "paramiko")
PYTHONS = ("3.11", "3.12")
LOCK = layout.REPOSITORY / "requirements.lock"

GB = 1_000_000_000
LEAST_FREE = GB
"""Bytes; a disk with less cannot store one chunk of a fast run, and counts as full."""


def software() -> Iterator[Result]:
    """Check Python, the packages that affect the stored data, rsync and ssh."""
    version = platform.python_version()
    if version.rpartition(".")[0] in PYTHONS:
        yield ok("python", version)
    else:
        yield problem("python", version, f"use Python {' or '.join(PYTHONS)}: make install")
    for name in PACKAGES:
        yield package(name)
    yield from shadows()
    yield from home()
    yield local_rsync()
    yield local_ssh()


def package(name: str) -> Result:
    """Check the installed version of a package against requirements.lock."""
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return problem(name, "missing", "make install")
    # A package may be listed in several versions, for several versions of Python.
    good = re.findall(rf"^{re.escape(name)}==(\S+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    if not good or found in good:
        return ok(name, found)
    return warning(name, found, f"install the tested version, {' or '.join(good)}: make install")


def shadows() -> Iterator[Result]:
    """Find packages outside this environment that snakemake would import instead of its own."""
    for folder in starting.added_folders():
        there = [name for name in (*PACKAGES, "yaml") if any(Path(folder).glob(f"{name}*"))]
        if there:
            yield problem(
                "python packages",
                f"{folder} has its own {', '.join(there)}",
                "unset PYTHONPATH and set PYTHONNOUSERSITE=1 before you start snakemake",
            )


def home() -> Iterator[Result]:
    """Check that snakemake can keep files in the user's home."""
    if not caches.home_is_usable():
        yield problem(
            "home",
            "the folder ~/.cache is not writable, so snakemake does not start",
            f"set {caches.OTHERS} to a folder of your own",
        )


def local_rsync() -> Result:
    """Check that rsync is installed here."""
    with errors_are_problems("rsync") as found:
        found.append(ok("rsync", rsync.version()))
    return found[0]


def local_ssh() -> Result:
    """Check that the OpenSSH client, which rsync calls, is installed here."""
    if shutil.which("ssh") is None:
        return problem("ssh", "missing", "install openssh-client")
    said = subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=False)
    return ok("ssh", said.stderr.partition(",")[0].strip())


def folders(config: Config) -> Iterator[Result]:
    """Check each output folder: permissions, disk space, free inodes."""
    least = config.notify.space_left_gb * GB
    yield folder("working directory", Path.cwd(), LEAST_FREE)
    yield folder("storage.live_data", config.storage.live_data, least)
    yield folder("storage.processed", config.storage.processed, least)
    yield from locks(config.storage.processed)


def locks(processed: Path) -> Iterator[Result]:
    """Try a lock, in a file that is removed at once; jobs lock their run in this folder."""
    if not os.access(processed, os.W_OK | os.X_OK):
        return  # already reported, or it will be created
    with errors_are_problems("locks") as found:
        try:
            with (
                tempfile.NamedTemporaryFile(dir=processed, prefix=".lock-") as file,
                lock.at_once(Path(file.name)),
            ):
                pass
        except OSError as error:
            raise system_errors.cannot("lock", processed, error) from error
    yield from found


def folder(name: str, path: Path, wanted: float) -> Result:
    """Check one folder; warn if less than `wanted` bytes are free."""
    whole, there = path.absolute(), existing(path)
    if not there.is_dir():
        return problem(name, f"{there} is not a folder", "correct the configuration")
    room = os.statvfs(there)
    if not is_writable(there):
        return problem(name, f"{there} is not writable", "check its owner, mode and mount")
    free = room.f_bavail * room.f_frsize
    value = f"{whole}, {amounts.size(free)} free"
    if there != whole:
        value += ", to be created"
    if free < LEAST_FREE:
        return problem(name, value, "free some space there")
    if room.f_files and not room.f_favail:
        return problem(name, f"{value}, but no free inodes", "remove small files there")
    if free < wanted:
        return warning(name, value, f"less than {amounts.size(wanted)}: free some space there soon")
    return ok(name, value)


def detector_file(config: Config) -> Iterator[Result]:
    """Check the detector file, the correction files that it pins, and the targets."""
    with errors_are_problems("detector") as found:
        chosen = detectors.load(config.detector)
        configuration.of_detector(config, data_types.of(chosen))
        digitizers = ", ".join(
            f"{one.type} {one.first_channel}-{one.last_channel}" for one in chosen.digitizers
        )
        found.append(ok("detector", f"{chosen.name}: {digitizers}; targets {_names(config)}"))
    yield from found


def _names(config: Config) -> str:
    return ", ".join(config.targets)


def compiled() -> Iterator[Result]:
    """Check the folder with numba's compiled functions, as the jobs will use it."""
    name = "numba cache"
    told = caches.compiled_elsewhere(layout.COMPILED)
    try:
        beside = Path(str(metadata.distribution("strax").locate_file("strax")))
    except metadata.PackageNotFoundError:
        return  # already reported
    folder = told or beside / "processing" / "__pycache__"
    kept = len(list(folder.rglob("*.nbi"))) if folder.is_dir() else 0
    if kept:
        yield ok(name, f"{folder}, {kept} functions")
        return
    yield warning(
        name,
        f"{folder} is empty",
        "the first jobs spend a minute compiling; python -m xamsflow.simulate.warm_up does this "
        "once for all jobs",
    )


def watch() -> Iterator[Result]:
    """Check that ``xamsflow watch``, if it was started in this working directory, is alive."""
    found = watching.current()
    if found is None:
        return
    if found.is_well:
        yield ok("watch", str(found))
    elif found.has_died:
        yield problem("watch", str(found), "start xamsflow watch again")
    else:
        yield warning("watch", str(found), "check its output: is the run database unreachable?")


def notifications(config: Config) -> Iterator[Result]:
    """Check that the notification command exists, and that all messages were sent."""
    name, command = "notifications", config.notify.command
    if command is None:
        yield ok(name, "switched off (notify.command)")
        return
    if shutil.which(command[0]) is None:
        yield problem(name, f"{command[0]} not found", "correct notify.command")
        return
    try:
        unsent = receipts.read(layout.NOTIFIED).get("unsent") or []
    except (FileNotFoundError, XamsflowError):
        unsent = []
    if unsent:
        yield warning(
            name,
            f"unsent messages: {len(unsent)}; last error: {unsent[-1].get('error')}",
            "xamsflow doctor --notify sends a test",
        )
        return
    yield ok(name, f"{command[0]}; xamsflow doctor --notify sends a test")
