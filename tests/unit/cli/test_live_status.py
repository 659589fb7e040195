"""What ``xamsflow status --watch`` knows of runs, which two threads share."""

from xamsflow.base import clock
from xamsflow.cli.live_status import Look, State
from xamsflow.views.run_table import Tally


def test_a_look_does_not_disturb_a_redraw_in_another_thread() -> None:
    def look(*runs: int, digest: int) -> Look:
        tally = Tally("xams", lambda _: True)
        return Look(clock.now(), tally, (), dict.fromkeys(runs, digest))

    state = State()
    state.found(look(1, digest=1))
    state.found(look(1, digest=2))
    redrawn = iter(state.changed.items())
    state.found(look(1, 2, digest=3))
    assert [run for run, _ in redrawn] == [1]
    assert state.marked() == {1, 2}
