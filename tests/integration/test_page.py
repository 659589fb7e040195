"""The page, in a real browser, made of a real run database or of receipts."""

import contextlib
import functools
import itertools
import json
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from matplotlib.figure import Figure

from servers.browser import Browser, Tab, running_browser
from site_for_tests import Site
from xamsflow import rundb
from xamsflow.cli import watch
from xamsflow.redax import rundoc
from xamsflow.rundb import registered
from xamsflow.settings import config
from xamsflow.state import campaigns, layout, lineages, live, quantities, receipts
from xamsflow.state.live import LiveRun
from xamsflow.state.quantities import Quantities, Quantity
from xamsflow.views import live as live_page
from xamsflow.views import page, run_files
from xamsflow.views.page import facts, render

pytestmark = pytest.mark.xdist_group("page")  # its tests share costly fixtures

NOW = datetime.now(UTC).replace(microsecond=0)

HOSTILE = "<script>document.title='owned'</script><img src=http://127.0.0.1:1/x onerror=alert(1)>"
LONG = "x" * 10_000
REASON = f"\"'><b onclick=alert(1)>{{{{ 7*7 }}}} & \u202e\x00 {LONG}"

PHONE = {"width": 360, "height": 740, "mobile": True}
DESKTOP = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with running_browser(tmp_path_factory.mktemp("browser")) as running:
        yield running


def document(number: int, status: str, **about: Any) -> dict[str, Any]:
    mode = about.pop("mode", "background")
    times = {"start": NOW - timedelta(hours=2), "end": NOW - timedelta(hours=1)}
    data = [{"type": "live", "size_mb": 1500.0, "lineage_hash": None}]
    processing = {"time": NOW - timedelta(minutes=5)} | about
    return {
        "number": number,
        "mode": mode,
        "processing_status": status,
        "processing": processing,
        "data": data,
    } | times


@pytest.fixture
def busy(site: Site) -> Site:
    """A site with runs of every kind, some with documents that mean harm."""
    progress = {
        "what": "records",
        "chunk": 12,
        "n_chunks": 96,
        "percent": 12,
        "mb_per_s": 110.0,
        "time_left_s": 95,
        "time": NOW,
    }
    site.insert(document(100, "pending"))
    site.insert(document(101, "pending", mode=HOSTILE))
    site.insert(
        document(
            102, "running", stage="process", host="wn-lot-001", job_id="77.batch", attempt=2,
            progress=progress, owner="here:1:me:1",
        )
    )  # fmt: skip
    site.insert(
        document(
            103, "running", stage=HOSTILE, owner="here:1:me:1", host=LONG,
            progress={"percent": HOSTILE, "chunk": HOSTILE, "n_chunks": 3, "mb_per_s": {"a": 1}},
        )
    )  # fmt: skip
    site.insert(
        document(104, "failed", stage="process", reason=REASON, failure="bad_data", log="/a/b.log")
    )
    retry_at = datetime(2033, 5, 6, 7, 8, tzinfo=UTC)
    site.insert(document(105, "failed", reason="host away", mode=LONG, retry_at=retry_at))
    site.insert(document(106, "done", quality={"verdict": "degraded", "findings": []}))
    site.insert(document(107, "done", quality={"verdict": "clean", "findings": []}))
    sign = {"owner": "here:1:me:1", "host": "login<b>", "interval_s": 10.0}
    sign |= {"last_look": (NOW - timedelta(hours=3)).isoformat()}
    receipts.write(site.work / layout.WATCHING, sign)
    add_campaign(site)
    picture = site.work / "results" / "000107" / "overview.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"not looked at")
    return site


def add_campaign(site: Site) -> None:
    """Add a campaign of the runs that failed or are done; some of its texts mean harm."""
    mark = {"$set": {"processing.campaign": {"name": "gains"}}}
    site.collection.update_many({"number": {"$gte": 104, "$lte": 107}}, mark)
    campaign = campaigns.new("gains", (99, *range(104, 108)), (), "ann", HOSTILE)
    path = site.work / layout.campaign_file("gains")
    path.parent.mkdir()
    with contextlib.chdir(site.work):
        campaigns.write(campaign.after(campaigns.Phase.RUNNING, "start", "ann"))
        layout.campaign_file("damaged").write_text("{")


def made(site: Site) -> Path:
    done = site.verb("page", "--pictures", "0")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == str(site.work / "results" / "index.html")
    return site.work / "results" / "index.html"


def test_it_can_be_read_on_any_screen_and_asks_nobody(busy, browser):
    path = made(busy)
    for size, dark in itertools.product((PHONE, DESKTOP), (False, True)):
        with browser.open(path.as_uri(), **size, dark=dark) as tab:
            assert accessibility_problems(tab) == []
            seen = tab.seen(size["width"])
        name = f"{'phone' if size is PHONE else 'desktop'}{'-dark' * dark}.png"
        # Kept by pytest, for people to look at.
        (busy.folder / name).write_bytes(seen.screenshot)
        assert len(seen.screenshot) > 10_000
        assert seen.width <= seen.screen == size["width"]
        asked = of_the_page(seen.requests) - {"live.js"}  # after 3 s
        assert asked == {path.name, "live.html", "latest.js", "watch.js"}
        assert seen.problems == []
        assert seen.dark == dark
    for words in (
        "watch on login<b> has died, last query ",
        "(3 h ago)",
        "2\nwaiting",
        "2\nin progress",
        "2\nfailed",
        "1 will be retried automatically",
        "2\ndone since yesterday",
        "records: chunk 12 of 96, 110 MB/s, 1.6 min left",
        "process (attempt 2)",
        "wn-lot-001",
        "host away",
        "retried automatically at 2033-05-06 07:08 UTC",
        "xamsflow retry 104",
        "/a/b.log",
        "degraded",
        "xamsflow watch has died: no new runs are processed",
        "8 of 8 runs",
        "2 of 5 runs done",
        "1 waiting, 2 done, 2 failed",
        "xamsflow campaign show gains",
    ):
        assert words in seen.text, words
    # What is wrong stands first, what may go away by itself last.
    assert seen.text.index("Problems") < seen.text.index("waiting") < seen.text.index("All runs")
    assert LONG[:300] in seen.text
    assert "x" * 501 not in seen.text
    assert "\u202e" not in seen.text
    # What means harm is only text.
    assert HOSTILE in seen.text
    assert "{{ 7*7 }}" in seen.text


def accessibility_problems(tab: Tab) -> list[str]:
    """Return what axe-core finds wrong by the rules of WCAG, with the elements concerned."""
    tab.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
    found = tab.evaluate("axe.run(document, { resultTypes: ['violations'], iframes: false })")
    assert len(found["passes"]) > 10  # it has looked
    return [
        f"{one['id']}: {[node['html'][:200] for node in one['nodes'][:3]]}"
        for one in found["violations"]
    ]


def of_the_page(requests: Sequence[str]) -> set[str]:
    """Return the names of the files that were asked for; no other address may be."""
    there = [address for address in requests if not address.startswith("data:")]
    assert all(address.startswith(("file:///", "http://127.0.0.1:")) for address in there)
    return {urlsplit(address).path.rpartition("/")[2] for address in there}


def test_every_run_opens_and_addresses_keep_what_is_chosen(busy, browser):
    busy.collection.update_one(
        {"number": 107},
        {
            "$set": {
                "comments": [{"comment": HOSTILE, "user": HOSTILE, "date": NOW}],
                "tags": [HOSTILE],
            }
        },
    )
    log = busy.work / "logs" / "process" / "000107.events.1.log"
    log.parent.mkdir(parents=True)
    log.write_text(f"first line\n{HOSTILE}\nlast line\n")
    values = {
        "event_rate": Quantity(20.25, 0.125, "Hz", definition="?"),
        "note": Quantity(HOSTILE),
        "electron_lifetime": Quantity(None, problem="too few events"),
    }
    with contextlib.chdir(busy.work):
        quantities.write(Quantities("000107", "xamsl", "m", 0, 1, NOW.isoformat(), {}, values))
    path = made(busy)
    with browser.open(f"{path.as_uri()}#run=107&status=done&sort=number", **DESKTOP) as tab:
        tab.wait_until("byId('details').innerText.includes('last line')")
        assert accessibility_problems(tab) == []
        opened = tab.seen(DESKTOP["width"])
        assert "Run 000107" in opened.text
        assert "xamsflow display 107" in opened.text
        assert opened.text.count(HOSTILE) > 4
        assert "event_rate\t20.25\t0.125\tHz" in opened.text
        assert "too few events" in opened.text
        assert of_the_page(opened.requests) >= {"000107.js", "overview.png"}
        assert opened.problems == []
        (busy.folder / "opened.png").write_bytes(opened.screenshot)
        # Escape closes it; the keyboard is where it was, and opens the next.
        tab.press("Escape")
        assert tab.evaluate("dialog.open") is False
        tab.wait_until("location.hash === '#status=done&sort=number'")
        assert tab.evaluate("document.activeElement.textContent") == "000107"
        assert tab.evaluate("listed.map((run) => run.number)") == [106, 107]
        tab.press("Enter")
        assert tab.evaluate("location.hash") == "#status=done&sort=number&run=107"
        tab.press("Escape")
        # Each field of the filter.
        for changes, expected in {
            "q: 'HOST away'": [105],
            "number: '100-102, 107'": [107, 102, 101, 100],
            "mode: 'background', status: 'active'": [103, 102],
            "tag: TAG": [107],
            "from: '2001-01-01', until: '2001-12-31'": [],
            "sort: 'mode', status: 'pending'": [101, 100],
        }.items():
            script = f"choose({{...DEFAULTS, {changes}}}); listed.map((run) => run.number)"
            found = tab.evaluate(script.replace("TAG", json.dumps(HOSTILE)))
            assert found == expected, changes
        tab.evaluate("location.hash = '#view=matrix'")
        tab.wait_until("byId('table').className.includes('matrix')")


def test_the_data_types_of_each_run_say_what_is_current_and_in_use(busy, browser):
    busy.collection.update_one({"number": 107}, {"$set": {"data": stored("new", 30)}})
    busy.collection.update_one({"number": 106}, {"$set": {"data": stored("old", 90)}})
    # Corrections by run make several lineages current, whichever was made last.
    busy.collection.update_one({"number": 105}, {"$set": {"data": stored("before", 5)}})
    ranges = {"000000": None, "000105": {"events": "before"}, "000106": {"events": "new"}}
    names = {"detector": config.load([busy.configfile]).detector, "context": None}
    receipts.write(busy.work / layout.PAGE_CURRENT, names | {"ranges": ranges})
    busy.collection.update_one({"number": 104}, {"$set": {"data": stored("unknown", 1)}})
    busy.collection.update_one({"number": 103}, {"$set": {"data": stored("remade", 1)}})
    kept = {"version": lineages.VERSION, "run_id": "000103", "earlier": {"events": "published"}}
    kept |= {"accepted": False, "by": HOSTILE, "time": NOW.isoformat(), "reason": HOSTILE}
    receipts.write(layout.lineage_file(busy.work / "data" / "processed", "000103"), kept)
    path = made(busy)
    # An address that somebody sends shows the same.
    with browser.open(f"{path.as_uri()}#view=matrix&number=103-107", **DESKTOP) as tab:
        assert accessibility_problems(tab) == []
        matrix = tab.seen(DESKTOP["width"])
        (busy.folder / "matrix.png").write_bytes(matrix.screenshot)
        rows = tab.evaluate("[...byId('runs').rows].map((row) => row.innerText)")
        tab.evaluate("openRun(103)")
        in_use = tab.evaluate("byId('opened').innerText")
    assert "current" in rows[0]
    assert "30 d" in rows[1]  # outdated since the newer one was made
    assert "current" in rows[2]
    assert "unknown" in rows[3]
    assert "earlier" in rows[4]
    assert "in use\nearlier data: events" in in_use
    assert "xamsflow lineage 103" in in_use


def stored(lineage: str, age: int) -> list[dict[str, Any]]:
    """Return the entries of a data type that was made so many days ago."""
    time = NOW - timedelta(days=age)
    entry = {"type": "events", "lineage_hash": lineage, "time": time, "location": "/x"}
    return [entry | {"host": "stbc", "by": "anna", "protocol": registered.PROTOCOL}]


@pytest.mark.parametrize("over_http", [False, True])
def test_an_open_page_takes_over_what_has_changed(busy, browser, over_http):
    path = made(busy)
    folder = functools.partial(SimpleHTTPRequestHandler, directory=path.parent)
    with ThreadingHTTPServer(("127.0.0.1", 0), folder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = path.as_uri() if not over_http else f"http://127.0.0.1:{server.server_port}/"
        with browser.open(f"{address}#status=pending", **DESKTOP) as tab:
            tab.evaluate("globalThis.before = document.querySelector('#runs [data-run=\"100\"]')")
            tab.evaluate("before.focus(); byId('filter').elements.q.dataset.mark = 'the same page'")
            busy.collection.update_one(
                {"number": 101},
                {"$set": {"processing_status": "failed", "processing.reason": "?!"}},
            )
            busy.insert(document(108, "pending", mode=HOSTILE))
            busy.verb("page", "--pictures", "0")
            tab.evaluate("look()")
            assert tab.evaluate("listed.map((run) => run.number)") == [108, 100]
            shown = tab.evaluate("byId('wrong').innerText + byId('tiles').innerText")
            assert "?!" in shown
            assert "3\nfailed" in shown
            # Place, filter, and what has not changed stay.
            assert tab.evaluate("document.activeElement === before")
            assert tab.evaluate("byId('filter').elements.q.dataset.mark") == "the same page"
            assert tab.evaluate("location.hash") == "#status=pending"
            # Where a run has disappeared, the page loads itself again, and is where it was.
            busy.collection.delete_one({"number": 108})
            busy.verb("page", "--pictures", "0")
            tab.evaluate("void look()")
            tab.wait_until("typeof runs === 'object' && runs.size === 8")
            assert tab.evaluate("location.hash") == "#status=pending"
            seen = tab.seen(DESKTOP["width"])
            assert seen.problems == []
        server.shutdown()


def test_a_run_being_taken_is_shown_and_news_of_it_too(site, browser, monkeypatch):
    path = made(site)
    monkeypatch.chdir(site.work)
    start = round(NOW.timestamp()) * 10**9
    taken = LiveRun(
        "000932", f"{HOSTILE} {LONG}", start, start + 10**10, 2, 1, (HOSTILE, LONG),
        is_judged=True, compared=HOSTILE, event=None, time=NOW.isoformat(),
    )  # fmt: skip
    live.write(taken)
    layout.overview("000932").parent.mkdir()
    Figure((2, 1)).savefig(layout.overview("000932"))
    page_of_it = live_page.make("xams")
    for size, dark in itertools.product((PHONE, DESKTOP), (False, True)):
        with browser.open(page_of_it.absolute().as_uri(), **size, dark=dark) as tab:
            assert accessibility_problems(tab) == []
            seen = tab.seen(size["width"])
        assert seen.width <= seen.screen
        assert seen.problems == []
        assert of_the_page(seen.requests) <= {"live.html", "live.js", "overview.png"}
        assert seen.text.count(HOSTILE) == 3
        assert "x" * 501 not in seen.text
    with browser.open(path.as_uri(), **DESKTOP) as tab:
        height = "byId('live').offsetHeight"
        tab.wait_until(f"{height} > 0 && !byId('taken').hidden")
        before = tab.evaluate(height)
        live.write(replace(taken, odd=(), mode="led"))
        live_page.make("xams")
        tab.wait_until(f"{height} > 0 && {height} < {before}")
        live.forget("000932")
        live_page.make("xams")
        tab.wait_until(f"{height} === 0 && byId('taken').hidden")


def test_what_says_nothing_new_is_not_written_again(busy, monkeypatch):
    path = made(busy)
    files = {file: file.stat().st_ino for file in path.parent.rglob("*") if file.is_file()}
    assert path.parent / "page" / "000107.js" in files
    busy.verb("page", "--pictures", "0")
    again = {file: file.stat().st_ino for file in path.parent.rglob("*") if file.is_file()}
    changed = {file.name for file in again if again[file] != files.get(file)}
    assert changed == {"latest.js", "watch.js"}
    # Another version of xamsflow makes another page of the same runs.
    monkeypatch.setattr(render, "SCRIPTS", (*render.SCRIPTS, "words.js"))
    busy.verb("page", "--pictures", "0")
    assert path.stat().st_ino != again[path]


def test_a_watch_makes_the_page_again_only_after_a_change(busy, monkeypatch):
    monkeypatch.chdir(busy.work)
    monkeypatch.setattr(watch, "PAGE_CHECK", timedelta(0))
    settings = config.load([busy.configfile])
    updated = watch._Page(settings, [busy.configfile])

    def version() -> int:
        updated.update(database, changed=False)
        return layout.PAGE_LATEST.stat().st_ino

    with rundb.open_database(settings.rundb) as database:
        first = version()
        assert version() == first
        busy.collection.update_one({"number": 100}, {"$set": {"mode": "led"}})
        assert version() != first
    updated.stop()


def test_an_open_page_keeps_its_runs_while_the_run_database_is_away(busy, browser):
    path = made(busy)
    settings = config.load([busy.configfile])
    away = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100"
    outage = replace(settings, rundb=replace(settings.rundb, uri=away))
    with browser.open(path.as_uri(), **DESKTOP) as tab, contextlib.chdir(busy.work):
        tab.evaluate("byId('filter').elements.q.dataset.mark = 'the same page'")
        page.make(outage)
        tab.evaluate("void look()")
        tab.wait_until("byId('wrong').innerText.includes('could not be read')")
        assert tab.evaluate("runs.size") == 8
        with browser.open(path.as_uri(), **DESKTOP) as late:
            assert late.evaluate("runs.size") == 1  # of which there is a folder here
            page.make(settings)
            late.evaluate("void look()")
            late.wait_until("typeof runs === 'object' && runs.size === 8")
        tab.evaluate("void look()")
        tab.wait_until("!byId('wrong').innerText.includes('could not be read')")
        assert tab.evaluate("byId('filter').elements.q.dataset.mark") == "the same page"


class Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_no_run_document_makes_markup(busy):
    elements = Elements(made(busy).read_text()).found
    names = [name for name, _ in elements]
    assert names.count("script") == 2
    assert not {"img", "object"} & set(names)
    assert [attrs["src"] for name, attrs in elements if name == "iframe"] == ["live.html"]
    assert not [attrs for _, attrs in elements if any(key.startswith("on") for key in attrs)]
    links = [str(attrs["href"]) for name, attrs in elements if name == "a"]
    assert links == ["trends.html"]


def test_the_browser_itself_would_run_no_other_script(busy, browser):
    """The guard of last resort: also a script that got in is not run."""
    path = made(busy)
    text = path.read_text()
    script = "<script>document.currentScript.outerHTML = 'it has run'</script>"
    path.write_text(text.replace("<header>", f"{script}<header>"))
    seen = browser.look(path, **DESKTOP)
    assert any("Content Security Policy" in problem for problem in seen.problems)
    assert "it has run" not in seen.text


def test_the_watch_itself_sees_what_is_too_wide_and_requests(busy, browser):
    path = made(busy)
    wide = "document.body.style.width = '2000px'; new Image().src = 'http://127.0.0.1:1/x.png'"
    text = path.read_text()
    path.write_text(text[: text.index("<meta http-equiv")] + text[text.index("<meta name=") :])
    seen = browser.look(path, **PHONE, script=wide)
    assert seen.width > seen.screen
    assert "http://127.0.0.1:1/x.png" in seen.requests


def test_without_a_run_database_it_is_made_of_receipts(make_site, browser):
    site = make_site(rundb={"uri": "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200"})
    written_receipts(site, 932, hours=(1, 2, 3))
    # Of another only the transfer is known, and of a third nothing that can be read.
    written_receipts(site, 933, hours=(1,))
    (site.work / "results" / "000934").mkdir()
    (site.work / "results" / "000934" / "transfer.json").write_text('{"run_document": 3}')
    seen = browser.look(made(site), **DESKTOP)
    assert "this page is based on the receipts here" in seen.text
    assert "127.0.0.1:1 does not respond" in seen.text
    assert "000932" in seen.text
    assert "1\ndone since yesterday" in seen.text
    assert seen.problems == []


def written_receipts(site: Site, number: int, hours: tuple[float, ...]) -> None:
    """Write a run's receipts so many hours after its end: transfer, events, published."""
    end = NOW - timedelta(hours=10)
    about = {"number": number, "mode": "m", "start": end - timedelta(hours=1), "end": end}
    common = {"run_id": f"{number:06d}"}
    contents = [
        ("transfer", {"bytes": 5_000_000, "run_document": rundoc.to_json(about)}),
        ("events", {"stored": {}, "quality": {"verdict": "clean"}}),
        ("rundoc", {"processing_status": "done"}),
    ]
    for (name, content), after in zip(contents, hours, strict=False):
        time = (end + timedelta(hours=after)).isoformat()
        path = site.work / "results" / f"{number:06d}" / f"{name}.json"
        receipts.write(path, common | content | {"time": time})


def test_latency_is_from_the_end_of_the_run_to_each_receipt(site, monkeypatch):
    for number in range(1, 12):  # 1 to 11 hours, and twice that
        written_receipts(site, number, hours=(number, 2 * number))
    written_receipts(site, 12, hours=(300 * 24, 300 * 24))  # requested long after it was taken
    claim = site.work / "results" / "000001" / "claim.json"
    claim.write_text(json.dumps({"time": NOW.isoformat()}))
    aside = site.work / "results" / "000001" / "rundoc.20240101T000000.json"
    aside.write_text(json.dumps({"run_id": "000001", "time": NOW.isoformat()}))
    monkeypatch.chdir(site.work)
    first, second = facts.latencies(run_files.runs())
    assert (first.step, first.n_runs) == ("transferred", 11)
    assert first.median_s == pytest.approx(6 * 3600)
    assert first.most_s == pytest.approx(10 * 3600)
    assert (second.step, second.median_s) == ("events", pytest.approx(12 * 3600))


def test_an_empty_site_has_a_page(site, browser):
    seen = browser.look(made(site), **PHONE)
    assert "no backlog" in seen.text
    assert "No runs yet." in seen.text
    assert seen.width <= seen.screen
    assert seen.problems == []


def test_the_page_is_never_half_written(site, monkeypatch):
    path = made(site)
    before = path.read_text()
    monkeypatch.setattr(facts, "collect", lambda _: 1 / 0)
    monkeypatch.chdir(site.work)
    with pytest.raises(ZeroDivisionError):
        page.make(None)
    assert path.read_text() == before
    assert {file.name for file in path.parent.iterdir()} == {"index.html", "live.html", "page"}


def test_pictures_are_drawn_of_the_newest_runs_that_lack_them(site):
    for number in (932, 933):
        site.add_run(number)
    assert site.snakemake("results/index.html", "results/trends.html").returncode == 0
    assert (site.work / layout.TRENDS).is_file()
    assert site.status(932) == "pending"  # a page asks for no processing
    assert site.snakemake().returncode == 0

    first = site.verb("page", "--pictures", "1")
    details = (site.work / layout.page_details("000933")).read_text()
    assert "INFO xamsflow.jobs: run 000933: publish done" in details
    assert "data/processed/000933-raw_records_v1730" in details
    assert "pictures drawn: 1, last:" in first.stdout
    picture = site.work / "results" / "000933" / "overview.png"
    assert picture.is_file()
    drawn = picture.stat().st_mtime_ns
    # Its time is that of the receipts, in case that they change while it is drawn.
    assert drawn in {path.stat().st_mtime_ns for path in picture.parent.glob("*.json")}
    # One that cannot be drawn keeps nobody from the others, nor from the page.
    shutil.rmtree(site.work / "data" / "processed")
    shutil.rmtree(site.work / "data" / "live_data")
    rest = site.verb("page")
    assert rest.returncode == 0, rest.stderr
    assert "no picture of run 000932" in rest.stderr
    assert picture.stat().st_mtime_ns == drawn
