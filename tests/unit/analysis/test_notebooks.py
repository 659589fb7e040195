"""The notebooks run as they are, in a Jupyter kernel, on the runs of these tests."""

import nbformat
import pytest
from nbclient import NotebookClient

from xamsflow.state import layout

NOTEBOOKS = sorted((layout.REPOSITORY / "docs" / "notebooks").glob("*.ipynb"))
DEMO_TO_HERE = {"2241-2243": "6800, 7200", "2241": "6800"}


def code(notebook):
    cells = nbformat.read(notebook, as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code"]


def pictures(cell):
    return sum("image/png" in output.get("data", {}) for output in cell.outputs)


def test_there_are_three():
    assert len(NOTEBOOKS) == 3


def test_they_run(place, tmp_path, monkeypatch):
    """In one kernel, because a kernel takes seconds to import strax."""
    folder = tmp_path / "docs" / "notebooks"
    folder.mkdir(parents=True)
    (tmp_path / "demo").symlink_to(place)
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    cells = []
    for notebook in NOTEBOOKS:
        cells.append(nbformat.v4.new_code_cell("%reset -f"))
        for cell in code(notebook):
            source = cell.source
            for demo, here in DEMO_TO_HERE.items():
                source = source.replace(demo, here)
            cells.append(nbformat.v4.new_code_cell(source))
    together = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(together, resources={"metadata": {"path": str(folder)}}).execute()
    for cell in together.cells:
        assert pictures(cell) == ("plt.show()" in cell.source), cell.source


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_was_executed_without_errors(notebook):
    for cell in code(notebook):
        assert cell.execution_count
        assert not [output for output in cell.outputs if output.output_type == "error"]
        assert pictures(cell) == ("plt.show()" in cell.source), cell.source
