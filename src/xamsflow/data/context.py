"""The strax context of a detector: its plugins and its data folder."""

import html
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import strax

from xamsflow.base.errors import BadDataError, ConfigurationError, did_you_mean
from xamsflow.data import strax_private, straxen_gains
from xamsflow.data.storage import DataDirectory, DefinedRuns
from xamsflow.redax.growing import Growing
from xamsflow.redax.rundoc import NS_PER_S, Run
from xamsflow.settings import data_types
from xamsflow.settings.detector import Detector
from xamsflow.state import layout, lineages, strax_folder


class Context(strax.Context):  # type: ignore[misc]  # strax has no types
    """A strax context with a display for notebooks and clear errors for wrong requests."""

    def get_iter(
        self, run_id: str, targets: Any, *args: Any, **kwargs: Any
    ) -> Iterator[strax.Chunk]:
        """Yield the chunks of data types of a run; all loading and computing uses this.

        Raises ConfigurationError for what is not a run, for an unknown data type, and for data that
        can only be computed from live data if the context has no settings of the run.
        """
        if not str(run_id).startswith(strax_private.SUPERRUN):
            layout.run_number(str(run_id))
        try:
            yield from super().get_iter(run_id, targets, *args, **kwargs)
        except KeyError:
            known = self.tree
            names = strax.to_str_tuple(targets)
            unknown = next((name for name in names if name not in known), None)
            if unknown is None:
                raise
            raise ConfigurationError(
                f"there is no data type {unknown!r}{did_you_mean(unknown, known)}",
                f"this context has {', '.join(sorted(known))}",
            ) from None
        except strax.InvalidConfiguration as error:
            names = strax.to_str_tuple(targets)
            raise ConfigurationError(
                f"run {run_id}: neither {' and '.join(names)} nor its inputs are stored",
                f"process the run: `xamsflow pend {run_id}`",
            ) from error

    def _repr_html_(self) -> str:
        """Return where the data are and what the context can load, for notebooks."""
        facts = {
            "storage": [getattr(one, "path", None) or "in memory" for one in self.storage],
            "data types": sorted(self.tree),
        }
        return "".join(
            f"<p><b>{name}</b>: {html.escape(', '.join(map(str, values)))}</p>"
            for name, values in facts.items()
        )


def context(
    detector: Detector,
    processed: Path,
    config: Mapping[str, Any] | None = None,
    readonly: bool = False,
    growing: Growing | None = None,
) -> strax.Context:
    """Return a context that computes and loads a detector's data types in `processed`.

    Loading stored data requires nothing else. To compute raw records, `config` must contain the
    run's settings (see :func:`run_config`). With `readonly`, the context never writes. `growing` is
    the source of a run that is still being taken.
    """
    return Context(
        storage=[DataDirectory(str(processed), deep_scan=True, readonly=readonly)],
        config=dict(config or {}),
        register=plugins(detector, growing),
        allow_multiprocess=False,
        use_per_run_defaults=True,
    )


def for_analysis(
    detector: Detector,
    processed: Path,
    other_context: str | None = None,
    output: Path | None = None,
    which: lineages.Which = None,
) -> strax.Context:
    """Return a context for people who analyze stored data; it never writes to `processed`.

    It knows the runs' metadata, such as times, modes and tags, if they are stored with the data.
    `other_context` is as in the configuration. What the context makes and the superruns that are
    defined in it go to the folder `output`, or are only kept in memory if it is None. `which` says
    which lineage it loads for runs reprocessed alongside their earlier data.
    """
    if other_context is None:
        made = context(detector, processed, straxen_gains.options(detector), readonly=True)
    else:
        made = other(other_context)(detector, processed, {})
    for frontend in made.storage:
        frontend.readonly = True
        frontend.provide_run_metadata = True
    own = (
        DefinedRuns()
        if output is None
        else DataDirectory(str(output), deep_scan=True, provide_run_metadata=True)
    )
    made.storage.append(own)
    made.set_context_config({"store_run_fields": RUN_FIELDS})
    if which != "new":
        strax_private.use_lineages(
            made,
            lambda run: lineages.hashes(processed, run, which),
            lambda run, data_type: _stored_lineage(run, _folder(processed, run, data_type, which)),
            lambda run, data_type: _gone(run, _folder(processed, run, data_type, which)),
        )
    return made


def _folder(processed: Path, run: str, data_type: str, which: lineages.Which) -> Path:
    lineage_hash = lineages.hashes(processed, run, which)[data_type]
    return lineages.folder(processed, run, data_type, lineage_hash)


def _stored_lineage(run: str, folder: Path) -> Mapping[str, Any]:
    """Return the lineage of stored data; of data that are gone, one that no data have."""
    try:
        return _read_lineage(run, folder)
    except (BadDataError, KeyError):
        return {folder.name: (GONE, "", {})}


@cache
def _read_lineage(run: str, folder: Path) -> Mapping[str, Any]:
    lineage: Mapping[str, Any] = strax_folder.read_metadata(run, folder)["lineage"]
    return lineage


GONE = "gone"
"""The plugin in the lineage of data that are no longer stored."""


def _gone(run: str, folder: Path) -> BadDataError:
    return BadDataError(
        f"run {run}: {folder}, which analysts should get, is gone or damaged",
        f"restore it, or switch to the present data: `xamsflow lineage {int(run)} --accept`",
    )


RUN_FIELDS = ("start", "end", "source")
"""What strax's table of runs has in addition to name, number, mode and tags."""


ContextFunction = Callable[[Detector, Path, Mapping[str, Any]], strax.Context]


def other(name: str) -> ContextFunction:
    """Return the function ``package.module.function``, which makes another context.

    Like :func:`context`, it takes the detector, the folder for the data and the run's settings from
    :func:`run_config`, and returns a strax context that stores its data there. Python also searches
    the working directory for the module. Raises ConfigurationError naming what is missing.
    """
    module_name, _, function_name = name.rpartition(".")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except ImportError as error:
        raise ConfigurationError(
            f"configuration: context is {name!r}, {module_name} cannot be imported ({error})",
            "install it, or put it in the working directory",
        ) from error
    except AttributeError as error:
        raise ConfigurationError(
            f"configuration: context is {name!r}, {module_name} has no {function_name}"
        ) from error

    def checked(detector: Detector, processed: Path, config: Mapping[str, Any]) -> strax.Context:
        made = function(detector, processed, config)
        if not isinstance(made, strax.Context):
            raise ConfigurationError(
                f"configuration: context is {name!r}, which returned {type(made).__name__}, "
                "expected a strax.Context"
            )
        return made

    return checked


PLUGINS = "xamsflow.data.plugins"


def plugins(detector: Detector, growing: Growing | None = None) -> list[type[strax.Plugin]]:
    """Return the plugins of all of a detector's data types, each after its dependencies."""
    made = []
    for entry, part in data_types.made_for(detector):
        module = importlib.import_module(f"{PLUGINS}.{entry.module}")
        made.append(getattr(module, entry.names[0])(part))
    made[0].growing = growing  # the first plugin reads live data
    for plugin in made:
        plugin.allow_superrun = strax_private.JOINED
    return made


def run_config(run: Run, live_data_folder: Path) -> dict[str, Any]:
    """Return the settings for computing the raw records of a run.

    `live_data_folder` is the folder of this run. The settings are not part of the lineage.
    """
    return {
        "daq_input_dir": str(live_data_folder),
        "daq_compressor": run.compressor,
        "daq_chunk_duration": run.chunk_duration,
        "daq_overlap_chunk_duration": run.overlap_duration,
        "readout_threads": dict(run.readers),
        "record_length": run.record_length,
        "run_start_time": run.start / NS_PER_S,
        "run_end_time": 0.0 if run.end is None else run.end / NS_PER_S,
        "daq_buffered_chunks": run.buffered_chunks,
        "enabled_inputs": tuple(sorted(run.enabled_inputs)),
    }
