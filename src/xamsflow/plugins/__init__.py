"""strax plugins: from live data to data types."""

import logging

# straxen imports utilix, which warns that no settings for XENON's run database are there. Nobody
# here needs them; this has to stand before the first import of straxen.
logging.getLogger("utilix").addFilter(
    lambda record: "Could not load a configuration file" not in record.getMessage()
)
