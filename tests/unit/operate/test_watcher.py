import pytest

from xamsflow.operate.watcher import in_turn


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
