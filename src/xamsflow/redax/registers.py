"""The digitizers' registers that affect the data, as listed in the run document."""

import re
from collections.abc import Iterable
from typing import Any

PRE_TRIGGER = re.compile("(80|1[0-9A-F])38", flags=re.ASCII | re.IGNORECASE)
"""Register 8038 applies to all inputs of a board, 1n38 to input n."""

SAMPLES_PER_COUNT = 4
"""Samples before the trigger per count of that register: 0xC means 48 in XAMSL run 2240."""

ALL_INPUTS = "80"


def pre_triggers(registers: Any, boards: Iterable[int]) -> dict[int, int]:
    """Return, by board, the number of samples before the trigger, for the input with the fewest.

    `registers` is ``daq_config.registers``. As the result is used only for a check, invalid entries
    are ignored.
    """
    found: dict[int, dict[str, int]] = {board: {} for board in boards}
    for entry in registers if isinstance(registers, list) else ():
        if not isinstance(entry, dict):
            continue
        register = PRE_TRIGGER.fullmatch(str(entry.get("reg")))
        try:
            samples = int(str(entry.get("val")), 16) * SAMPLES_PER_COUNT
        except ValueError:
            continue
        if register is None:
            continue
        # Any board other than the run's, such as -1 or a detector's name, stands for all of them.
        named = str(entry.get("board"))
        meant = [board for board in found if str(board) == named] or list(found)
        for board in meant:
            if register[1] == ALL_INPUTS:
                found[board].clear()
            found[board][register[1].upper()] = samples
    return {board: min(inputs.values()) for board, inputs in found.items() if inputs}
