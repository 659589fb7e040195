"""From an LED run to the gains of its channels.

::

    spectrum  the model of the charge in the LED's window, and its fit
    led_run   what is read of an LED run, and what makes one unusable
    proposal  the entry of a correction file that follows from an LED run
    picture   draws the fits
"""
