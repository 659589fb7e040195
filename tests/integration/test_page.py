"""The page, in a real browser, made of a real run database or of receipts."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from servers.browser import Browser, running_browser
from site_for_tests import Site
from xamsflow.redax import rundoc
from xamsflow.state import layout, receipts
from xamsflow.views import page, run_files
from xamsflow.views.page import facts

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
    picture = site.work / "results" / "000107" / "overview.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"not looked at")
    return site


def made(site: Site) -> Path:
    done = site.xamsflow("page", "--pictures", "0")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(site.work / "results" / "index.html")
    return site.work / "results" / "index.html"


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_it_can_be_read_on_any_screen_and_asks_nobody(busy, browser, size, dark):
    path = made(busy)
    seen = browser.look(path, **size, dark=dark)
    assert seen.width <= seen.screen == size["width"]
    assert seen.requests == [path.as_uri()]
    assert seen.problems == []
    assert seen.dark == dark
    # Kept by pytest, for people to look at.
    (busy.folder / "screenshot.png").write_bytes(seen.screenshot)
    assert len(seen.screenshot) > 10_000
    for words in (
        "watch on login<b> has died, last look ",
        "(3 h ago)",
        "2\nwaiting",
        "2\nin progress",
        "2\nfailed",
        "1 will be retried automatically",
        "2\ndone since yesterday",
        "chunk 12 of 96, 110.0 MB/s, 1.6 min left",
        "process (attempt 2)",
        "wn-lot-001",
        "host away",
        "2033-05-06 07:08",
        "on request: xamsflow retry 104",
        "/a/b.log",
        "degraded",
        " ago)",
    ):
        assert words in seen.text, words
    assert LONG[:300] in seen.text
    assert "x" * 501 not in seen.text
    assert "\u202e" not in seen.text
    # What means harm is only text.
    assert HOSTILE in seen.text
    assert "{{ 7*7 }}" in seen.text


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
    assert names.count("script") == 1
    assert not {"img", "iframe", "object", "form"} & set(names)
    assert not [attrs for _, attrs in elements if any(key.startswith("on") for key in attrs)]
    links = [str(attrs["href"]) for name, attrs in elements if name == "a"]
    assert links == ["000107/overview.png"]
    assert (busy.work / "results" / links[0]).is_file()


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
    assert "this page is made from the receipts here" in seen.text
    assert "127.0.0.1:1 does not answer" in seen.text
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
    assert [file.name for file in path.parent.iterdir()] == ["index.html"]


def test_pictures_are_drawn_of_the_newest_runs_that_lack_them(site):
    for number in (932, 933):
        site.add_run(number)
    assert site.snakemake("results/index.html", "results/trends.html").returncode == 0
    assert (site.work / layout.TRENDS).is_file()
    assert site.status(932) == "pending"  # a page asks for no processing
    assert site.snakemake().returncode == 0

    first = site.verb("page", "--pictures", "1")
    assert "000933" in (site.work / layout.PAGE).read_text()
    assert "pictures drawn: 1, last:" in first.stdout
    picture = site.work / "results" / "000933" / "overview.png"
    assert picture.is_file()
    drawn = picture.stat().st_mtime_ns
    # One that cannot be drawn keeps nobody from the others, nor from the page.
    shutil.rmtree(site.work / "data" / "processed")
    shutil.rmtree(site.work / "data" / "live_data")
    rest = site.verb("page")
    assert rest.returncode == 0, rest.stderr
    assert "no picture of run 000932" in rest.stderr
    assert picture.stat().st_mtime_ns == drawn
