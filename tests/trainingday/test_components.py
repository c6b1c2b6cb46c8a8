"""Pieces of HTML without a template: what they hold, and that nothing given to them is markup."""

from __future__ import annotations

import re

import pytest
from django.utils.html import escape

from trainingday import components

HOSTILE = "\"'<b>&</b>"


@pytest.mark.parametrize(
    "made",
    [
        components.badge("dim", HOSTILE),
        components.badge(HOSTILE, "word"),
        components.nav_link("/sessions/?x=" + HOSTILE, "Sessions", is_current=True),
        components.nav_link("/", HOSTILE, is_current=False),
        components.sort_header("sort=" + HOSTILE, "Market", "none", ""),
        components.sort_header("sort=a", HOSTILE, "ascending", "number"),
        components.sort_header("sort=a", "Market", "descending", HOSTILE),
        components.compare_box(3, HOSTILE),
        components.sparkline([1.0, 2.0], HOSTILE, "validation"),
        components.sparkline([1.0, 2.0], "Scores", HOSTILE),
    ],
)
def test_what_is_given_is_text_and_no_markup(made: str) -> None:
    assert escape(HOSTILE) in made
    assert "<b>" not in made


def test_a_link_says_whether_it_is_the_page() -> None:
    assert (
        components.nav_link("/x/", "X", is_current=True) == '<li><a href="/x/" aria-current="page">X</a></li>'
    )
    assert components.nav_link("/x/", "X", is_current=False) == '<li><a href="/x/">X</a></li>'


@pytest.mark.parametrize(("order", "mark"), [("ascending", "▲"), ("descending", "▼"), ("none", "↕")])
def test_a_column_head_says_its_order_in_words_and_by_a_mark(order: str, mark: str) -> None:
    head = components.sort_header("sort=x&y=1", "X", order, "")
    assert f'aria-sort="{order}"' in head
    assert f">{mark}</span>" in head
    assert 'href="?sort=x&amp;y=1"' in head
    assert "class" not in head.partition("><a")[0]


def test_a_line_of_fewer_than_two_values_says_how_many_there_are() -> None:
    assert "n = 1" in components.sparkline([1.0], "Scores", "validation")
    assert "<svg" not in components.sparkline([None, 1.0], "Scores", "validation")
    assert "Scores, n = 3" in components.sparkline([1.0, None, 2.0], "Scores", "validation")


def test_an_interval_stands_at_its_places_between_0_and_100_percent() -> None:
    drawn = components.interval(0.5, 0.25, 0.75, 0.0)
    places = {name: re.findall(rf'{name}="([\d.]+)"', drawn) for name in ("x1", "x2", "cx")}
    assert places == {"x1": ["4", "32.0", "4.0"], "x2": ["116", "88.0", "4.0"], "cx": ["60.0"]}
    assert drawn.count("50.0 %, 95 % interval 25.0 % to 75.0 %, base rate 0.0 %") == 2


@pytest.mark.parametrize(
    ("rate", "low", "high", "base", "parts"),
    [
        (0.5, None, 0.75, 0.4, ["axis", "base"]),
        (0.5, 0.25, 0.75, None, ["axis", "range"]),
        (0.0, 0.0, 0.0, 0.0, ["axis", "range", "base"]),
        (None, 0.25, 0.75, 0.4, []),
    ],
)
def test_an_interval_draws_what_is_known(
    rate: float | None, low: float | None, high: float | None, base: float | None, parts: list[str]
) -> None:
    assert re.findall(r'<line class="(\w+)"', components.interval(rate, low, high, base)) == parts
