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
    events               the times around large S2s
    event_basics         the main and alternative S1 and S2 of each event
    event_positions      where the interaction took place
    corrected_areas      corrected areas, and all facts of an event in one table
    event_area_per_channel, event_waveform  patterns and waveforms of an event's peaks
    coincidences         peaks and events that another detector sees too
    raw_records_of_tpc   the TPC's raw records under strax's usual name
    led                  LED calibration
    settings             options that all groups of signals share
"""
