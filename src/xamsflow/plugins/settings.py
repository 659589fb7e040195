"""Settings of plugins as strax options: tracked, with the detector's values as defaults."""

from collections.abc import Iterable
from typing import Any

import strax
from immutabledict import immutabledict

Setting = tuple[str, Any, str]
"""Name, default and meaning of an option."""


def suffix(name: str) -> str:
    """Return what the names of a group of signals end with; the TPC's are strax's usual names."""
    return "" if name == "tpc" else f"_{name}"


def options(settings: Iterable[Setting], end: str = "") -> immutabledict[str, strax.Option]:
    """Return tracked options, for a plugin's ``takes_config``.

    Equal names have equal defaults within a context, so `end` keeps groups of signals apart.
    """
    return immutabledict(
        {
            f"{name}{end}": strax.Option(f"{name}{end}", default=value, infer_type=False, help=text)
            for name, value, text in settings
        }
    )


class SignalsPlugin(strax.Plugin):  # type: ignore[misc]
    """A plugin that is made once for each group of signals; `end` closes all its names."""

    end = ""

    def setting(self, name: str) -> Any:
        """Return the value of an option, called by its name without the group's."""
        return self.config[f"{name}{self.end}"]
