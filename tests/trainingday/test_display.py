from __future__ import annotations

import pytest

from trainingday import display


@pytest.mark.parametrize("value", [0, 0.0, -0.0, 0.004, -0.004, -1e-12])
def test_what_rounds_to_zero_has_no_sign(value: float) -> None:
    assert display.number(value) == display.signed(value) == "0.00"
    assert display.percent(value / 100) == "0.0 %" and display.points(value / 100) == "0.0 pp"


def test_other_numbers_have_a_true_minus_and_where_asked_a_plus() -> None:
    assert (display.number(-1234.5), display.signed(-0.006), display.signed(0.006)) == (
        "−1,234.50", "−0.01", "+0.01",
    )  # fmt: skip
    assert display.significant(-0.0) == "0" and display.significant(-3.14159e-7) == "−3.14e−7"


@pytest.mark.parametrize("value", [None, "", float("nan"), float("inf")])
def test_what_is_undefined_is_a_dash(value: object) -> None:
    shown = {show(value) for show in (display.number, display.signed, display.percent, display.significant)}
    assert shown == {"–"}


@pytest.mark.parametrize(
    ("reason", "verdict", "said"),
    [
        ("Not proven: 900 bars do not show it.", "not_proven", "900 bars do not show it."),
        ("No challenger: its score is low.", "no_challenger", "Its score is low."),
        ("Passed: it beat all: by far.", "passed", "It beat all: by far."),
        ("Not proven.", "not_proven", "Not proven."),
        ("died 3 times", "", "died 3 times"),
        ("", "passed", ""),
    ],
)
def test_a_verdict_is_said_once(reason: str, verdict: str, said: str) -> None:
    assert display.after_verdict(reason, verdict) == said
