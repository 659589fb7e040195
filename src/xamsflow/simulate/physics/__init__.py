"""Reconstruction compared with the truth of simulated runs.

``python -m xamsflow.simulate.physics`` does it all.

::

    sample       the runs: simulated, processed and loaded again
    matching     which peak and which event belongs to which simulated signal
    quality      numbers: efficiency, bias, resolution, residuals, confusion
    checks       these numbers against what is required
    report       a page of plots and a table
    pile_up      how often an event has the right S1 and S2, by event rate
    health       whether faults of the detector are seen in the first run that has them
    led_gains    gains fitted to LED spectra against the true ones
    pre_trigger  how areas depend on the samples before a pulse
    run_quantities  whether the errors of quantities of runs are honest
"""
