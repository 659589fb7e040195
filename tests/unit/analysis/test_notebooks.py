"""The notebooks run as they are: their cells one after the other, on the runs of these tests."""

import json
import shutil

import matplotlib.pyplot as plt
import pytest

from xamsflow.state import layout

NOTEBOOKS = sorted((layout.REPOSITORY / "docs" / "notebooks").glob("*.ipynb"))
DEMO_TO_HERE = {"2241-2243": "6800, 7200", "2241": "6800"}


def test_there_are_three():
    assert len(NOTEBOOKS) == 3


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook(notebook, place, tmp_path, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: None)
    folder = tmp_path / "docs" / "notebooks"
    folder.mkdir(parents=True)
    (tmp_path / "demo").symlink_to(place)
    shutil.copy(notebook, folder)
    monkeypatch.chdir(folder)
    cells = json.loads(notebook.read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    names = {}
    for cell in code:
        for demo, here in DEMO_TO_HERE.items():
            cell = cell.replace(demo, here)  # noqa: PLW2901
        exec(cell, names)
        figures = [plt.figure(number) for number in plt.get_fignums()]
        assert all(figure.axes[0].has_data() for figure in figures)
        assert bool(figures) == ("plt.show()" in cell)
        plt.close("all")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_was_executed_without_errors(notebook):
    cells = json.loads(notebook.read_text())["cells"]
    outputs = [
        output for cell in cells if cell["cell_type"] == "code" for output in cell["outputs"]
    ]
    assert not [one for one in outputs if one["output_type"] == "error"]
    pictures = [one for one in outputs if "image/png" in one.get("data", {})]
    assert len(pictures) == sum("plt.show()" in "".join(cell["source"]) for cell in cells)
