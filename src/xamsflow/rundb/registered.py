"""Which tool registered data in a run document.

Several tools write entries to `data`. They are told apart by the fields that only one of them
writes, because the same user, host, data type and even folder may occur in entries of all of them.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from xamsflow.rundb.run_document import LIVE, text

PROTOCOL = "FileSytemBackend"
"""strax's name for the class that reads the data, in strax's spelling."""


class Tool(StrEnum):
    """A tool that writes entries; UNKNOWN stands for all that are in no other form."""

    DAQ = "DAQ"
    XAMSFLOW = "xamsflow"
    AMSTRAX = "amstrax"
    STRAX = "strax"
    UNKNOWN = "unknown"


def tool(entry: Mapping[str, Any]) -> Tool:
    """Return the tool that wrote an entry of a run document's `data`."""
    signed = text(entry.get("by")) is not None
    if entry.get("type") == LIVE:
        if signed:
            return Tool.XAMSFLOW if "size_mb" in entry else Tool.AMSTRAX
        # amstrax 1.x changed host and location of the DAQ's entry when it copied a run.
        return Tool.DAQ if "daq" in str(entry.get("host")) else Tool.AMSTRAX
    if entry.get("protocol") == PROTOCOL:
        if signed and text(entry.get("lineage_hash")) is not None:
            return Tool.XAMSFLOW
        return Tool.STRAX if "lineage_hash" not in entry else Tool.UNKNOWN
    if "protocol" not in entry and {"lineage_hash", "user"} <= entry.keys():
        return Tool.AMSTRAX
    return Tool.UNKNOWN


def is_ours(entry: Mapping[str, Any], host: str) -> bool:
    """Return whether this project wrote an entry, for the cluster `host`."""
    named = entry.get("host") == host and text(entry.get("location")) is not None
    return named and tool(entry) is Tool.XAMSFLOW
