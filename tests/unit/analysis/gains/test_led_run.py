"""Simulated LED runs through the plugins: usable and bad ones."""

from dataclasses import replace

import numpy as np
import pytest
import strax

from hand_made import made_of, xams
from xamsflow.analysis.gains import led_run, proposal
from xamsflow.base.errors import ConfigurationError
from xamsflow.simulate import LedLight, SimulatedRun, read_out

CHANNEL = 2
OTHERS = tuple(channel for channel in range(8) if channel != CHANNEL)
GAIN = 0.02


def led_run_of(*, pulse_length=220, duration=0.05, light=None, **choices):
    """Return the pulses of a simulated run by channel, and where the LED's light is."""
    one = xams()
    settings = SimulatedRun(
        number=7,
        detector=one,
        duration=duration,
        pulse_length=pulse_length,
        led=LedLight.of(one, **{"frequency": 60_000.0, "dead_channels": OTHERS} | choices),
    )
    led = one.led if light is None else replace(one.led, light=light)
    found = read_out(settings)
    records = np.zeros(len(found), strax.raw_record_dtype(settings.record_length))
    for name in found.dtype.names:
        records[name] = found[name]
    made = made_of(records, end=settings.duration_ns, one=replace(one, led=led))
    return led_run.collect(made["led_calibration"], [made["records_led"]], led), led


def problem_of(**choices):
    pulses, led = led_run_of(**choices)
    found, problem = proposal.measure(CHANNEL, pulses, led)
    return (found, problem)


def test_a_usable_run():
    found, problem = problem_of(gain_factor=2.0, occupancy=1.0)
    assert problem is None
    assert found.gain == pytest.approx(GAIN / 2, abs=3 * found.gain_error)
    assert found.gain_error < 0.05 * found.gain


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"occupancy": 0}, "the mean waveform shows no light"),
        ({"occupancy": 0.01, "gain_factor": 5.0}, "at least 0.02 are needed"),
        ({"occupancy": 8.0}, "at most 3 are allowed"),
        ({"gain_factor": 100.0, "occupancy": 30.0}, "saturated"),
        ({"delay": 300.0}, "only 0% of the light is in the LED's window: it comes in samples 14"),
        ({"light": (85, 95)}, "of the light is in the LED's window"),
        ({"synchronous": False, "occupancy": 2.0}, "the trigger are not synchronous"),
        ({"every": 2}, "modulo 2: does the LED flash"),
        ({"every": 3, "occupancy": 1.5}, "modulo 3"),
        ({"duration": 0.02}, "2000 are needed"),
        ({"pulse_length": 100}, "2000 are needed; 2"),
        ({"dead_channels": (2,)}, "no pulses of this channel"),
    ],
    ids=str,
)
def test_a_bad_run_gives_no_gain_but_says_why(choices, words):
    found, problem = problem_of(**choices)
    assert found is None
    assert words in problem


def test_light_that_changes_during_the_run():
    bright, led = led_run_of(occupancy=1.5)
    dim, _ = led_run_of(occupancy=0.5)
    parts = [vars(found[CHANNEL]) for found in (bright, dim)]
    joined = {name: [*parts[0][name], *parts[1][name]] for name in ("light", "blank")}
    pulses = replace(bright[CHANNEL], **{name: np.array(one) for name, one in joined.items()})
    assert "the light changes during the run, from 0." in led_run.problem(pulses, led)


def test_the_window_without_light():
    led = xams().led
    assert led_run.blank_window(led, 220) == (50, 80)
    assert led_run.blank_window(replace(led, light=(60, 100)), 220) == (100, 140)
    with pytest.raises(ConfigurationError, match="with as many samples without light before or"):
        led_run.blank_window(replace(led, light=(60, 200)), 220)
