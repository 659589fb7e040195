"""Clocks that disagree, through the real workflow."""

from shifted_clock import ShiftedClock
from site_for_tests import Site


def test_nothing_is_processed_while_this_host_s_clock_is_wrong(site: Site) -> None:
    site.add_run(932)
    clock = ShiftedClock(site.folder, 90)
    site.environment |= clock.environment
    before = site.document(932)

    for seconds, word in ((90, "ahead of"), (-90, "behind")):
        clock.shift(seconds)
        said = site.snakemake()

        assert said.returncode == 1
        (line,) = [line for line in said.stdout.splitlines() if line.startswith("xamsflow: ")]
        assert f"the clock of this host is 1.5 min {word} the run database's: let both" in line
        assert site.document(932) == before
    assert site.snakemake("-n").returncode == 0

    clock.shift(-10)
    assert site.snakemake().returncode == 0
    assert site.status(932) == "done"
