"""A run's provenance in one file that people can still read in years, without this software.

The file is a ``.tar.gz`` of text files, JSON and a picture, with a README that explains each. The
same run always gives the same bytes. Secrets are removed, even those that got in by mistake.
"""

import contextlib
import gzip
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from xamsflow.base import plain_json, system_errors
from xamsflow.base.errors import ConfigurationError, XamsflowError
from xamsflow.redax import rundoc
from xamsflow.rundb import credentials
from xamsflow.settings.config import Config
from xamsflow.state import layout, receipts
from xamsflow.state.receipts import Receipt
from xamsflow.views import dossier, dossier_text, run_files

REMOVED = "(removed)"

SHORTEST_SECRET = 4
"""Characters; a shorter word would match everywhere."""

_SECRET_KEY = re.compile(r"passw|secret|token|credential|api_?key|private_?key", re.IGNORECASE)
_IN_ADDRESS = re.compile(r"(?<=://)[^/\s@]+(?=@)")
_IN_TEXT = re.compile(
    r"((?:passw(?:or)?d|secret|token|api_?key)[\"']?\s*[=:]\s*)(?:\"[^\"]*\"|'[^']*'|\S+)",
    re.IGNORECASE,
)

README = """\
Run {run}: where its data come from
{line}

This folder was written by xamsflow, the workflow that brings runs of XAMS and XAMSL, small xenon
TPCs at Nikhef, from the data acquisition (DAQ) to strax data. It does not contain measured data.
It records where the data came from, how they were processed, with which software and settings, and
with what results. All files are plain text or JSON, which any program can read; the picture is PNG.

README.txt               this text, followed by a summary of the run
run_document.json        the run's entry in the run database: DAQ settings, start and end, tags,
                         comments, every status change. The format is MongoDB's "extended JSON":
                         {{"$date": ...}} is a time in milliseconds since 1970, in UTC
receipts/                what each step recorded after it had checked its results
  transfer.json          the files as the DAQ wrote them, with size and SHA-256 checksum
  <data type>.json       what was stored: number of items, times (ns since 1970, UTC), software
                         versions, computer, memory, data quality
  rundoc.json            what was written to the run database
  quantities.json        numbers that describe the run, such as rates and noise, with errors
  health.json            whether these numbers are as in earlier runs, and what people noted
lineage/<data type>.json how the data type was made: for it and each data type below it, the class
                         (plugin) that made it, its version, and its settings. The hash in the name
                         of a data folder identifies this: same hash, same software and settings
metadata/<data type>.json strax's own description of what it stored: chunks, columns and their types
good_runs.json           the criteria for runs that may be used, and whether this run meets them
quality.json             verdict, findings, live time, dead time and gaps
detector/                the detector file: channels, digitizers, gains, thresholds
corrections/             quantities that vary from run to run, as named in the detector file
configuration.yaml       settings of the workflow
                         The files in detector/ and corrections/ and these settings date from when
                         this folder was written; the values that made this run's data are in
                         lineage/
logs/                    the log of each attempt at each step
overview.png             plots of the run, if they exist
dossier.json             the text below, for programs
SHA256SUMS               checksums of all these files: sha256sum --check SHA256SUMS

Passwords and similar secrets were replaced by "{removed}".

{line}

{text}
"""


def make(
    run: str,
    document: Mapping[str, Any] | None,
    config: Config,
    good: Mapping[str, Any] | None = None,
) -> bytes:
    """Return a run's bundle; `good` says by which criteria the run may be used, or why not.

    If `document` is None because the run database cannot be reached, the copy in the transfer's
    receipt is used. Raises ConfigurationError if nothing is known about the run.
    """
    found = run_files.receipts_of(run)
    about = dossier.collect(run, document)
    if document is None and not found and not about["logs"]:
        raise ConfigurationError(f"nothing is known about run {run}", "check --directory")
    scrub = _Scrubber(config)
    files = dict(_files(run, document, config, found, scrub))
    files["dossier.json"] = _json(scrub.data(about))
    if good is not None:
        files["good_runs.json"] = _json(scrub.data(good))
    if about["quality"]:
        files["quality.json"] = _json(scrub.data(about["quality"]))
    files["README.txt"] = README.format(
        run=run,
        line="=" * 80,
        removed=REMOVED,
        text=scrub.text(dossier_text.text(about)),
    ).encode()
    files["SHA256SUMS"] = "".join(
        f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files)
    ).encode()
    return _packed(f"run_{run}", files)


def _files(
    run: str,
    document: Mapping[str, Any] | None,
    config: Config,
    found: Mapping[str, Receipt],
    scrub: "_Scrubber",
) -> Iterator[tuple[str, bytes]]:
    transfer = found.get("transfer.json") or {}
    known = rundoc.to_json(document) if document is not None else transfer.get("run_document")
    if known is not None:
        yield "run_document.json", _json(scrub.data(known))
    for name, receipt in found.items():
        yield f"receipts/{name}", _json(scrub.data(receipt))
    for path in (layout.quantities(run), layout.health(run)):
        with contextlib.suppress(FileNotFoundError, XamsflowError):
            yield f"receipts/{path.name}", _json(scrub.data(receipts.read(path)))
    for receipt in run_files.data_type_receipts(dict(found)):
        for data_type, facts in receipt["stored"].items():
            yield f"lineage/{data_type}.json", _json(scrub.data(facts.get("lineage")))
            for path in sorted(Path(str(facts.get("path"))).glob("*metadata.json")):
                content = path.read_text(encoding="utf-8", errors="replace")
                yield f"metadata/{data_type}.json", scrub.text(content).encode()
    for log in run_files.logs(run):
        content = log.path.read_text(encoding="utf-8", errors="replace")
        yield f"logs/{log.rule}/{log.path.name}", scrub.text(content).encode()
    for name, settings in _settings_files(config.detector):
        yield name, scrub.text(settings.decode("utf-8", "replace")).encode()
    plain = yaml.safe_dump(scrub.data(plain_json.plain(asdict(config))), sort_keys=True)
    yield "configuration.yaml", plain.encode()
    picture = layout.overview(run)
    if picture.is_file():
        yield "overview.png", picture.read_bytes()


def _settings_files(name: str) -> Iterator[tuple[str, bytes]]:
    """Yield the detector file and the correction files that it names."""
    path = _first(layout.DETECTORS / f"{name}.yaml")
    if path is None:
        return
    yield f"detector/{path.name}", path.read_bytes()
    for correction in sorted(set(_named(yaml.safe_load(path.read_bytes())))):
        file = _first(layout.CORRECTIONS / f"{correction}.json")
        if file is not None:
            yield f"corrections/{file.name}", file.read_bytes()


def _first(path: Path) -> Path | None:
    """Return the file in the working directory, else the one in the repository."""
    places = (folder / path for folder in (Path(), layout.REPOSITORY))
    return next((place for place in places if place.is_file()), None)


def _named(value: Any) -> Iterator[str]:
    """Yield the names of all correction files in a detector's settings, however nested."""
    if isinstance(value, dict):
        if isinstance(value.get("file"), str):
            yield value["file"]
        for inner in value.values():
            yield from _named(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner)


class _Scrubber:
    """Removes known secrets and everything that looks like one."""

    def __init__(self, config: Config) -> None:
        known = credentials.find(config.rundb.credentials_file)
        secrets = [known.password] if known is not None else []
        self._secrets = [word for word in secrets if len(word) >= SHORTEST_SECRET]

    def text(self, text: str) -> str:
        """Return text without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, REMOVED)
        text = _IN_ADDRESS.sub(REMOVED, text)
        return _IN_TEXT.sub(rf"\1{REMOVED}", text)

    def data(self, value: Any) -> Any:
        """Return plain data without secrets; a key that names a secret loses its entire value."""
        if isinstance(value, dict):
            return {
                self.text(str(key)): REMOVED
                if _SECRET_KEY.search(str(key)) and not isinstance(inner, bool | None)
                else self.data(inner)
                for key, inner in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.data(inner) for inner in value]
        return self.text(value) if isinstance(value, str) else value


def _json(data: Any) -> bytes:
    return (json.dumps(data, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def _packed(top: str, files: Mapping[str, bytes]) -> bytes:
    """Return the files as one .tar.gz; the same files always give the same bytes."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name in sorted(files):
            about = tarfile.TarInfo(f"{top}/{name}")
            about.size = len(files[name])
            about.mode = 0o644
            archive.addfile(about, io.BytesIO(files[name]))
    return packed.getvalue()


def write(path: Path, content: bytes) -> bool:
    """Write a bundle atomically; return False if an identical file exists already.

    Raises ConfigurationError if a different file exists or the folder is not writable,
    ResourcesError on a full disk.
    """
    try:
        if path.exists():
            if path.read_bytes() == content:
                return False
            raise ConfigurationError(f"{path} exists already", "choose another --output")
        partial = path.with_name(f".{path.name}.part")
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise system_errors.cannot("write", path, error) from error
    return True
