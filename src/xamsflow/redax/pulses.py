"""Checks that pulses are complete, channel by channel and across files and chunks."""

from typing import Any

import numpy as np

from xamsflow.base.compiling import compiled
from xamsflow.redax.files import Records
from xamsflow.redax.findings import DEGRADED, Findings
from xamsflow.redax.records import CLOCK_ROLLOVER, SHORT_CLOCK, fields

N_CHANNELS = 2**15

SURE = 30
"""Expected pulses in a silence that make it a fault: e^-30 is the probability of chance."""

# The state of a channel: the open pulse, if any, and a summary of the pulses so far.
OPEN, NEXT_RECORD, NEXT_TIME, PULSE_LENGTH, END, LAST, N_PULSES, FIRST, GAP, GAP_START, WIDTH = (
    range(11)
)

# Kinds of faults. An event is a list of the kind, channel, time and number of missing records.
TAIL, MIDDLE, HEAD, OVERLAPPING = range(4)
N_SHOWN = 64


@compiled
def _follow(order: Any, header: Any, n_samples: int, state: Any, events: Any) -> tuple[int, Any]:
    """Process records in `order`; return the number of events and the sums by kind."""
    time, length, dt, channel, pulse_length, record_i = header
    n_events = 0
    sums = np.zeros((4, 3), np.int64)  # events, missing records, missing ns
    for i in order:
        c, t, width = channel[i], time[i], np.int64(dt[i])
        now = state[c]
        fragment, total = np.int64(record_i[i]), np.int64(pulse_length[i])
        n_fragments = (total + n_samples - 1) // n_samples
        kind = -1
        missing, ns = np.int64(0), np.int64(0)
        if fragment == 0 or not (
            now[OPEN]
            and now[PULSE_LENGTH] == total
            and t - now[NEXT_TIME] == (fragment - now[NEXT_RECORD]) * n_samples * width
            and fragment >= now[NEXT_RECORD]
        ):
            if now[OPEN]:
                left = (now[PULSE_LENGTH] + n_samples - 1) // n_samples - now[NEXT_RECORD]
                sums[TAIL, 0] += 1
                sums[TAIL, 1] += left
                sums[TAIL, 2] += (now[PULSE_LENGTH] - now[NEXT_RECORD] * n_samples) * now[WIDTH]
                if n_events < len(events):
                    events[n_events, 0], events[n_events, 1] = TAIL, c
                    events[n_events, 2], events[n_events, 3] = now[NEXT_TIME], left
                n_events += 1
            if fragment > 0:
                kind, missing, ns = HEAD, fragment, fragment * n_samples * width
            elif t < now[END] and now[N_PULSES] > 0:
                kind = OVERLAPPING
            if now[N_PULSES] == 0:
                now[FIRST] = t
            elif t - now[LAST] > now[GAP]:
                now[GAP], now[GAP_START] = t - now[LAST], now[LAST]
            now[N_PULSES] += 1
            now[LAST] = t
        elif fragment > now[NEXT_RECORD]:
            kind, missing = MIDDLE, fragment - now[NEXT_RECORD]
            ns = missing * n_samples * width
        if kind >= 0:
            sums[kind, 0] += 1
            sums[kind, 1] += missing
            sums[kind, 2] += ns
            if n_events < len(events):
                events[n_events, 0], events[n_events, 1] = kind, c
                events[n_events, 2], events[n_events, 3] = t - ns, missing
            n_events += 1
        now[OPEN] = fragment + 1 < n_fragments
        now[NEXT_RECORD] = fragment + 1
        now[NEXT_TIME] = t + n_samples * width
        now[PULSE_LENGTH] = total
        now[END] = t + length[i] * width
        now[WIDTH] = width
    return n_events, sums


class PulseTracker:
    """Follows the pulses of all channels through a run."""

    def __init__(self, n_samples: int, findings: Findings) -> None:
        self._n_samples = n_samples
        self._findings = findings
        self._state = np.zeros((N_CHANNELS, 11), np.int64)

    @property
    def channels(self) -> list[int]:
        """All channels that have had a pulse."""
        return [int(channel) for channel in np.flatnonzero(self._state[:, N_PULSES])]

    @property
    def n_pulses(self) -> int:
        """The number of pulses so far."""
        return int(self._state[:, N_PULSES].sum())

    @property
    def first(self) -> int:
        """The start of the first pulse, ns."""
        return int(self._state[self.channels, FIRST].min())

    @property
    def end(self) -> int:
        """The end of the last record, ns; 0 if there is none."""
        return int(self._state[:, END].max())

    def ending_after(self, time: int) -> dict[int, int]:
        """Return the channels with records that end after `time`, and their sample widths in ns."""
        return {
            channel: int(self._state[channel, WIDTH])
            for channel in self.channels
            if self._state[channel, END] > time
        }

    def follow(
        self, headers: Records, order: Any, where: str, chunk: int, *, after_empty: bool
    ) -> None:
        """Process the next window, given its record headers; `order` sorts them by time.

        `after_empty`: a main part before this window has no data, so redax may have dropped the
        overlap in between.
        """
        events = np.zeros((N_SHOWN, 4), np.int64)
        n_events, sums = _follow(order, fields(headers), self._n_samples, self._state, events)
        if not n_events:
            return
        events = events[:n_events]
        incomplete = sums[:OVERLAPPING].sum(axis=0)
        if incomplete[0]:
            first = events[events[:, 0] != OVERLAPPING]
            place = (
                f", the first in channel {first[0, 1]} at {first[0, 2]} ns" if len(first) else ""
            )
            dropped = after_empty and not sums[TAIL, 0] and not sums[MIDDLE, 0]
            self._findings.add(
                "T13" if dropped else "incomplete_pulse",
                f"{incomplete[0]} pulses in {where} are incomplete{place}: "
                f"{incomplete[1]} records are missing"
                + (", redax dropped an overlap without main part" if dropped else ""),
                severity=DEGRADED,
                lost_ns=int(incomplete[2]),
                lost_records=int(incomplete[1]),
                chunk=chunk,
            )
        if sums[OVERLAPPING, 0]:
            first = events[events[:, 0] == OVERLAPPING]
            place = (
                f", the first in channel {first[0, 1]} at {first[0, 2]} ns" if len(first) else ""
            )
            self._findings.add(
                "overlapping_pulses",
                f"{sums[OVERLAPPING, 0]} pulses in {where} start before the previous one has ended"
                f"{place}",
                chunk=chunk,
            )

    def finish(self) -> None:
        """Make the checks that are possible only at the end of the run."""
        last = self._state[self._state[:, OPEN] == 1]
        if len(last):
            missing = -(-last[:, PULSE_LENGTH] // self._n_samples) - last[:, NEXT_RECORD]
            ns = (last[:, PULSE_LENGTH] - last[:, NEXT_RECORD] * self._n_samples) * last[:, WIDTH]
            self._findings.add(
                "incomplete_pulse",
                f"the run ends during {len(last)} pulses: {missing.sum()} records are missing",
                lost_ns=int(ns.sum()),
                lost_records=int(missing.sum()),
            )
        self._check_silences()

    def _check_silences(self) -> None:
        """Look for silences in which a V1724's times may be missing or shifted."""
        for channel in self.channels:
            now = self._state[channel]
            lasted = int(now[LAST] - now[FIRST] - now[GAP])
            if now[WIDTH] != SHORT_CLOCK or now[GAP] < CLOCK_ROLLOVER or lasted <= 0:
                continue
            expected = (now[N_PULSES] - 1) / lasted * CLOCK_ROLLOVER
            if expected >= SURE:
                self._findings.add(
                    "T23",
                    f"channel {channel} is silent for {now[GAP] / 1e9:.2f} s from "
                    f"{now[GAP_START]} ns, but {expected:.0f} pulses are expected in 21.47 s: "
                    "was a rollover of its clock counted twice?",
                    severity=DEGRADED,
                    lost_ns=int(now[GAP]),
                    lost_records=None,
                )
