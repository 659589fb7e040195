"""The page of trends in a real browser."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from servers.browser import Browser, running_browser
from site_for_tests import Site
from xamsflow.analysis import trends
from xamsflow.analysis.health import comparison
from xamsflow.settings import config
from xamsflow.state import health, layout, receipts
from xamsflow.state.health import Deviation, Health, Note, Verdict
from xamsflow.state.quantities import VERSION

pytestmark = pytest.mark.xdist_group("trends")  # its tests share costly fixtures

PHONE = {"width": 360, "height": 740, "mobile": True}
DESKTOP = {"width": 1280, "height": 900}

HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>"
FIRST = datetime(2026, 11, 1, tzinfo=UTC)
N_RUNS = 40


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with running_browser(tmp_path_factory.mktemp("browser")) as running:
        yield running


def write_quantities(site: Site, number: int, mode: str, values: dict[str, float | None]) -> None:
    start = FIRST + timedelta(hours=6 * number)
    described = {
        name: {"value": value, "error": 0.1, "unit": "Hz", "definition": HOSTILE}
        | {"channel": int(name[-1]) if "_ch" in name else None}
        | ({"problem": f"no events {HOSTILE}"} if value is None else {})
        for name, value in values.items()
    }
    start_ns = int(start.timestamp()) * 10**9
    content = {"version": VERSION, "run_id": f"{number:06d}", "detector": "xamsl", "mode": mode}
    content |= {"start": start_ns, "end": start_ns + 10**12, "time": "now", "lineage": {}}
    path = site.work / layout.quantities(f"{number:06d}")
    receipts.write(path, content | {"quantities": described}, durable=False)


@pytest.fixture
def watched(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site with quantities of runs of two modes; some words mean harm."""
    for number in range(1, N_RUNS + 1):
        is_led = number % 4 == 0
        values = {"event_rate": None if is_led else 20 + number / 100}
        values |= {f"noise_ch{channel}": 2 + channel + number / 1000 for channel in range(3)}
        write_quantities(site, number, HOSTILE if is_led else "background", values)
    monkeypatch.chdir(site.work)
    health.write(
        Health(
            run_id="000039",
            detector="xamsl",
            mode="background",
            start=0,
            end=1,
            verdict=Verdict.ODD,
            odd=(Deviation("event_rate", 20.39, 20.2, 0.01, 19.0, "000039", 20.39),),
            known=(Note(HOSTILE, "me", "now", ("event_rate",)),),
            reference="",
            references=tuple(f"{number:06d}" for number in range(1, 39)),
            limit=4.5,
            n_judged=4,
            time="now",
        )
    )
    picture = site.work / layout.overview("000039")
    picture.write_bytes(b"not looked at")
    about = {"start": FIRST, "end": FIRST, "mode": "background", "data": []}
    tags = [{"name": HOSTILE}, {"name": "source in"}]
    site.insert(about | {"number": 39, "tags": tags, "comments": [{"comment": f"HV {HOSTILE}"}]})
    return site


def made(site: Site) -> Path:
    done = site.verb("page", "--pictures", "0")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        str(site.work / layout.PAGE),
        str(site.work / layout.TRENDS),
    ]
    return site.work / layout.TRENDS


def say(expression: str) -> str:
    """Return a script that writes the value of an expression at the end of the page."""
    return f"document.body.append('<<' + JSON.stringify({expression}) + '>>')"


def said(text: str) -> object:
    found = re.search(r"<<(.*)>>", text, re.DOTALL)
    assert found, text[-500:]
    return json.loads(found[1])


POINT_AT_THE_LAST = """
const plot = strips[0].plot;
plot.box.focus();
plot.box.dispatchEvent(new KeyboardEvent("keydown", { key: "End" }));
"""


@pytest.mark.parametrize("size, dark", [(PHONE, False), (DESKTOP, True)])
def test_it_is_read_on_any_screen_asks_nobody_and_runs_no_text(watched, browser, size, dark):
    path = made(watched)
    seen = browser.look(path, **size, dark=dark, script=POINT_AT_THE_LAST)
    (watched.folder / "screenshot.png").write_bytes(seen.screenshot)
    assert seen.width <= seen.screen == size["width"]
    assert {address.partition(":")[0] for address in seen.requests} == {"file", "data"}
    assert seen.requests[0] == path.as_uri()
    assert seen.problems == []
    assert seen.dark == dark
    for words in (
        "xamsl: trends",
        "40 of 40 runs",
        f"event rate is 20.39, usual 20.2 (19.0 spreads); known: {HOSTILE}",
        "Event rate [spreads from the usual value]",
        f"10 runs without a value, mostly: no events {HOSTILE}",
        "channel 2",
        # What the last run's point says.
        "Run 000039",
        "2026-11-10 18:00 UTC, background",
        "event rate: 20.390 ± 0.100 Hz",
        f"tags: {HOSTILE}, source in",
        f"comment: HV {HOSTILE}",
    ):
        assert words in seen.text, words
    assert "The MIT License" in path.read_text()
    # The page of all runs leads here, and back.
    assert 'href="trends.html"' in (watched.work / layout.PAGE).read_text()
    assert 'href="index.html"' in path.read_text()


def test_runs_are_chosen_by_mode_tag_and_date(watched, browser):
    choices = {
        "mode: data.modes.indexOf('background')": 30,
        "tag: data.tag_names.indexOf('source in')": 1,
        "from: '2026-11-06'": 21,
        "from: '2026-11-06', until: '2026-11-06'": 4,
        "from: '2030-01-01'": 0,
    }
    script = """
        const counts = [];
        function chosen(values) {
          filter.reset();
          for (const name in values) filter.elements[name].value = values[name];
          filter.dispatchEvent(new Event("change"));
          counts.push(document.getElementById("count").textContent);
        }
    """
    script += "".join(f"chosen({{ {choice} }});" for choice in choices)
    seen = browser.look(made(watched), **DESKTOP, script=script + say("counts"))
    assert said(seen.text) == [f"{n_shown} of 40 runs" for n_shown in choices.values()]
    assert seen.problems == []


def test_a_drag_zooms_all_strips_and_a_channel_is_chosen_alone(watched, browser):
    script = """
        strips[0].plot.uplot.setSelect({ left: 100, top: 0, width: 200, height: 50 });
        const [one, other] = strips.map((strip) => strip.plot.uplot.scales.x);
        const zoomed = one.min === other.min && one.max - one.min < 86400 * 5;
        const channel = document.querySelector("#strips select");
        channel.value = "noise_ch1";
        channel.dispatchEvent(new Event("change"));
        const half = strips[0].plot.band[1];
        const odd = strips[0].plot.odd().map((mark) => [mark.i, mark.isKnown]);
        const drawn = strips[1].plot.series.map((series) => series.quantity.name);
        any.x.value = "noise_ch0"; any.y.value = "event_rate";
        any.x.dispatchEvent(new Event("change"));
        any.plot.uplot.setSelect({ left: 100, top: 50, width: 200, height: 50 });
        const points = any.plot.points.length;
    """
    seen = browser.look(
        made(watched), **DESKTOP, script=script + say("[zoomed, drawn, points, half, odd]")
    )
    limit = comparison.limit(4, 29)  # of as many quantities, and earlier runs of the mode
    assert said(seen.text) == [True, ["noise_ch1"], 30, pytest.approx(limit), [[38, True]]]
    assert seen.problems == []


def test_pointing_finds_the_nearest_run_and_a_touch_gets_a_link(watched, browser):
    script = """
        const plot = strips[0].plot, over = plot.uplot.over.getBoundingClientRect();
        const target = plot.points.at(-1), place = plot.position();
        const at = { clientX: over.left + (place.px(target.x) - place.left) / uPlot.pxRatio + 3,
          clientY: over.top + (place.py(target.y) - place.top) / uPlot.pxRatio - 5 };
        plot.uplot.over.dispatchEvent(new PointerEvent("click", { ...at, pointerType: "touch" }));
        const links = [...about.querySelectorAll("a")].map((link) => link.getAttribute("href"));
    """
    seen = browser.look(made(watched), **PHONE, script=script + say("[plot.current.i, links]"))
    assert said(seen.text) == [38, ["000039/overview.png"]]


def test_an_empty_site_has_a_page(site, browser, monkeypatch):
    monkeypatch.chdir(site.work)
    assert not trends.has_any()
    seen = browser.look(trends.make(config.load([site.configfile])), **PHONE)
    assert "No run has quantities yet." in seen.text
    assert seen.problems == []
    assert seen.width <= seen.screen
