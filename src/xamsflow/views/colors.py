"""Colors of all plots; readers who cannot tell red from green can distinguish them."""

S1 = "#1f6fb4"
S2 = "#c8501e"
GRAY = "#8a8a8a"
EVENT = "#1b1b1b"
CHANNELS = ("#3b6ea5", "#d98c21", "#5aa469", "#a1467e", "#7a7a7a", "#8c6d3f", "#46b1c9", "#c3423f")
"""In the order of channels; the first colors differ most."""
