"""The event display, the page of events, and the verb that makes them."""

import re
from dataclasses import replace

import numpy as np
import pytest

from xamsflow import cli
from xamsflow.analysis import display, event_page, one_event
from xamsflow.base.errors import ConfigurationError
from xamsflow.data.processing import process_run
from xamsflow.settings import detector as detectors
from xamsflow.simulate import SimulatedRun, simulate

RUN = "006800"


@pytest.fixture(scope="module")
def events(shared_site):
    return list(one_event.read(shared_site.context(), RUN, range(5)))


def words(figure):
    return [text.get_text() for text in figure.findobj(lambda one: hasattr(one, "get_text"))]


def without(event, *names):
    info = event.info.copy()
    for name in names:
        info[f"{name}_index"] = -1
    return replace(event, info=info)


@pytest.mark.parametrize("name", ["s1", "s2"])
def test_waveforms_of_channels_add_up_to_the_peak(events, name):
    for event in events:
        peak = event.peak(name)
        if peak is None:
            continue
        dt = int(peak["dt"])
        begin = int(peak["time"] - event.info["time"])
        edges = begin + dt * np.arange(peak["length"] + 1)
        # Samples of 0 within a hit look like those outside: half a count is missing.
        light = sum(display.in_samples(each, edges) for each in event.waveforms.values())
        assert light * dt == pytest.approx(peak["data"][: peak["length"]], abs=0.1)
        assert peak["area"] == event.info[f"{name}_area"]
    assert any(event.peak(name) is not None for event in events)


def test_the_display_names_peaks_and_quantities(shared_site, events):
    number = next(event.number for event in events if event.peak("s1") is not None)
    event = events[number]
    found = words(shared_site.display(RUN, event=number))
    assert f"Run {RUN}, event {number}" in found
    for title in ("main S1", "main S2", "area by channel", "main S2, from above"):
        assert title in found
    assert f"{event.info['drift_time'] / 1e3:.4g} µs" in found
    for name in ("S1", "S2"):
        area = event.info[f"{name.lower()}_area"]
        text = f"{area:.0f}" if area >= 1000 else f"{area:.4g}"
        assert f"{name}\n{text} PE" in found
    assert [str(channel) for channel in event.channels] == [f"{i}" for i in range(5)]


def test_what_an_event_lacks_is_left_out(events):
    event = events[0]
    assert "no S1" in words(display.draw(without(event, "s1", "alt_s1")))
    assert "waveforms of the channels" not in words(display.draw(replace(event, waveforms={})))
    unknown = words(display.draw(replace(event, quadrants=())))
    assert "main S2, from above" not in unknown
    corners = ((-8.0, 8.0), (8.0, 8.0), (-8.0, -8.0), (8.0, -8.0))
    known = dict(zip((1, 2, 3, 4), corners, strict=True))
    assert "main S2, from above" in words(display.draw(replace(event, positions=known)))


@pytest.mark.parametrize(
    ("run", "number", "message"),
    [
        (RUN, 99_999, rf"run {RUN} has no event 99999: it has events 0 to \d+"),
        (RUN, -1, "has no event -1"),
        (
            "006801",
            0,
            "run 006801: event_basics is not stored: create it with `.*snakemake .*--directory",
        ),
    ],
)
def test_events_that_are_not_there(shared_site, run, number, message):
    with pytest.raises(ConfigurationError, match=message):
        shared_site.display(run, number)


def test_the_page_needs_nothing_else_and_leads_from_event_to_event(events):
    text = event_page.page(RUN, [events[0], events[2], events[3]], more=7)
    assert re.findall(r'<section id="event-(\d+)">', text) == ["0", "2", "3"]
    assert re.findall(r'href="#event-(\d+)" rel="(\w+)"', text) == [
        ("2", "next"),
        ("0", "prev"),
        ("3", "next"),
        ("2", "prev"),
    ]
    sources = re.findall(r'(?:src|href)="([^"]{1,30})', text)
    assert all(source.startswith(("data:", "#")) for source in sources)
    assert "7 more events" in text


def test_the_verb_writes_a_picture_or_a_page(place, tmp_path, capsys):
    here = ["--directory", str(place)]
    picture, page = tmp_path / "new" / "event.png", tmp_path / "events.html"
    assert cli.main(["display", "6800", "1", "--output", str(picture), *here]) == 0
    assert capsys.readouterr().out == f"{picture}\n"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert cli.main(["display", "6800", "1-2", "--output", str(page), *here]) == 0
    assert page.read_text().count("<section") == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["events.html", "new"]


def test_a_run_without_events_is_said_to_have_none(tmp_path, capsys):
    (tmp_path / "site.yaml").write_text("detector: xams\n")
    xams = detectors.load("xams")
    quiet = SimulatedRun(number=6800, detector=xams, duration=0.6, rate=1.0)
    process_run(
        document=simulate(quiet, tmp_path / "live_data"),
        detector=xams,
        live_data=tmp_path / "live_data",
        processed=tmp_path / "data" / "processed",
        data_type="event_basics",
    )
    assert cli.main(["display", "6800", "--directory", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("xamsflow: run 006800 has no events: ")
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("words_", "message"),
    [
        (["6800", "1-2", "--output", "x.png"], "--output is x.png, allowed: a name that ends with"),
        (["6800", "1", "--output", "x.txt"], "--output is x.txt, allowed: a name that ends with"),
        (["6800-6802", "1"], "'6800-6802' is more than one run"),
        (["x", "1"], "'x' is not a run"),
        (["6800", "x"], "'x' is not an event"),
        (["6800", "9999"], "run 006800 has no event 9999"),
    ],
)
def test_the_verb_says_what_is_wrong(place, capsys, words_, message):
    assert cli.main(["display", *words_, "--directory", str(place)]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
