"""Each private name of strax that is used: that it is there, and that strax itself calls it."""

import ast
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import strax

from xamsflow.data import strax_private
from xamsflow.state import layout

PACKAGE = Path(layout.__file__).parents[1]
USED = (
    (strax.Context, "_get_plugins"),
    (strax.Context(), "_plugin_class_registry"),
    (strax.StorageFrontend, "_scan_runs"),
    (strax.StorageFrontend, "_find"),
    (strax.FileSytemBackend, "_saver"),
    (strax.FileSytemBackend, "_read_chunk"),
    (strax.FileSaver, "_save_chunk"),
    (strax.FileSaver, "_chunk_filename"),
    (strax.FileSaver, "_flush_md_for_every_chunk"),
    (strax.Plugin, "_fetch_chunk"),
    (strax.chunk.split_array, "enable_caching"),
)


@pytest.mark.parametrize(("owner", "name"), USED, ids=[name for _, name in USED])
def test_strax_has(owner, name):
    assert hasattr(owner, name)


def test_no_other_module_uses_a_private_name_of_strax():
    classes = [one for one in vars(strax).values() if isinstance(one, type)]
    private = {name for one in classes for name in vars(one) if name.startswith("_")}
    private -= set(vars(namedtuple("Any", "")))  # `_replace` and others are public
    private = {name for name in private if not name.startswith("__")} | {"enable_caching"}
    used = {}
    for file in sorted((PACKAGE / "data").rglob("*.py")):
        nodes = list(ast.walk(ast.parse(file.read_text())))
        called = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        methods = {
            node.name
            for one in nodes
            if isinstance(one, ast.ClassDef)
            for node in one.body
            if isinstance(node, ast.FunctionDef)
        }
        used[file.name] = (called | methods) & private
    here = used.pop("strax_private.py")
    assert here and here <= {name for _, name in USED}
    assert not {name: names for name, names in used.items() if names}


class Numbers(strax.Plugin):
    depends_on = ()
    provides = "numbers"
    data_kind = "numbers"
    dtype = strax.time_fields
    rechunk_on_save = False

    def is_ready(self, chunk_i):
        return chunk_i < 3

    def source_finished(self):
        return True

    def compute(self, chunk_i):
        data = np.zeros(1, self.dtype)
        data["time"], data["endtime"] = chunk_i, chunk_i + 1
        return self.chunk(start=chunk_i, end=chunk_i + 1, data=data)


def test_strax_calls_what_is_overridden(tmp_path, monkeypatch):
    called = []

    class Doubled(strax_private.Plugin):
        depends_on = "numbers"
        provides = "doubled"
        data_kind = "numbers"
        dtype = strax.time_fields

        def fetch_chunk(self, data_type, iters, *args, **options):
            called.append("fetch_chunk")
            return super().fetch_chunk(data_type, iters, *args, **options)

        def compute(self, numbers):
            return numbers

    class Saver(strax_private.Saver):
        def save_chunk(self, data, chunk_info):
            called.append("save_chunk")
            path = Path(self.tempdirname, chunk_info["filename"])
            chunk_info["filesize"] = strax.save_file(str(path), data, self.md["compressor"])

    class Backend(strax_private.Backend):
        def make_saver(self, dirname, metadata, **options):
            called.append("make_saver")
            return Saver(dirname, metadata=metadata, **options)

        def read_chunk(self, *args):
            called.append("read_chunk")
            return super().read_chunk(*args)

    flushed = []
    flush = strax.FileSaver._flush_metadata
    monkeypatch.setattr(
        strax.FileSaver, "_flush_metadata", lambda self: flushed.append(1) or flush(self)
    )
    storage = strax.DataDirectory(str(tmp_path))
    storage.backends = [Backend()]
    context = strax.Context(storage=[storage], register=[Numbers, Doubled])
    context.make("000001", "numbers", processor="single_thread", progress_bar=False)
    assert len(flushed) == 2  # when the folder is made and when it is closed, not for each chunk
    made = context.get_array("000001", "doubled", processor="single_thread", progress_bar=False)
    assert len(made) == 3
    assert set(called) == {"fetch_chunk", "save_chunk", "make_saver", "read_chunk"}
    assert called.count("save_chunk") >= 3


def test_plugins_are_found_without_setting_them_up():
    class NeedsLiveData(Numbers):
        provides = "numbers"

        def setup(self):
            raise AssertionError

    context = strax.Context(storage=[], register=[NeedsLiveData])
    assert set(strax_private.plugins_of(context, ["numbers"], "000001")) == {"numbers"}


def test_keys_are_derived_once():
    built = []

    class Counted(Numbers):
        provides = "numbers"

        def __init__(self):
            built.append(self)
            super().__init__()

    context = strax.Context(storage=[], register=[Counted], use_per_run_defaults=True)
    strax_private.keep_keys(context)
    first = context.key_for("000001", "numbers")
    built.clear()
    assert context.key_for("000001", "numbers") == first
    assert not built
    assert context.key_for("000002", "numbers") != first
    assert built
