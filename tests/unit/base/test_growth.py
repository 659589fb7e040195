from xamsflow.base.growth import grown


def test_each_shortage_asks_for_twice_as_much():
    assert [grown(3000, times) for times in range(4)] == [3000, 6000, 12000, 24000]


def test_one_time_after_the_other_is_the_same_as_all_at_once():
    """The driver counts shortages, a submission knows what the one before it asked for."""
    assert grown(grown(3000)) == grown(3000, 2)


def test_the_count_of_a_document_that_somebody_edited_does_not_run_away():
    assert grown(60, 2**62) < 2**31
