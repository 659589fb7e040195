"""The scripts in docs/examples, run as they stand on data that were really processed."""

import re
import subprocess
import sys

import matplotlib.image
import pytest

from xamsflow.data.processing import process_run
from xamsflow.settings import detector as detectors
from xamsflow.simulate import Physics, SimulatedRun, simulate
from xamsflow.state import layout

pytestmark = pytest.mark.xdist_group("examples")  # its tests share costly fixtures

DOCS = layout.REPOSITORY / "docs"
PAGE = DOCS / "how-to" / "open-the-data.md"
EXAMPLE = DOCS / "examples" / "plot_run.py"


@pytest.fixture(scope="module")
def processed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processed")
    xamsl = detectors.load("xamsl")
    physics = Physics.of(xamsl, 2241, event_rate=20.0)
    run = SimulatedRun(number=2241, detector=xamsl, duration=3.0, physics=physics)
    document = simulate(run, folder / "live_data")
    receipt = process_run(
        document=document,
        detector=xamsl,
        live_data=folder / "live_data",
        processed=folder / "processed",
        data_type="event_basics",
    )
    return folder / "processed", receipt


def test_the_plot_of_a_run(processed, tmp_path):
    folder, receipt = processed
    picture = tmp_path / "run.png"
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), str(folder), "002241", str(picture)],
        cwd=layout.REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    n_events, n_peaks = receipt["n_items"], receipt["stored"]["peaks"]["n_items"]
    assert n_events > 20
    assert f"{n_peaks} peaks and {n_events} events" in done.stdout
    pixels = matplotlib.image.imread(picture)[..., :3]
    assert pixels.shape == (440, 1400, 3)
    assert 0.02 < (pixels < 0.9).any(axis=2).mean() < 0.5  # something is drawn


def test_the_page_for_physicists_shows_what_the_script_does():
    script = EXAMPLE.read_text()
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        assert block in script
