from pathlib import Path

import pytest

from xamsflow.batch import queues
from xamsflow.batch.request import Request
from xamsflow.state.layout import REPOSITORY

STBC = REPOSITORY / "profiles" / "stbc" / "queues.toml"


def request(minutes: int | None, cores: int = 1) -> Request:
    return Request("x", [], cores, None, minutes)


@pytest.mark.parametrize(
    ("minutes", "names"),
    [
        (1, ["express", "short", "generic", "long"]),
        (10, ["express", "short", "generic", "long"]),
        (11, ["short", "generic", "long"]),
        (240, ["short", "generic", "long"]),
        (241, ["generic", "long"]),
        (1440, ["generic", "long"]),
        (5760, ["long"]),
        (9999, ["long"]),
        (None, ["long"]),
    ],
)
def test_stoomboot_s_queues_by_time(minutes: int | None, names: list[str]) -> None:
    found = queues.candidates(queues.read(STBC).queues, request(minutes))
    assert [queue and queue.name for queue in found] == names


def test_several_cores_go_to_the_queue_for_them_where_there_is_one() -> None:
    found = queues.candidates(queues.read(STBC).queues, request(30, cores=4))
    assert [queue and queue.name for queue in found] == ["multicore", "short", "generic", "long"]


def test_a_site_without_queues_has_its_default() -> None:
    assert queues.candidates([], request(30)) == [None]


def test_no_more_time_is_asked_for_than_there_is() -> None:
    (queue,) = queues.candidates(queues.read(STBC).queues, request(9999))
    assert queues.within(request(9999), queue).runtime_min == 5760
    assert queues.within(request(10), queue).runtime_min == 10


@pytest.mark.parametrize("profile", ["stbc", "slurm", "htcondor"])
def test_the_tables_are_whole(profile: str) -> None:
    queues.read(REPOSITORY / "profiles" / profile / "queues.toml")


def test_a_wrong_table_is_told_by_name(tmp_path: Path) -> None:
    table = tmp_path / "queues.toml"
    table.write_text('[[queues]]\nname = "a"\nhours = 3\n')
    with pytest.raises(ValueError, match=r"queues\.toml.*hours.*name, minutes, least_cores"):
        queues.read(table)
