"""Values compared to the last bit, and the first difference named."""

import math

import pytest

from sessions.bits import BitsDiffer, compare


def test_equal_values_are_counted() -> None:
    value = {"score": 0.1 + 0.2, "curve": [[1, None], [2, -0.0]], "name": "x"}
    assert compare("trial 1", value, dict(value)) == 6


@pytest.mark.parametrize(
    ("original", "replayed", "where"),
    [
        ({"score": 0.3}, {"score": math.nextafter(0.3, 1.0)}, "trial 1, score"),
        ({"curve": [[1, 0.5], [2, None]]}, {"curve": [[1, 0.5], [2, 0.0]]}, "trial 1, curve, 1, 1"),
        ({"curve": [1, 2]}, {"curve": [1]}, "trial 1, curve, 1"),
        ({"a": 1}, {"b": 1}, "trial 1, a"),
        ({"n": 1}, {"n": 1.0}, "trial 1, n"),
        ({"n": True}, {"n": 1}, "trial 1, n"),
        ({"n": {}}, {"n": []}, "trial 1, n"),
    ],
)
def test_the_first_difference_is_named(original: object, replayed: object, where: str) -> None:
    with pytest.raises(BitsDiffer) as caught:
        compare("trial 1", original, replayed)
    assert caught.value.where == where


def test_a_number_is_shown_with_all_its_digits() -> None:
    with pytest.raises(BitsDiffer, match=r"score: 0\.3 became 0\.30000000000000004"):
        compare("score", 0.3, 0.1 + 0.2)
