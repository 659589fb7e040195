import copy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from xamsflow.base.errors import ConfigurationError
from xamsflow.settings import config, data_types, detector
from xamsflow.state import layout

DEFAULTS = yaml.safe_load(layout.DEFAULT_CONFIG.read_text())

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_the_defaults_are_valid():
    assert config.load().detector == "xamsl"


def test_a_file_overrides_single_keys(tmp_path):
    loaded = config.load([write(tmp_path / "mine.yaml", "daq: {host: xams, user: shifter}")])
    assert loaded.daq.ssh == config.SshHost("xams", port=22, user="shifter")
    assert loaded.storage == config.load().storage


def test_sources(tmp_path):
    text = """
    sources:
    - {name: dcache, live_data: /dcache/xams}
    - daq
    - {name: archive, host: login, user: shifter}
    """
    loaded = config.load([write(tmp_path / "mine.yaml", text)])
    dcache, daq, archive = loaded.sources
    assert dcache == config.Source("dcache", None, Path("/dcache/xams"))
    assert daq is loaded.daq
    assert archive == config.Source("archive", config.SshHost("login", user="shifter"), None)
    assert daq.copies_on == ("stbc", "dcache", "archive")
    assert daq.copies_in == loaded.storage.live_data
    assert config.load().sources == (config.load().daq,)


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ("[]", "not empty"),
        ("[{name: dcache}]", "sources has no daq"),
        ("[daq, {name: dcache}, {name: dcache}]", "sources has dcache twice"),
        ("[daq, dcache]", 'sources.1 is "dcache", allowed: one of "daq"'),
        ("[daq, {live_data: /dcache}]", "missing key sources.1.name"),
        ("[daq, {name: daq}]", "other than daq"),
        ("[daq, {name: dcache, folder: /dcache}]", "unknown key sources.1.folder"),
    ],
)
def test_wrong_sources(tmp_path, sources, expected):
    path = write(tmp_path / "mine.yaml", f"sources: {sources}")
    with pytest.raises(ConfigurationError) as caught:
        config.load([path])
    assert expected in str(caught.value)
    assert str(path) in str(caught.value)


def test_targets_by_mode(tmp_path):
    text = """
    targets: [event_info]
    targets_by_mode:
    - {modes: ["*led*", "*LED*"], targets: [led_calibration]}
    - {modes: ["xams_led_nai", "*nai*"], targets: [peak_basics, peak_basics_external]}
    """
    loaded = config.load([write(tmp_path / "mine.yaml", text)])
    assert loaded.targets_for("ledcalibration") == ("led_calibration",)
    assert loaded.targets_for("xams_led_nai") == ("led_calibration",)
    assert loaded.targets_for("bg_nai") == ("peak_basics", "peak_basics_external")
    assert loaded.targets_for("background") == loaded.targets_for(None) == ("event_info",)
    assert config.load().targets_for("bg") == config.load().targets


def test_targets_by_mode_that_a_detector_lacks():
    loaded = config.load()
    here = config.of_detector(loaded, {"event_basics", "led_calibration"})
    assert here.targets_for("bg_nai") == ("event_basics",)
    assert here.targets_for("ledcalibration") == ("led_calibration",)
    nothing_left = config.of_detector(loaded, {"event_basics"})
    assert nothing_left.targets_for("ledcalibration") == ("event_basics",)
    with pytest.raises(ConfigurationError, match="targets has 'event_basics', allowed for xamsl"):
        config.of_detector(loaded, {"led_calibration"})


def test_targets_by_mode_that_no_detector_has(tmp_path):
    text = "targets_by_mode: [{modes: ['*'], targets: [peak_basic]}]"
    loaded = config.load([write(tmp_path / "mine.yaml", text)])
    with pytest.raises(ConfigurationError, match="'peak_basic', which no detector has"):
        config.of_detector(loaded, {"event_basics"})
    foreign = replace(loaded, context="my.context")
    assert config.of_detector(foreign, {"event_basics"}) is foreign


@pytest.mark.parametrize("name", ["xams", "xams_2021", "xamsl"])
def test_each_included_detector_has_the_default_targets(name):
    has = data_types.of(detector.load(name))
    here = config.of_detector(config.load(), has)
    for mode in ("background", "bg_nai", "ledcalibration"):
        assert set(here.targets_for(mode)) <= set(has)
    assert ("peak_basics_external" in here.targets_for("bg_nai")) == (name == "xams")


def test_later_files_override_earlier_ones(tmp_path):
    first = write(tmp_path / "first.yaml", "detector: xams\nselect: {newest: 3}")
    second = write(tmp_path / "second.yaml", "select: {newest: 5}")
    loaded = config.load([first, second])
    assert (loaded.detector, loaded.select.newest) == ("xams", 5)


@pytest.mark.parametrize(
    ("text", "found", "allowed"),
    [
        ("detectr: xams", "unknown key detectr", "detector"),
        ("daq: {hots: xams}", "unknown key daq.hots", "host"),
        ("rundb: {tunnel: {host: h, prot: 1}}", "unknown key rundb.tunnel.prot", "port"),
        ("rundb: {tunnel: {port: 22}}", "missing key rundb.tunnel.host", ""),
        ("daq: {port: 0}", "daq.port is 0", "1 or more"),
        ("daq: {port: '22'}", 'daq.port is "22"', "a whole number"),
        ("daq: {host: '-oProxyCommand=x'}", "daq.host is", "host name"),
        ("targets: []", "targets is []", "not empty"),
        ("targets: raw_records_v1730", 'targets is "raw_records_v1730"', "a list"),
        ("targets: [transfer]", 'targets.0 is "transfer"', "text that matches"),
        ("context: strax", 'context is "strax"', "dotted name"),
        ("targets_by_mode: [{modes: [led]}]", "missing key targets_by_mode.0.targets", ""),
        ("targets_by_mode: [{modes: [], targets: [a]}]", "targets_by_mode.0.modes", "not empty"),
        ("targets_by_mode: [{modes: [a], targets: [B]}]", 'targets.0 is "B"', "text that matches"),
        ("select: {newest: 0}", "select.newest is 0", "1 or more"),
        ("select: {first_run: 9, last_run: 3}", "select.first_run is 9", "3"),
        ("storage:", "storage is null", "a section"),
        ("rundb: {uri: http://h}", "rundb.uri is", "mongodb://"),
    ],
)
def test_a_mistake_is_one_line_with_key_found_and_allowed(tmp_path, text, found, allowed):
    with pytest.raises(ConfigurationError) as error:
        config.load([write(tmp_path / "mine.yaml", text)])
    assert found in str(error.value)
    assert allowed in str(error.value)
    assert "\n" not in str(error.value)


def test_a_password_in_the_address_is_refused_and_not_repeated(tmp_path):
    with pytest.raises(ConfigurationError) as error:
        config.load([write(tmp_path / "mine.yaml", "rundb: {uri: 'mongodb://u:secret@h'}")])
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("read_by_snakemake", [False, True])
def test_an_octal_number_is_refused(tmp_path, read_by_snakemake):
    """A run number that begins with zeros would become another run."""
    path = tmp_path / "mine.yaml"
    path.write_text("select: {first_run: 002240}\n")
    with pytest.raises(
        ConfigurationError, match=r"02240 would be .*zeros at line 1, column 2"
    ) as found:
        if read_by_snakemake:
            defaults = yaml.safe_load(layout.DEFAULT_CONFIG.read_text())
            config.parse(defaults | {"select": defaults["select"] | {"first_run": 1184}}, [path])
        else:
            config.load([path])
    assert str(path) in str(found.value)
    path.write_text("select: {first_run: 2240}\n")
    assert config.load([path]).select.first_run == 2240


def test_a_target_after_configfile_is_not_a_file_of_settings():
    """Snakemake's option takes all words that follow it."""
    with pytest.raises(ConfigurationError, match="put targets before --configfile"):
        config.parse({}, [Path("results/000932/rundoc.json")])


@pytest.mark.parametrize("text", ["- a list", "just text", "key: [unclosed"])
def test_a_file_without_settings(tmp_path, text):
    with pytest.raises(ConfigurationError, match=r"mine\.yaml"):
        config.load([write(tmp_path / "mine.yaml", text)])


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigurationError, match=r"none\.yaml"):
        config.load([tmp_path / "none.yaml"])


def keys(settings, path=()):
    for key, value in settings.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from keys(value, (*path, key))


@given(
    key=st.sampled_from(sorted(keys(DEFAULTS))),
    value=SCALARS | st.lists(SCALARS) | st.dictionaries(st.text(), SCALARS),
)
def test_any_value_is_accepted_or_refused_in_one_line(key, value):
    settings = copy.deepcopy(DEFAULTS)
    section = settings
    for part in key[:-1]:
        section = section[part]
    section[key[-1]] = value
    try:
        config.parse(settings)
    except ConfigurationError as error:
        assert "\n" not in str(error)


def test_a_script_gets_the_configuration_of_its_workflow(tmp_path, monkeypatch):
    text = "rundb: {tunnel: {host: h}}\nselect: {modes: ['*a*']}\ntargets: [records]"
    settings = config.load([write(tmp_path / "mine.yaml", text)])
    plain = copy.deepcopy(DEFAULTS)
    plain["targets"] = ["records"]
    plain["select"]["modes"] = ["*a*"]
    plain["rundb"]["tunnel"] = {"host": "h"}
    for name, value in config.to_environment(plain).items():
        monkeypatch.setenv(name, value)
    assert config.from_environment() == settings


def test_a_script_not_started_by_a_workflow_is_refused(tmp_path, monkeypatch):
    for name in config.to_environment({}):
        monkeypatch.delenv(name, raising=False)
    log = tmp_path / "a.log"
    command = [sys.executable, str(layout.SCRIPTS / "transfer.py"), "000932"]
    done = subprocess.run(
        [*command, str(tmp_path / "receipt"), str(log)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "start the script through snakemake" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_a_binary_file_is_refused_in_one_line(tmp_path):
    path = tmp_path / "site.yaml"
    path.write_bytes(b"detector: \xff\n")
    with pytest.raises(ConfigurationError, match="is not valid YAML") as error:
        config.load([path])
    assert len(str(error.value).splitlines()) == 1
