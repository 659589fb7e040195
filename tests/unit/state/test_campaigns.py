import json

import pytest

from xamsflow.base.errors import BadDataError, ConfigurationError
from xamsflow.state import campaigns, layout
from xamsflow.state.campaigns import Phase


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_campaign_is_kept_as_it_is():
    made = campaigns.new("gains", (933, 931, 932, 940), ("peaks",), "ann", "new gains")
    assert campaigns.names() == []
    assert not campaigns.exists("gains")
    campaigns.write(made)
    assert campaigns.read("gains") == made
    assert campaigns.names() == ["gains"]
    assert json.loads(layout.campaign_file("gains").read_text())["runs"] == ["931-933", "940"]
    started = made.after(Phase.RUNNING, "start", "bob")
    assert (made.is_open, started.is_open) == (False, True)
    assert started.after(Phase.PAUSED, "pause", "bob").began == started.began
    assert [entry["by"] for entry in started.history] == ["ann", "bob"]


@pytest.mark.parametrize(
    "name", ["", ".x", "../x", "a b", "é", "x" * 65, "-x", "932", "932-940", "1200-"]
)
def test_a_name_stays_in_the_folder(name):
    with pytest.raises(ConfigurationError, match="cannot be the name of a campaign"):
        campaigns.read(name)


def test_an_unknown_name_is_told_with_those_that_exist():
    with pytest.raises(ConfigurationError, match="create one with xamsflow campaign new"):
        campaigns.read("gains")
    campaigns.write(campaigns.new("gains", (1,), (), "ann", ""))
    with pytest.raises(ConfigurationError, match="did you mean gains"):
        campaigns.read("gain")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", 9), ("name", "other"), ("runs", ["x"]), ("runs", 5), ("phase", "over"),
        ("history", [1]), ("history", [{"time": "2026-11-28T12:00:00+00:00"}]), ("targets", None),
        ("history", [{"time": "noon", "by": "ann", "action": "start"}]),
    ],
)  # fmt: skip
def test_a_damaged_file_is_one_line(key, value):
    campaigns.write(campaigns.new("gains", (1,), (), "ann", ""))
    path = layout.campaign_file("gains")
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(BadDataError, match=r"campaign gains is damaged: campaigns/gains\.json"):
        campaigns.read("gains")
    path.write_text("{")
    with pytest.raises(BadDataError, match="restore the file from a backup"):
        campaigns.read("gains")


def test_the_last_switch_is_that_of_the_analysts():
    campaign = campaigns.new("gains", (1,), (), "ann", "")
    assert campaign.switch is None
    for action in ("start", "accept", "back", "end"):
        campaign = campaign.after(campaigns.Phase.ENDED, action, "ann", "too wide")
    assert campaign.switch["action"] == "back"


def test_of_two_people_who_create_it_one_is_told():
    mine, theirs = (campaigns.new("gains", (run,), (), "ann", "") for run in (1, 2))
    campaigns.check_free("gains")
    campaigns.create(theirs)
    with pytest.raises(ConfigurationError, match="already exists: choose another name"):
        campaigns.create(mine)
    assert campaigns.read("gains") == theirs


def test_two_people_do_not_change_it_at_the_same_time():
    campaigns.write(campaigns.new("gains", (1,), (), "ann", ""))
    with (
        campaigns.changing("gains"),
        pytest.raises(ConfigurationError, match="somebody else is changing"),
        campaigns.changing("gains"),
    ):
        pass
