import json
import math
from pathlib import Path

import pytest

from xamsflow.operate import forecast
from xamsflow.operate.forecast import Cost, Forecast, Sample, learn
from xamsflow.rundb import registered
from xamsflow.state import layout

OURS = {
    "host": "stbc", "location": "/data/x", "protocol": registered.PROTOCOL,
    "lineage_hash": "abc", "by": "anna",
}  # fmt: skip
NOT_OURS = ({"host": "elsewhere"}, {"by": None}, {"size_mb": math.nan})


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def processed(number, live, cpu_s, made, **changes):
    """Leave the receipts and the use of a run that was processed."""
    run = layout.run_id(number)
    stored = {"raw_records_v1730": {"bytes": live}, "events": {"bytes": live // 10}}
    receipts = {
        layout.transfer_receipt(run): {"bytes": live},
        layout.data_type_receipt(run, "events"): {"stored": stored, "made": made} | changes,
    }
    for path, content in receipts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    for place, use in (
        (layout.PROCESS_BENCHMARK.format(run_id=run, data_type="events"), cpu_s),
        (layout.PUBLISH_BENCHMARK.format(run_id=run), 1.0),
    ):
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        Path(place).write_text(f"s\tmax_rss\tcpu_time\n{2 * use}\tNA\t{use}\n")


def cost(live, to_make, experience, **sizes):
    data = [{"type": "live", "size_mb": live / 1e6}]
    data += [OURS | {"type": name, "size_mb": size / 1e6} for name, size in sizes.items()]
    # The same data types of another tool, and of another cluster, say nothing.
    data += [{**one, "size_mb": 1e6, **no} for one in data[1:] for no in NOT_OURS]
    return forecast.cost({"number": 1, "data": data}, to_make, experience, "stbc")


def test_the_cost_of_a_run_is_a_line_through_those_before():
    for number, live in enumerate((1_000_000, 3_000_000, 8_000_000)):
        processed(number, live, 2.0 + live * 1e-6, ["events"])
    found = cost(20_000_000, ("events",), learn(), raw_records_v1730=20_000_000)
    assert found.cpu_s == pytest.approx(23.0)
    assert found.wall_s == pytest.approx(46.0)
    assert found.written == pytest.approx(2_000_000)
    assert found.read == 20_000_000


def test_data_of_an_earlier_lineage_say_how_large_the_new_ones_are():
    processed(1, 1_000_000, 3.0, ["events"])
    assert cost(1_000_000, ("events",), learn(), events=77_000).written == pytest.approx(77_000)


def test_runs_of_one_size_tell_the_cost_of_that_size_and_of_much_longer_runs():
    for number in range(3):
        processed(number, 1_000_000 + number, 3.0, ["events"])
    assert cost(1_200_000, ("events",), learn()).cpu_s == pytest.approx(4.0)
    assert cost(10_000_000, ("events",), learn()).cpu_s == pytest.approx(40.0, rel=1e-3)


def test_a_few_runs_that_took_much_longer_do_not_count():
    for number in range(9):
        live = 1_000_000 * (1 + number)
        processed(number, live, 2.0 + live * 1e-6 + (60.0 if number in (2, 5) else 0.0), ["events"])
    assert cost(5_000_000, ("events",), learn()).cpu_s == pytest.approx(8.0, rel=0.2)


def test_what_was_made_counts_not_what_was_there():
    processed(1, 1_000_000, 3.0, ["events"])
    processed(2, 1_000_000, 9.0, ["raw_records_v1730", "events"])
    processed(3, 1_000_000, 0.1, [])
    learned = learn()
    assert learned.n_runs_like([("events",), ("peaks",)]) == 1
    assert cost(1_000_000, ("events",), learned).cpu_s == pytest.approx(4.0)
    everything = ("raw_records_v1730", "events")
    assert cost(1_000_000, everything, learned).cpu_s == pytest.approx(10.0)
    assert cost(1_000_000, ("peaks",), learned).cpu_s is None


def test_receipts_of_earlier_versions_and_damaged_files_are_no_trouble():
    processed(1, 1_000_000, 9.0, None, already_stored=False)
    processed(2, 1_000_000, 9.0, ["events"])
    layout.transfer_receipt("000002").write_text("{")
    processed(3, 1_000_000, 9.0, ["events"])
    Path(layout.PUBLISH_BENCHMARK.format(run_id="000003")).write_text("")
    learned = learn()
    assert learned.of(["raw_records_v1730"]) == [Sample(1_000_000, 1_100_000, 10.0, 20.0)]


@pytest.mark.parametrize(
    ("made", "stored"),
    [(["events"], stored) for stored in (None, [], {}, {"events": None}, {"events": {}},
                                         {"events": {"bytes": "5"}}, {"events": {"bytes": None}})]
    + [(made, {}) for made in (5, True, [None], [["events"]], {"events": 1})],
)  # fmt: skip
def test_an_odd_receipt_teaches_nothing(made, stored):
    processed(1, 1_000_000, 9.0, made, stored=stored)
    processed(2, 1_000_000, 9.0, ["events"])
    assert learn().n_runs_like([("events",)]) == 1


def test_a_forecast_adds_up_what_is_known():
    known = Cost(1, ("events",), 100.0, 10.0, 3600.0, 7200.0)
    unknown = Cost(2, ("events",), None, None, None, None)
    found = Forecast((known, unknown, known), (), jobs=2, overhead_s=13.0, free=5, learned_from=1)
    assert (found.unknown, found.read, found.written) == (1, 200.0, 20.0)
    assert (found.cpu_s, found.wall_s) == (7200.0, 7213.0)
    assert found.by_data_type == {"events": 3}
