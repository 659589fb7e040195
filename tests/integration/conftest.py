"""The order of what takes long."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", "waits: waits for what a fixture has started")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put a test marked as waiting behind the others of its module: what it waits for goes on."""
    waiting = [item for item in items if item.get_closest_marker("waits")]
    for item in waiting:
        items.remove(item)
        same = [place for place, other in enumerate(items) if other.path == item.path]
        items.insert(same[-1] + 1 if same else len(items), item)
