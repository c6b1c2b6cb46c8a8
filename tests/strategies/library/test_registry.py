"""Families by name, and a user's own by dotted path."""

import pytest

from strategies.library import registry
from strategies.library.momentum import Momentum
from trainingday.exceptions import InvalidArgument, NotFound


def test_the_registry_holds_the_usual_families() -> None:
    assert set(registry.families()) >= {
        "momentum", "mean_reversion", "breakout", "moving_average_cross", "rsi", "macd", "donchian",
        "bollinger", "filtered_trend", "buy_and_hold", "flat",
    }  # fmt: skip


def test_an_unknown_name_says_what_is_known() -> None:
    with pytest.raises(NotFound, match=r"family should be one of .*momentum.*, is 'astrology'"):
        registry.get_family("astrology")


def test_a_dotted_path_registers_a_class() -> None:
    family = registry.register_path("strategies.library.momentum.Momentum")
    assert isinstance(family, Momentum)
    assert registry.get_family("momentum") is family


def test_a_taken_name_is_refused() -> None:
    class Impostor(Momentum):
        pass

    with pytest.raises(InvalidArgument, match="family name should be unused, 'momentum' is Momentum"):
        registry.register(Impostor())


@pytest.mark.parametrize(
    "path",
    ["nowhere.Family", "strategies.library.momentum.Nothing", "strategies.library.registry.families", ""],
)
def test_a_path_to_no_family_is_refused(path: str) -> None:
    with pytest.raises(InvalidArgument, match="family should be"):
        registry.register_path(path)
