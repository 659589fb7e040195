"""strax's private names: only this module uses them, and it exposes public wrappers.

Any new version of strax may change these names, so pyproject.toml pins strax to versions for which
they have been checked; ``tests/unit/data/test_strax_private.py`` lists them all.
"""

from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import strax

Array = npt.NDArray[Any]


def plugins_of(
    context: strax.Context, data_types: Iterable[str], run_id: str
) -> dict[str, strax.Plugin]:
    """Return the plugins of data types and all their dependencies, by data type.

    strax's public methods also set up the plugins, which requires the live data.
    """
    plugins: dict[str, strax.Plugin] = context._get_plugins(tuple(data_types), run_id)
    return plugins


def keep_keys(context: strax.Context) -> None:
    """Make a context derive each key of a run's data only once; its settings must not change again.

    Options with a value per run disable strax's own cache, so strax would build all plugins for
    each of the thirty keys that it needs to process a run.
    """
    context.key_for = cache(context.key_for)


Lineage = Mapping[str, Any]
"""Of a data type: class, version and options of its plugin and of those of its inputs."""


Hashes = Mapping[str, str]
"""The lineage hash of each data type."""

SUPERRUN = "_"
"""How the names of superruns begin."""


def use_lineages(
    context: strax.Context,
    hashes: Callable[[str], Hashes],
    lineage: Callable[[str, str], Lineage],
    gone: Callable[[str, str], Exception],
) -> None:
    """Make a context load data types of some runs with given lineages.

    `hashes` returns those of a run by data type, and `lineage`, called with the run and the data
    type, what such a hash stands for. The other data types keep the lineage of their plugin, with
    these as inputs, so whatever is computed from the given ones says so. If data with a given
    lineage are not stored, they are not computed: `gone`, called like `lineage`, returns the
    exception. The lineage of a superrun has the given hashes of its runs. Contexts that are derived
    from this one do the same.
    """
    made_by_strax = context._get_plugins
    new_context = context.new_context

    def derived(*args: Any, **options: Any) -> strax.Context:
        other = new_context(*args, **options)
        use_lineages(other, hashes, lineage, gone)
        return other

    def get_plugins(targets: Iterable[str], run_id: str, **options: Any) -> dict[str, strax.Plugin]:
        plugins: dict[str, strax.Plugin] = made_by_strax(tuple(targets), run_id, **options)
        if run_id.startswith(SUPERRUN):
            by_run = {run: given for run in _subruns(context, run_id) if (given := hashes(run))}
            return _with_inputs(plugins, partial(_noted, by_run)) if by_run else plugins
        given = hashes(run_id)
        if not given:
            return plugins

        def replaced(data_type: str, plugin: strax.Plugin) -> strax.Plugin | None:
            if data_type not in given:
                return None
            stored = lineage(run_id, data_type)
            return _only_loaded(plugin, stored, partial(gone, run_id, data_type))

        return _with_inputs(plugins, replaced)

    context._get_plugins = get_plugins
    context.new_context = derived
    # strax would otherwise keep the plugins of one run for all runs.
    context.set_context_config({"use_per_run_defaults": True})


def _with_inputs(
    plugins: Mapping[str, strax.Plugin],
    replaced: Callable[[str, strax.Plugin], strax.Plugin | None],
) -> dict[str, strax.Plugin]:
    """Return plugins after replacing some; the lineages of the others contain their inputs'."""
    found: dict[str, strax.Plugin] = {}

    def find(data_type: str) -> strax.Plugin:
        if data_type not in found:
            plugin = plugins[data_type]
            other = replaced(data_type, plugin)
            if other is None:
                own = plugin.provides[-1]
                inputs = [find(name).lineage for name in plugin.depends_on]
                plugin.lineage = dict(ChainMap({own: plugin.lineage[own]}, *inputs))
            found[data_type] = plugin if other is None else other
        return found[data_type]

    for data_type in plugins:
        find(data_type)
    return found


def _subruns(context: strax.Context, superrun: str) -> Iterable[str]:
    try:
        spec = context.run_metadata(superrun, projection="sub_run_spec")["sub_run_spec"]
    except (strax.RunMetadataNotAvailable, strax.DataNotAvailable, KeyError):
        return ()  # it is not defined yet
    return tuple(spec)


def _noted(by_run: Mapping[str, Hashes], data_type: str, plugin: strax.Plugin) -> None:
    """Note in the lineage of a superrun's plugin which stored data of its runs are joined."""
    joined = {run: given[data_type] for run, given in by_run.items() if data_type in given}
    if joined:
        own = plugin.provides[-1]
        name, version, options = plugin.lineage[own]
        plugin.lineage[own] = name, version, options | {f"joined_{data_type}": joined}


def _only_loaded(
    plugin: strax.Plugin, lineage: Lineage, gone: Callable[[], Exception]
) -> strax.Plugin:
    """Return a plugin for stored data; if strax starts to compute with it, they are gone."""

    def setup() -> None:
        raise gone()

    loaded = plugin.__copy__()
    loaded.run_id = plugin.run_id
    loaded.lineage = dict(lineage)
    loaded.depends_on = ()  # strax needs no inputs to find out that the data are gone
    loaded.setup = setup
    return loaded


def starts_by_run(context: strax.Context) -> set[int]:
    """Return the first runs of all ranges of runs for which options have different values."""
    options = [
        option
        for plugin in context._plugin_class_registry.values()
        for option in plugin.takes_config.values()
        if option.default_by_run is not strax.OMITTED
    ]
    return {int(first) for option in options for first, _ in option.default_by_run}


class _Joined(int):
    def __bool__(self) -> bool:
        return False


JOINED = _Joined(1)
"""The value of a plugin's ``allow_superrun`` with which a superrun is the data of its runs, one
after the other. strax would compute it from its lowest data, but quantities that change from run to
run, such as gains, have no value for a superrun. strax joins only data types that do not allow
superruns, and only if something that allows them asks. It counts the requested data types that
allow superruns, so this one counts, and is joined nevertheless, as it is not true."""


def keep_compiled() -> None:
    """Make numba cache what strax compiles for events.

    Otherwise each process compiles it again for each data type, half of the time of a short run.
    """
    strax.chunk.split_array.enable_caching()


class Backend(strax.FileSytemBackend):  # type: ignore[misc]  # strax has no types
    """strax's storage in folders of files."""

    def make_saver(self, dirname: str, metadata: dict[str, Any], **options: Any) -> Any:
        """Return a saver for a folder."""
        return super()._saver(dirname, metadata, **options)

    def read_chunk(
        self, dirname: str, chunk_info: dict[str, Any], dtype: Any, compressor: str
    ) -> Array:
        """Return the data of a file."""
        data: Array = super()._read_chunk(dirname, chunk_info, dtype, compressor)
        return data

    def _saver(self, dirname: str, metadata: dict[str, Any], **options: Any) -> Any:
        return self.make_saver(dirname, metadata, **options)

    def _read_chunk(
        self, dirname: str, chunk_info: dict[str, Any], dtype: Any, compressor: str
    ) -> Array:
        return self.read_chunk(dirname, chunk_info, dtype, compressor)


class RunDefinitions(strax.StorageFrontend):  # type: ignore[misc]
    """Storage of definitions of superruns, without data."""

    can_define_runs = True
    provide_run_metadata = True
    backends = ()

    def scan_runs(self, store_fields: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield the metadata of all runs, reduced to these fields."""
        raise NotImplementedError

    def _scan_runs(self, store_fields: Sequence[str]) -> Iterator[dict[str, Any]]:
        return self.scan_runs(store_fields)

    def _find(self, key: strax.DataKey, *_: Any, **__: Any) -> Any:
        raise strax.DataNotAvailable(f"no data of {key.run_id} are stored with its definition")


class Saver(strax.FileSaver):  # type: ignore[misc]
    """Writes a folder of strax data; the derived class determines how a chunk is written."""

    # The time to write the list of chunks after every chunk grows with the square of their number.
    _flush_md_for_every_chunk = False

    def save_chunk(self, data: Array, chunk_info: dict[str, Any]) -> None:
        """Write a chunk to its ``filename``, now or later, and set its ``filesize``."""
        raise NotImplementedError

    def _save_chunk(
        self,
        data: np.ndarray[Any, Any],
        chunk_info: dict[str, Any],
        executor: None = None,  # noqa: ARG002 - strax's, which has none for its one thread
    ) -> tuple[dict[str, Any], None]:
        chunk_info["filename"] = self._chunk_filename(chunk_info)
        self.save_chunk(data, chunk_info)
        return {}, None


class Plugin(strax.Plugin):  # type: ignore[misc]
    """A strax plugin that can control how the chunks of its inputs are joined."""

    def fetch_chunk(
        self, data_type: str, iters: Mapping[str, Iterator[strax.Chunk]], *args: Any, **options: Any
    ) -> bool:
        """Add the next chunk of an input to ``input_buffer``; return whether there was one."""
        fetched: bool = super()._fetch_chunk(data_type, iters, *args, **options)
        return fetched

    def _fetch_chunk(
        self, d: str, iters: Mapping[str, Iterator[strax.Chunk]], *args: Any, **options: Any
    ) -> bool:
        return self.fetch_chunk(d, iters, *args, **options)
