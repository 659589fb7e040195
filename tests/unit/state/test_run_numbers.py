import pytest

from xamsflow.base.errors import ConfigurationError
from xamsflow.state import run_numbers


@pytest.mark.parametrize(
    ("word", "first", "last"),
    [
        ("932", 932, 932),
        ("000932", 932, 932),
        ("932-940", 932, 940),
        ("000932-940", 932, 940),
        ("932-932", 932, 932),
        ("0", 0, 0),
        ("932-", 932, 999_999),
    ],
)
def test_ranges_include_both_ends(word, first, last):
    assert run_numbers.parse(word) == range(first, last + 1)


@pytest.mark.parametrize(
    "word", ["", "93x", "9 32", "-932", "1234567", "932--940", "932:940", "٩٣٢", "932-9400000", "*"]
)
def test_anything_else_is_refused_with_what_to_write(word):
    with pytest.raises(
        ConfigurationError, match="is not a run: give a number such as 932, or a range"
    ):
        run_numbers.parse(word)


def test_a_range_the_wrong_way_round_is_refused():
    with pytest.raises(ConfigurationError, match="did you mean 932-940"):
        run_numbers.parse("940-932")


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (["930-934"], [930, 933, 934]),
        (["930-934", "932-936"], [930, 933, 934, 936]),
        (["930-"], [930, 933, 934]),
        (["930"], []),
        (["940-"], []),
    ],
)
def test_numbers_of_a_range_that_do_not_exist(words, missing):
    assert run_numbers.missing(run_numbers.parse_all(words), {931, 932, 935}) == missing
    assert run_numbers.missing((), set()) == []


def test_several_words():
    assert run_numbers.parse_all(["932", "940-942"]) == (range(932, 933), range(940, 943))


def test_three_or_more_in_a_row_become_a_range():
    assert run_numbers.words([9, 3, 1, 2, 5, 6, 9]) == ["1-3", "5", "6", "9"]
    assert run_numbers.words([]) == []
