import json

import pymongo
import pytest
import yaml

from xamsflow import rundb
from xamsflow.cli import main
from xamsflow.redax import rundoc
from xamsflow.redax.rundoc import NS_PER_S
from xamsflow.rundb import credentials
from xamsflow.settings import config, detector
from xamsflow.simulate import Signal, load_signals

SHORT = ["--duration", "0.2", "--rate", "50"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def document_of(path):
    return rundoc.from_json(json.loads(path.read_text()))


def test_writes_each_run_and_its_document(tmp_path, capsys):
    assert main(["simulate", "932", "933", "--output", "daq", *SHORT]) == 0
    assert sorted(path.name for path in (tmp_path / "daq").iterdir()) == [
        "000932",
        "000933",
        "rundoc_000932.json",
        "rundoc_000933.json",
    ]
    documents = [document_of(tmp_path / "daq" / f"rundoc_00093{last}.json") for last in (2, 3)]
    first, second = map(rundoc.parse, documents)
    assert rundoc.live_location(documents[0]) == str(tmp_path / "daq")
    assert second.start > first.end
    assert capsys.readouterr().out.count(f"is in {tmp_path / 'daq'}/00093") == 2


def test_options_reach_the_run(tmp_path):
    choices = "--detector xams_2021 --compressor blosc --readers 2 --threads 3 --mode led"
    assert main(["simulate", "932", "--output", "daq", *SHORT, *choices.split()]) == 0
    run = rundoc.parse(document_of(tmp_path / "daq" / "rundoc_000932.json"))
    assert run.compressor == "blosc"
    assert run.mode == "led"
    assert run.readers == {"xams-daq_reader_0": 3, "xams-daq_reader_1": 3}
    assert [board.type for board in run.boards] == ["V1724", "V1730"]


def test_what_redax_does_can_be_chosen(tmp_path, capsys):
    """A quiet run of eight threads, whose options redax reads in its own way."""
    choices = "--detector xamsl --threads unnamed --integers int64 --fragment-payload 300"
    quiet = "--duration 60 --rate 0.2 --silence 20 30 --compressor none --seed 1"
    command = ["simulate", "932", "--output", "daq", *choices.split(), *quiet.split()]
    assert main(command) == 0
    document = document_of(tmp_path / "daq" / "rundoc_000932.json")
    run = rundoc.parse(document)
    assert document["daq_config"]["compressor"] == "none"
    assert (run.compressor, run.record_length) == ("lz4", 110)
    assert run.readers == {"xams-daq_reader_0": 8}
    empty = [path for path in (tmp_path / "daq").glob("*/0*/*") if not path.stat().st_size]
    assert empty
    with pytest.raises(SystemExit):
        main(["simulate", "933", "--output", "daq", "--threads", "many"])
    assert "expected a number or 'unnamed', not 'many'" in capsys.readouterr().err


def test_detector_is_the_configured_one(tmp_path):
    (tmp_path / "my.yaml").write_text("detector: xams\n")
    command = ["simulate", "932", "--output", "daq", "--configfile", "my.yaml"]
    assert main([*command, *SHORT]) == 0
    document = document_of(tmp_path / "daq" / "rundoc_000932.json")
    assert document["detectors"] == [detector.load("xams").name]


@pytest.mark.parametrize(
    "wrong",
    [
        ["--rate", "nan"],
        ["--readers", "9"],
        ["--detector", "nosuch"],
        ["--live", "0"],
        ["--live", "nan"],
        ["--duration", "inf"],
        ["--seed", "-1"],
        ["--physics", "--event-rate", "nan"],
        ["--physics", "--s1-area", "10", "5"],
        ["--s2-area", "100", "200"],
    ],
)
def test_bad_values_are_one_line_and_write_nothing(tmp_path, capsys, wrong):
    assert main(["simulate", "932", *SHORT, "--output", "daq", *wrong]) == 1
    error = capsys.readouterr().err
    assert error.startswith("xamsflow: ")
    assert error.count("\n") == 1
    assert not (tmp_path / "daq").exists()


def test_run_that_a_correction_file_does_not_cover(tmp_path, capsys):
    gains = tmp_path / "config" / "corrections" / "xams_gains_v0.json"
    gains.parent.mkdir(parents=True)
    gains.write_text('{"000001-000009": [1, 1, 1, 1, 1]}')
    command = ["simulate", "932", "--detector", "xams", "--physics", "--output", "daq"]
    assert main([*command, *SHORT]) == 1
    error = capsys.readouterr().err
    assert error.startswith(
        "xamsflow: run 000932: config/corrections/xams_gains_v0.json has no value"
    )
    assert error.count("\n") == 1
    assert not (tmp_path / "daq").exists()


def test_a_range_of_runs(tmp_path):
    assert main(["simulate", "932-933", "940", "--output", "daq", *SHORT]) == 0
    runs = [path.name for path in sorted((tmp_path / "daq").glob("[0-9]*"))]
    assert runs == ["000932", "000933", "000940"]
    assert main(["simulate", "932-", "--output", "other", *SHORT]) == 1
    assert not (tmp_path / "other").exists()


def test_the_output_is_where_the_person_typed_it(tmp_path):
    assert main(["simulate", "932", "--output", "daq", "--directory", "work", *SHORT]) == 0
    assert (tmp_path / "daq" / "000932").is_dir()
    assert not list((tmp_path / "work").iterdir())


def test_insert_without_the_right_to_do_so_writes_nothing(tmp_path, mongod_with_users, capsys):
    server = mongod_with_users
    name = f"reader_{tmp_path.name}"[:60]
    with pymongo.MongoClient(server.uri, username=server.user, password=server.password) as client:
        client.admin.command("createUser", name, pwd="word", roles=["readAnyDatabase"])
    file = tmp_path / "credentials"
    credentials.write(file, credentials.Credentials(name, "word"))
    settings = {"rundb": {"uri": server.uri, "credentials_file": str(file)}}
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(settings))
    command = ["simulate", "932", "--output", "daq", "--insert", "--configfile", "my.yaml"]
    assert main([*command, *SHORT]) == 1
    assert "may not insert into run.runs_new" in capsys.readouterr().err
    assert not (tmp_path / "daq").exists()


def test_run_given_twice_is_refused(tmp_path, capsys):
    assert main(["simulate", "932", "0932", "--output", "daq", *SHORT]) == 1
    assert "given twice" in capsys.readouterr().err
    assert not (tmp_path / "daq").exists()


def test_existing_run_stops_it_before_any_other_is_written(tmp_path, capsys):
    (tmp_path / "daq" / "000933").mkdir(parents=True)
    assert main(["simulate", "932", "933", "--output", "daq", *SHORT]) == 1
    assert "000933 exists" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "daq").iterdir()] == ["000933"]


def test_live_run_ends_as_any_other(tmp_path, capsys):
    command = ["simulate", "932", "--output", "daq", "--live", "1000"]
    assert main([*command, *SHORT]) == 0
    document = document_of(tmp_path / "daq" / "rundoc_000932.json")
    assert rundoc.parse(document).end == rundoc.parse(document).start + NS_PER_S // 5
    assert (tmp_path / "daq" / "000932" / "THE_END").is_dir()
    assert "THE_END" in capsys.readouterr().out


def test_insert_adds_the_document_to_the_run_database(tmp_path, mongod):
    settings = {"rundb": {"uri": mongod.uri, "database": f"test_{tmp_path.name}"[:60]}}
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(settings))
    command = ["simulate", "932", "--output", "daq", "--insert", "--configfile", "my.yaml"]
    assert main([*command, *SHORT]) == 0
    with rundb.open_database(config.load([tmp_path / "my.yaml"]).rundb) as database:
        inserted = database.get(932)
    del inserted["_id"]
    assert inserted == document_of(tmp_path / "daq" / "rundoc_000932.json")


def test_physics_leaves_the_truth_beside_the_run(tmp_path):
    choices = "--detector xams --physics --event-rate 300 --s1-area 50 50 --s2-area 600 800"
    assert main(["simulate", "6800", "--output", "daq", *SHORT, *choices.split()]) == 0
    signals = load_signals(tmp_path / "daq" / "truth_006800.npz")
    s1, s2 = (signals[signals["type"] == kind] for kind in (Signal.S1, Signal.S2))
    assert len(s1) == pytest.approx(60, abs=30)
    assert set(s1["expected_area"]) == {50}
    assert s2["expected_area"].mean() == pytest.approx(600, rel=0.15)
    run = rundoc.parse(document_of(tmp_path / "daq" / "rundoc_006800.json"))
    assert run.end - run.start == NS_PER_S // 5
