"""The miner against brute force, its reasons, and cancelling."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from scipy import stats

from patterns.discovery.features import Features
from patterns.discovery.mining import mine
from patterns.discovery.options import MiningOptions, Segments
from patterns.discovery.outcomes import forward_log_returns
from patterns.discovery.pattern import Shape
from patterns.discovery.rates import adjusted_p_values
from patterns.discovery.regimes import tercile_cuts
from tests.markets import gaussian_bars
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument, RunCancelled
from trainingday.stats.multiplicity import benjamini_hochberg, thin_occurrences
from trainingday.synthetic import planted_words_market

SMALL = MiningOptions(windows=(20,), n_segments=4, n_letters=2, horizons=(1, 7), false_discovery_rate=0.99)


def brute_force(bars: Bars, segments: list[slice], options: MiningOptions) -> dict[str, float]:
    """Return id without direction -> p of every testable cell, by scipy, cell by cell."""
    features = Features(bars)
    cuts = tercile_cuts(features.state, segments[0], options.regimes)
    regimes = features.regimes(cuts, options.regimes)
    inside = np.zeros(len(bars), dtype=bool)
    p_values = {}
    for shape, horizon in product(options.shapes, options.horizons):
        outcome = np.full(len(bars), np.nan)
        for segment in segments:
            inside[segment] = True
            outcome[segment] = forward_log_returns(bars[segment], horizon)
        outcome /= features.state.volatility * np.sqrt(horizon)
        usable = inside & np.isfinite(outcome)
        for word, *asked in product(range(shape.n_words), *[range(-1, 3)] * len(options.regimes)):
            if sum(regime >= 0 for regime in asked) > options.max_conditions:
                continue
            seen = usable & (features.words(shape) == word)
            for known, regime in zip(regimes, asked, strict=True):
                seen &= (known == regime) | (regime < 0)
            kept = thin_occurrences(np.flatnonzero(seen), horizon)
            if kept.size >= options.min_occurrences:
                names = named(dict(zip(options.regimes, asked, strict=True)))
                result = stats.ttest_1samp(outcome[kept], outcome[usable].mean())
                key = f"w{shape.window}a2-{shape.letters(word)}-{names}-h{horizon}"
                p_values[key] = float(result.pvalue)
    return p_values


def named(asked: dict[str, int]) -> str:
    """Return the regimes as a pattern's id spells them."""
    parts = [
        "any" if asked.get(name, -1) < 0 else f"{short}{asked[name]}"
        for name, short in (("volatility", "vol"), ("volume", "volume"))
    ]
    parts += [f"{name}{asked[name]}" for name in ("trend", "place") if asked.get(name, -1) >= 0]
    return "-".join(parts)


@pytest.mark.parametrize(
    ("options", "n_listed"),
    [
        (SMALL, 16 * 13 * 2),
        (replace(SMALL, regimes=("volatility", "volume"), max_conditions=2), 16 * 16 * 2),
        (replace(SMALL, max_conditions=2, horizons=(7,)), 16 * (1 + 4 * 3 + 6 * 9)),
    ],
)
def test_every_candidate_equals_brute_force(options: MiningOptions, n_listed: int) -> None:
    bars = planted_words_market(3000, 3, effect=1.0).bars
    bars.gap_before[[700, 2300]] = True
    segments = [slice(0, 1500), slice(1540, 2900)]
    result = mine(bars, Segments(*segments), options)
    expected = brute_force(bars, segments, options)
    assert result.candidates_tested == len(expected) > 50
    assert result.candidates_listed == n_listed
    found = {each.pattern.id.rsplit("-", 1)[0]: each.p_value for each in result.found}
    is_found = benjamini_hochberg(np.array(list(expected.values())), 0.99)
    assert set(found) == {key for key, ok in zip(expected, is_found, strict=True) if ok}
    assert len(found) > 10
    for key, p_value in found.items():
        assert p_value == pytest.approx(expected[key], rel=1e-9)


def test_the_sign_of_t_is_the_direction_and_the_best_comes_first() -> None:
    bars = planted_words_market(3000, 3, effect=1.0).bars
    found = mine(bars, Segments(slice(0, 3000)), SMALL).found
    assert {each.pattern.direction for each in found} == {1, -1}
    assert all((each.t_statistic > 0) == (each.pattern.direction > 0) for each in found)
    assert [each.p_value for each in found] == sorted(each.p_value for each in found)
    assert all(each.p_value <= each.q_value <= 0.99 for each in found)
    assert all(each.record.n_known >= SMALL.min_occurrences for each in found)


def test_q_values_agree_with_the_step_up_rule() -> None:
    p_values = np.random.default_rng(1).random(500) ** 3
    for level in (0.01, 0.05, 0.1, 0.5):
        np.testing.assert_array_equal(
            adjusted_p_values(p_values) <= level, benjamini_hochberg(p_values, level)
        )
    assert stats.false_discovery_control(p_values) == pytest.approx(adjusted_p_values(p_values))


def test_a_mean_shared_by_the_whole_market_is_no_pattern() -> None:
    bars = gaussian_bars(40_000, 8)
    trend = np.exp(0.0001 * np.arange(40_000))
    risen = Bars(
        bars.timestamps, bars.open * trend, bars.high * trend, bars.low * trend, bars.close * trend,
        bars.volume, bars.gap_before,
    )  # fmt: skip
    assert mine(risen, Segments(slice(0, 40_000))).found == ()


def test_the_same_bars_give_the_same_result() -> None:
    bars = planted_words_market(20_000, 1, effect=1.0).bars
    assert mine(bars, Segments(slice(0, 20_000))) == mine(bars, Segments(slice(0, 20_000)))


def test_nothing_after_the_segment_changes_the_result() -> None:
    bars = planted_words_market(20_000, 1, effect=1.0).bars
    whole = mine(bars, Segments(slice(0, 15_000)))
    assert whole == mine(bars[:15_000], Segments(slice(0, 15_000)))
    assert whole.found


def test_several_windows_are_one_family_of_tests() -> None:
    bars = gaussian_bars(20_000, 2)
    both = mine(bars, Segments(slice(0, 20_000)), MiningOptions(windows=(20, 50)))
    each = [mine(bars, Segments(slice(0, 20_000)), MiningOptions(windows=(w,))) for w in (20, 50)]
    assert both.candidates_tested == sum(one.candidates_tested for one in each)
    assert both.candidates_listed == 2 * 243 * 13 * 6


def test_without_volume_the_volume_regimes_are_left_out_with_a_reason() -> None:
    bars = planted_words_market(20_000, 1, effect=1.0).bars
    silent = Bars(
        bars.timestamps, bars.open, bars.high, bars.low, bars.close, np.zeros(20_000), bars.gap_before
    )
    result = mine(silent, Segments(slice(0, 20_000)))
    assert "no volume" in " ".join(result.notes)
    assert result.found
    assert all(each.pattern.volume is None for each in result.found)


def test_constant_prices_give_a_reason_and_no_pattern() -> None:
    flat = np.full(5000, 7.0)
    bars = Bars.create(np.arange(5000), flat, flat, flat, flat, np.ones(5000))
    result = mine(bars, Segments(slice(0, 4000), slice(4000, 5000)))
    assert result.found == ()
    assert result.candidates_tested == 0
    assert "constant" in (result.reason or "")


@pytest.mark.parametrize("n_bars", [1, 20, 51])
def test_fewer_bars_than_window_and_horizon_give_a_reason(n_bars: int) -> None:
    result = mine(gaussian_bars(100, 1)[:n_bars], Segments(slice(0, n_bars)))
    assert result.found == ()
    assert "Too few bars" in (result.reason or "")


def test_gaps_everywhere_give_a_reason() -> None:
    bars = gaussian_bars(5000, 1)
    bars.gap_before[::40] = True
    result = mine(bars, Segments(slice(0, 5000)))
    assert result.found == ()
    assert "gaps" in (result.reason or "")


def test_a_short_market_says_how_often_a_candidate_must_occur() -> None:
    result = mine(gaussian_bars(100, 1), Segments(slice(0, 100)))
    assert result.candidates_tested == 0
    assert "30 times" in (result.reason or "")


def test_a_market_of_noise_says_how_many_were_tested() -> None:
    result = mine(gaussian_bars(20_000, 5), Segments(slice(0, 20_000)))
    assert f"None of {result.candidates_tested:,} candidates" in (result.reason or "")


def test_progress_rises_to_one_and_may_cancel() -> None:
    bars = planted_words_market(20_000, 1, effect=1.0).bars
    shares: list[float] = []
    mine(bars, Segments(slice(0, 20_000)), progress=lambda share, stage: shares.append(share))
    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert shares[-1] == 1.0

    def cancel(share: float, stage: str) -> None:
        if share > 0.3:
            raise RunCancelled(stage)

    with pytest.raises(RunCancelled, match="horizon"):
        mine(bars, Segments(slice(0, 20_000)), progress=cancel)


@pytest.mark.parametrize(
    "arguments",
    [{"windows": ()}, {"windows": (50, 50)}, {"windows": (51,)}, {"horizons": (0,)}, {"horizons": ()},
     {"false_discovery_rate": 1.5}, {"confirmation_rate": 0.0}, {"min_occurrences": 2}, {"min_sightings": 0},
     {"cost_per_side": -0.1}, {"max_overlap": 2.0}, {"success_threshold": float("nan")}, {"n_letters": 1}],
)  # fmt: skip
def test_an_impossible_option_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument):
        MiningOptions(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "segments",
    [Segments(slice(50, 50)), Segments(slice(0, 100), slice(90, 120)), Segments(slice(0, 100, 2)),
     Segments(slice(0, 100), slice(500, 600))],
)  # fmt: skip
def test_an_impossible_segment_is_refused(segments: Segments) -> None:
    with pytest.raises(InvalidArgument):
        mine(gaussian_bars(200, 1), segments)


def test_features_of_other_bars_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="features"):
        mine(gaussian_bars(200, 1), Segments(slice(0, 200)), features=Features(gaussian_bars(200, 2)))


def test_the_default_list_is_words_alone_or_with_a_third_of_one_of_four_features() -> None:
    assert MiningOptions().n_listed == 243 * (1 + 4 * 3) * 6
    assert MiningOptions().shapes == (Shape(50, 5, 3),)
