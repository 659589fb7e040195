import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from xamsflow.data import lineage
from xamsflow.data.context import context
from xamsflow.settings import detector
from xamsflow.state import layout


def test_the_committed_lineage_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "xamsflow.data.lineage"],
        capture_output=True,
        text=True,
        check=True,
        cwd=layout.REPOSITORY,
    )
    committed = lineage.FILE.read_text()
    changed = lineage.differences(json.loads(committed), json.loads(done.stdout))
    assert not changed, (
        "data made before will be made again; say so in CHANGELOG.md, and run "
        "`python -m xamsflow.data.lineage > lineage.json`:\n" + "\n".join(changed)
    )
    assert done.stdout == committed


def test_differences_are_listed_by_name() -> None:
    before = {"xams": {"peaks": "a", "events": "b", "old": "c"}}
    after = {"xams": {"peaks": "a", "events": "x", "new": "d"}}
    assert lineage.differences(before, after) == [
        "xams events: b -> x",
        "xams new: new -> d",
        "xams old: c -> gone",
    ]


def test_a_setting_changes_only_its_dependents() -> None:
    one = detector.load("xams")
    assert one.tpc is not None
    signals, tpc = one.tpc.signals, one.tpc

    def changed(other: detector.Detector) -> set[str]:
        made = [
            {name: strax_context.key_for("0", name).lineage_hash for name in strax_context.tree}
            for strax_context in (context(d, Path("nowhere"), readonly=True) for d in (one, other))
        ]
        return {name for name in made[0] if made[0][name] != made[1][name]}

    corrected = {"corrected_areas", "event_info"}
    positions = {"event_positions", *corrected}
    of_peaks = {"event_area_per_channel", "event_n_channel", "event_waveform"}
    basics = {"event_basics", "event_coincidences", *positions, *of_peaks}
    events = {"events", *basics}
    coincidences = {"peak_coincidences", "event_coincidences"}
    peaks = {"peaks", "peak_basics", "peak_positions", *coincidences, *events}
    assert changed(replace(one, tpc=replace(tpc, electron_lifetime=1.0))) == corrected
    assert changed(replace(one, tpc=replace(tpc, drift_velocity=0.1))) == positions
    assert changed(replace(one, tpc=replace(tpc, max_drift_time=None))) == basics
    assert changed(replace(one, tpc=replace(tpc, event_left=1))) == events
    assert signals.classification is not None
    narrow = replace(signals, classification=replace(signals.classification, s1_max_width=1))
    assert changed(replace(one, tpc=replace(tpc, signals=narrow))) == peaks
    more = replace(signals, max_gap=100)
    assert changed(replace(one, tpc=replace(tpc, signals=more))) == peaks
    more = replace(signals, hit_threshold=10)
    assert changed(replace(one, tpc=replace(tpc, signals=more))) == {
        "records",
        "pulse_counts",
        *peaks,
    }
    assert changed(replace(one, description="other words")) == set()
    external = replace(one.signals[0], gains=[1.0])
    assert changed(replace(one, signals=(external, one.signals[1]))) == {
        "peaks_external",
        "peak_basics_external",
        *coincidences,
    }
