"""What Snakemake asks for each job, answered once."""

import functools

from snakemake import common, rules

PARAMETERS = "get_function_params"


def remember() -> None:
    """Let Snakemake look at the parameters of each function once.

    It does so several times for each job's input and resources, though the functions are the same:
    a tenth of the time until the first of thousands of jobs starts.
    """
    look = getattr(common, PARAMETERS, None)
    if look is not None and not hasattr(look, "cache_info"):
        look = functools.lru_cache(1000)(look)
        for module in (common, rules):
            setattr(module, PARAMETERS, look)
