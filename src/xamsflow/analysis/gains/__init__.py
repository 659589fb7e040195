"""From an LED run to the gains of its channels.

::

    spectrum  the model of the charge in the LED's window, and its fit
    led_run   the pulses of an LED run, and whether it is usable
    proposal  the correction-file entry that is derived from an LED run
    picture   draws the fits
"""
