from dataclasses import replace

import numpy as np
import pytest

from hand_made import BASELINE, N_SAMPLES, made_of, pulse, square, together, xams

LED_AT = 85


def led_pulse(time, channel, height, **changes):
    return pulse(time, channel, square(height, 20), before=LED_AT, after=300, **changes)


def test_area_and_amplitude_in_the_window_of_the_led() -> None:
    made = made_of(led_pulse(1000, 0, 50), led_pulse(1000, 3, 7), led_pulse(9000, 0, 0))
    result = made["led_calibration"]
    assert result["channel"].tolist() == [0, 3, 0]
    assert result["area"].tolist() == [20 * 50, 20 * 7, 0]
    assert result["amplitude_led"].tolist() == [50, 7, 0]
    assert result["area_noise"].tolist() == [0, 0, 0]
    assert result["baseline"].tolist() == [BASELINE] * 3


def test_a_baseline_between_two_counts() -> None:
    samples = BASELINE + np.arange(LED_AT + 20 + 300) % 2
    result = made_of(led_pulse(1000, 0, 50, baseline=samples))["led_calibration"]
    assert result["baseline"] == pytest.approx([BASELINE + 0.5])
    assert result["area"] == pytest.approx([20 * 50], abs=0.01)
    assert result["baseline_rms"] == pytest.approx([0.5])


def test_records_are_the_first_two_of_each_pulse_joined() -> None:
    raw = together(led_pulse(1000, 0, 50), led_pulse(1100, 1, 60))
    assert len(raw) == 8
    records = made_of(raw)["records_led"]
    assert records["data"].shape == (2, 2 * N_SAMPLES)
    assert records["length"].tolist() == [2 * N_SAMPLES] * 2
    assert records["data"][0].sum() == 20 * 50
    assert records["data"][1, LED_AT : LED_AT + 20].tolist() == [60] * 20


def test_positive_pulses() -> None:
    one = xams()
    assert one.led is not None
    led = replace(one.led, channels=(6,), positive_channels=(6,))
    result = made_of(led_pulse(1000, 6, 50, upwards=True), one=replace(one, led=led))
    assert result["led_calibration"]["area"].tolist() == [1000]


def test_pulses_that_end_before_a_window_does() -> None:
    result = made_of(
        pulse(1000, 0, [], before=100, after=0), pulse(9000, 0, [], before=5, after=0)
    )["led_calibration"]
    assert np.isnan(result["area"]).all()
    assert np.isnan(result["amplitude_led"]).all()
    assert result["area_noise"][0] == 0
    assert np.isnan(result["area_noise"][1])


def test_no_pulses() -> None:
    made = made_of(led_pulse(1000, 5, 50))
    assert len(made["led_calibration"]) == len(made["records_led"]) == 0
