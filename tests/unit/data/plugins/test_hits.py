import weakref

import numpy as np
import pytest
import strax
from hypothesis import given, settings
from hypothesis import strategies as st

from hand_made import DT, N_SAMPLES, random_records
from xamsflow.data.plugins import hits

EXTENSION = (3, 20)
THRESHOLD = 15


@settings(deadline=None)  # strax compiles
@given(seed=st.integers(0, 2**32), n_pulses=st.integers(0, 6))
def test_hits_and_kept_samples_equal_those_of_strax(seed: int, n_pulses: int) -> None:
    if not n_pulses:
        records = np.zeros(0, strax.record_dtype(N_SAMPLES))
    else:
        records = random_records(seed, n_pulses)
    links = strax.record_links(records)
    found = hits.find_hits(records, THRESHOLD, EXTENSION, links)
    expected = strax.find_hits(records, min_amplitude=float(THRESHOLD))
    assert len(found) == len(expected)
    for name in set(found.dtype.names) - {"left_integration", "right_integration"}:
        assert np.array_equal(found[name], expected[name]), name

    hitlets = hits.hitlets_of(found)
    assert np.array_equal(hitlets, strax.sort_by_time(hitlets))
    assert np.array_equal(np.sort(hitlets["max_time"]), np.sort(found["max_time"]))

    by_strax = strax.cut_outside_hits(
        records, expected, left_extension=EXTENSION[0], right_extension=EXTENSION[1]
    )
    hits.keep_hitlets(records, found, *links)
    assert np.array_equal(records["data"], by_strax["data"])
    # Found again in what is kept, they are the same.
    again = hits.find_hits(records, THRESHOLD, EXTENSION, links)
    assert np.array_equal(again, found)


@pytest.mark.parametrize("seed", range(3))
def test_hitlets_of_a_channel_do_not_overlap_and_contain_their_hits(seed: int) -> None:
    records = random_records(seed, 8)
    found = hits.find_hits(records, THRESHOLD, EXTENSION, strax.record_links(records))
    hitlets = hits.hitlets_of(found)
    start = records["time"][hitlets["record_i"]]
    assert np.array_equal(hitlets["time"], start + hitlets["left_integration"] * DT)
    assert np.array_equal(strax.endtime(hitlets), start + hitlets["right_integration"] * DT)
    assert (hitlets["left_integration"] <= hitlets["left"]).all()
    assert (hitlets["right_integration"] >= hitlets["right"]).all()
    for channel in range(3):
        mine = hitlets[hitlets["channel"] == channel]
        assert (strax.endtime(mine)[:-1] <= mine["time"][1:]).all()


def test_hits_are_taken_over_once_and_only_for_the_same_records() -> None:
    records = random_records(1, 6)
    found = hits.find_hits(records, THRESHOLD, EXTENSION, strax.record_links(records))
    hits.hand_on(found, records)
    assert hits.take_over(records.copy()) is None
    assert hits.take_over(records) is found
    assert hits.take_over(records) is None


def test_hits_that_nobody_takes_over_go_with_their_records() -> None:
    records = random_records(1, 6)
    found = hits.find_hits(records, THRESHOLD, EXTENSION, strax.record_links(records))
    hits.hand_on(found, records)
    kept = weakref.ref(found)
    del found
    assert kept() is not None
    del records
    assert kept() is None
