"""Data types below one that fails stay stored and are registered."""

from xamsflow.state import layout

BROKEN = """
from xamsflow.data.context import context
from xamsflow.data.plugins.events import _Events


class Events(_Events):
    def compute(self, peaks, start, end):
        raise ZeroDivisionError("what a bug says")


def broken(detector, processed, config):
    made = context(detector, processed, config)
    Events.takes_config = made._plugin_class_registry["events"].takes_config
    made.register(Events)
    return made
"""


def test_events_fail_and_peaks_are_registered(make_site):
    site = make_site(targets=["event_info"], context="broken_events.broken")
    (site.work / "broken_events.py").write_text(BROKEN)
    site.add_run(932)
    assert site.snakemake().returncode != 0
    document = site.document(932)
    assert document["processing_status"] == "failed"
    assert "events in chunk 0 of plugin Events" in document["processing"]["reason"]
    registered = {entry["type"] for entry in document["data"] if entry["type"] != "live"}
    assert {"raw_records_v1730", "records", "peaks", "peak_basics"} <= registered
    assert not {"events", "event_info"} & registered
    assert (site.work / "data" / "processed" / "000932-metadata.json").is_file()

    # Once fixed, only what failed is made.
    peaks = sorted(site.work.glob("data/processed/000932-peaks-*/*"))
    written = [file.stat().st_mtime_ns for file in peaks]
    assert peaks
    site.configure(context=None)
    site.verb("pend", "--yes", "932")
    assert site.snakemake().returncode == 0
    assert site.status(932) == "done"
    assert [file.stat().st_mtime_ns for file in peaks] == written
    types = [entry["type"] for entry in site.document(932)["data"] if entry["type"] != "live"]
    assert "event_info" in types
    assert len(types) == len(set(types))


def test_a_changed_setting_makes_exactly_what_depends_on_it(make_site):
    site = make_site(targets=["event_info"])
    site.add_run(932)
    assert site.snakemake().returncode == 0
    stored = {path.name for path in site.work.glob("data/processed/000932-*")}

    shipped = (layout.REPOSITORY / layout.DETECTORS / "xamsl.yaml").read_text()
    changed = site.work / layout.DETECTORS / "xamsl.yaml"
    changed.parent.mkdir(parents=True)
    changed.write_text(shipped.replace("right: 50000", "right: 40000"))
    site.verb("pend", "--yes", "--force", "932")
    done = site.snakemake()
    assert done.returncode == 0, done.stdout
    assert site.status(932) == "done"
    after = {path.name for path in site.work.glob("data/processed/000932-*")}
    assert stored < after
    new = sorted(name.split("-")[1] for name in after - stored)
    assert new == ["corrected_areas", "event_basics", "event_info", "event_positions", "events"]
