import re

import pytest
import yaml

from xamsflow.base.errors import ConfigurationError
from xamsflow.state import layout


@pytest.mark.parametrize("number", [0, 932, 999_999])
def test_number_and_name(number):
    assert layout.run_number(layout.run_id(number)) == number


@pytest.mark.parametrize("number", [-1, 1_000_000])
def test_numbers_without_a_valid_name(number):
    with pytest.raises(ConfigurationError):
        layout.run_id(number)


def test_the_schemas_allow_the_same():
    """A schema cannot ask the package."""
    text = "".join(path.read_text() for path in layout.SCHEMAS.rglob("*.yaml"))
    assert set(re.findall(r"_run: .*maximum: (\d+)", text)) == {str(layout.HIGHEST_RUN)}
    assert set(re.findall(r'run_id: .*pattern: "\^(.*)\$"', text)) == {layout.RUN_ID_PATTERN}
    config = yaml.safe_load((layout.SCHEMAS / "config.schema.yaml").read_text())
    targets = config["$defs"]["targets"]["items"]["pattern"]
    assert targets == f"^{layout.DATA_TYPE_PATTERN}$"


@pytest.mark.parametrize("run", ["932", "0000932", "00093a", "000932\n", "٠٠٠٩٣٢", "../../x"])
def test_names_that_are_not_runs(run):
    with pytest.raises(ConfigurationError):
        layout.run_number(run)


@pytest.mark.parametrize(
    ("name", "is_data_type"),
    [
        ("raw_records_v1730", True),
        ("transferred", True),
        ("transfer", False),
        ("rundoc", False),
        ("claim", False),
        ("../x", False),
    ],
)
def test_receipts_of_data_types_are_distinguished_from_others(name, is_data_type):
    pattern = layout.DATA_TYPE_PATTERN + r"\.json"
    assert bool(re.fullmatch(pattern, f"{name}.json")) is is_data_type
