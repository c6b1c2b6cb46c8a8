"""Ids are stable, readable, and lead back to the pattern."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patterns.discovery.pattern import LONG, SHORT, Pattern, RegimeCuts, Shape
from trainingday.exceptions import InvalidArgument

CUTS = RegimeCuts((0.001, 0.002), (0.8, 1.2), (-0.5, 0.5), (0.3, 0.7))
regimes = st.one_of(st.none(), st.integers(0, 2))


def test_the_id_names_window_word_regimes_horizon_and_direction() -> None:
    assert Pattern(Shape(), 17, 2, None, 10, LONG, CUTS).id == "w50-00122-vol2-any-h10-long"
    assert Pattern(Shape(), 225, None, 0, 5, SHORT, CUTS).id == "w50-22100-any-volume0-h5-short"
    assert (
        Pattern(Shape(), 17, None, 1, 10, LONG, CUTS, 0, 2).id
        == "w50-00122-any-volume1-trend0-place2-h10-long"
    )
    assert Pattern(Shape(), 17, None, None, 10, LONG, CUTS, None, 2).id == "w50-00122-any-any-place2-h10-long"
    assert Pattern(Shape(20, 4, 4), 255, None, None, 1, LONG, CUTS).id == "w20a4-3333-any-any-h1-long"


def test_the_id_does_not_depend_on_the_cuts() -> None:
    moved = RegimeCuts((0.0011, 0.0019), None)
    assert (
        Pattern(Shape(), 17, 2, None, 10, LONG, CUTS).id == Pattern(Shape(), 17, 2, None, 10, LONG, moved).id
    )


@given(st.integers(0, 242), st.tuples(*[regimes] * 4), st.integers(1, 500), st.sampled_from([LONG, SHORT]))
def test_a_stored_pattern_comes_back_equal(
    word: int, asked: tuple[int | None, ...], horizon: int, direction: int
) -> None:
    pattern = Pattern(Shape(), word, *asked[:2], horizon, direction, CUTS, *asked[2:])
    assert Pattern.from_dict(pattern.as_dict()) == pattern
    assert Pattern.from_id(pattern.id, CUTS) == pattern


@pytest.mark.parametrize(
    "pattern_id",
    ["", "w50-00122", "w50-00322-any-any-h1-long", "w50-00122-vol3-any-h1-long", "w51-00122-any-any-h1-long",
     "w50-00122-any-any-h0-long", "w50-00122-any-any-h1-up"],
)  # fmt: skip
def test_a_malformed_id_is_refused(pattern_id: str) -> None:
    with pytest.raises(InvalidArgument):
        Pattern.from_id(pattern_id, CUTS)


def test_a_definition_holds_bounds_of_trend_and_place_only_where_there_are_any() -> None:
    stored = Pattern(Shape(), 17, None, None, 10, LONG, RegimeCuts(None, (0.8, 1.2))).as_dict()
    assert stored == {
        "id": "w50-00122-any-any-h10-long",
        "cuts": {"volatility": None, "volume": [0.8, 1.2]},
    }


def test_a_regime_without_cuts_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="volume"):
        Pattern(Shape(), 17, None, 1, 10, LONG, RegimeCuts((1.0, 2.0), None))


@pytest.mark.parametrize(
    "arguments", [(50, 7, 3), (50, 5, 1), (50, 5, 10), (5, 5, 3), (50, 1, 3), (100, 20, 3)]
)
def test_an_impossible_shape_is_refused(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(InvalidArgument):
        Shape(*arguments)
