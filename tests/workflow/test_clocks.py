"""Clocks that disagree, through the real workflow."""

import pytest

from shifted_clock import ShiftedClock
from site_for_tests import Site


@pytest.mark.parametrize("seconds", [90, -90])
def test_nothing_is_processed_while_this_host_s_clock_is_wrong(site: Site, seconds: int) -> None:
    site.add_run(932)
    clock = ShiftedClock(site.folder, seconds)
    site.environment |= clock.environment
    before = site.document(932)

    said = site.snakemake()

    assert said.returncode == 1
    word = "ahead of" if seconds > 0 else "behind"
    (line,) = [line for line in said.stdout.splitlines() if line.startswith("xamsflow: ")]
    assert f"the clock of this host is 1.5 min {word} the run database's: let both" in line
    assert site.document(932) == before
    assert site.snakemake("-n").returncode == 0

    clock.shift(seconds // 9)
    assert site.snakemake().returncode == 0
    assert site.status(932) == "done"
