"""What a site chooses: its configuration, its detector, its corrections.

::

    config       the configuration, checked and typed
    detector     a detector file: channels, digitizers, gains, thresholds
    corrections  quantities that change from run to run
    data_types   the one table of data types
"""
