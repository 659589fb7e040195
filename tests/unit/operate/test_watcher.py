from pathlib import Path

import pytest

from xamsflow.operate.watcher import (
    CAMPAIGN_DRIVERS,
    DriverProcess,
    Watcher,
    WatchOptions,
    in_turn,
)
from xamsflow.settings import config


@pytest.mark.parametrize(
    ("room", "taken", "oldest_every", "expected"),
    [
        (3, 0, None, [7, 6, 5]),
        (9, 0, None, [7, 6, 5, 3, 1]),
        (0, 0, 2, []),
        (9, 0, 2, [7, 1, 6, 3, 5]),
        (2, 1, 2, [1, 7]),
        (1, 2, 3, [1]),
        (9, 0, 1, [1, 3, 5, 6, 7]),
    ],
)
def test_the_newest_first_but_now_and_then_the_oldest(room, taken, oldest_every, expected):
    assert in_turn([5, 7, 1, 6, 3], room, taken, oldest_every) == expected


def test_a_backlog_is_worked_off_however_many_new_runs_come():
    waiting, newest = list(range(100)), 100
    backlog, taken = set(waiting), 0
    while backlog & set(waiting):
        waiting += [newest, newest + 1]  # two come for each one that is taken
        newest += 2
        (one,) = in_turn(waiting, 1, taken, 4)
        waiting.remove(one)
        taken += 1
        assert taken <= 4 * 100


@pytest.mark.parametrize(
    ("max_jobs", "in_work", "expected"),
    [(1, [], 1), (2, [], 1), (2, [(True, 1)], 0), (100, [], 80), (100, [(True, 79)], 1),
     (100, [(False, 95)], 5), (100, [(True, 1)] * CAMPAIGN_DRIVERS, 0)],
)  # fmt: skip
def test_campaigns_leave_room_for_new_runs(max_jobs, in_work, expected):
    options = WatchOptions(Path(), configfiles=[], max_jobs=max_jobs, once=True)
    watcher = Watcher(config.of_site({}), options, say=lambda _line: None)
    for campaign, count in in_work:
        runs = tuple(range(count))
        watcher._drivers.append(DriverProcess(None, runs, Path(), 0.0, campaign=campaign))
    assert watcher._room_for_campaigns() == expected


def test_an_error_of_what_follows_a_round_is_reported_once_and_ends_nothing(tmp_path):
    errors = iter([OSError(30, "read-only", "results"), OSError(30, "read-only", "results"),
                   KeyError("x"), None, KeyError("x")])  # fmt: skip

    def hook(_database, _changed):
        error = next(errors)
        if error is not None:
            raise error

    said = []
    watcher = Watcher(config.load(), WatchOptions(tmp_path, [], 1, False), said.append, hook)
    for _ in range(5):
        watcher._call_after_round(None, changed=False)
    assert [line.partition(" (")[0] for line in said] == [
        "cannot use results",
        "unexpected KeyError: 'x': please report this",
        "unexpected KeyError: 'x': please report this",
    ]
