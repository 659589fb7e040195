"""Reconstruction compared with the truth of simulated runs.

::

    matching  which peak and which event belongs to which simulated signal
    quality   numbers: efficiency, bias, resolution, residuals, confusion
    checks    these numbers against what is required
    sample    the runs: simulated, processed and loaded again
    report    a page of plots and a table, for a person

``python -m xamsflow.simulate.physics`` does it all. Only ``report`` needs matplotlib.
"""
