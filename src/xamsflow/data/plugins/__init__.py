"""strax plugins, from raw records to events.

::

    straxen_reader       straxen's reader of live data, without the rest of straxen
    raw_records          raw records of each digitizer
    records              records and pulse counts
    baselines            the baseline of each pulse
    hits                 hits and hitlets
    peaks                peaks and peak basics
    splitting            where a peak is split
    waveforms            summed waveforms of peaks
    peak_classification  S1, S2 or unknown
    peak_positions       positions from the pattern of light
    events               events, and the main and alternative S1 and S2 of each
    corrected_areas      corrected areas, and all facts of an event in one table
    led                  LED calibration
    settings             options that all groups of signals share
"""
