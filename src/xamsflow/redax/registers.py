"""Registers of the digitizers, as the run document lists them, as far as data depend on them."""

import re
from collections.abc import Iterable
from typing import Any

PRE_TRIGGER = re.compile("(80|1[0-9A-F])38", flags=re.ASCII | re.IGNORECASE)
"""8038 is for all inputs of a board, 1n38 for its input n."""

SAMPLES_PER_COUNT = 4
"""Samples before the trigger per count of that register: 0xC are 48 samples in XAMSL run 2240."""

ALL_INPUTS = "80"


def pre_triggers(registers: Any, boards: Iterable[int]) -> dict[int, int]:
    """Return by board how many samples it records before the trigger, for the input with the least.

    `registers` is ``daq_config.registers``. It serves as a check only, so what is odd is left out.
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
        # Any other board than those of the run stands for all of them, as -1 or a detector's name.
        named = str(entry.get("board"))
        meant = [board for board in found if str(board) == named] or list(found)
        for board in meant:
            if register[1] == ALL_INPUTS:
                found[board].clear()
            found[board][register[1].upper()] = samples
    return {board: min(inputs.values()) for board, inputs in found.items() if inputs}
