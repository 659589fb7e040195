from xamsflow.base.growth import grown


def test_each_shortage_doubles_the_request():
    assert [grown(3000, times) for times in range(4)] == [3000, 6000, 12000, 24000]


def test_repeated_growth_equals_growth_at_once():
    """The driver counts shortages, a submission knows what the one before it asked for."""
    assert grown(grown(3000)) == grown(3000, 2)


def test_a_huge_count_in_an_edited_document_does_not_overflow():
    assert grown(60, 2**62) < 2**31
