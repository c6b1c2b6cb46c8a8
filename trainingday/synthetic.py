"""Synthetic markets with a known truth: without any signal (N1-N6), or with a planted one (P1, P2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numba import njit

from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument
from trainingday.typing import FloatArray

SIGMA = 0.005
SEED = 20240601
HOUR_US = 3_600_000_000
START_US = 1_577_836_800_000_000  # 2020-01-01 UTC
HOURS_PER_YEAR = 8760
# The middle number of each market's seed sequence: never renumber, results are compared over time.
CODES = {"N1": 1, "N2": 2, "N3": 3, "N4": 4, "N5": 5, "N6": 6, "P1": 11, "P2": 12, "patterns": 13}
NULL_MARKETS = ("N1", "N2", "N3", "N4", "N5")

# Rarer words occur less than about 10 times in 10,000 bars: no exam could confirm them.
COMMON_WORDS = 60

_GARCH_OMEGA, _GARCH_ALPHA, _GARCH_BETA, _BURN_IN = 0.02, 0.08, 0.90, 500
_VOLATILITY_STATES = np.array([0.6, 2.2]) / 1.180613
_VOLATILITY_SWITCH = np.array([1 / 500, 1 / 150])


def market_rng(kind: str, index: int, seed: int = SEED) -> np.random.Generator:
    """Return the generator of the `index`-th market of a kind: PCG64 of [seed, code, index].

    Raises
    ------
    InvalidArgument
        If the kind is unknown, or index or seed is negative.
    """
    if kind not in CODES:
        raise InvalidArgument(f"kind should be one of {', '.join(CODES)}, is {kind}")
    if index < 0 or seed < 0:
        raise InvalidArgument(f"index and seed should be >= 0, are {index} and {seed}")
    return np.random.default_rng([seed, CODES[kind], index])


def synthetic_bars(kind: str, n_bars: int, index: int, seed: int = SEED) -> Bars:
    """Return the `index`-th hourly market of N1..N6, P1 or P2 (EVIDENCE, "The honesty benchmark")."""
    if kind not in _RETURNS:
        raise InvalidArgument(f"kind should be one of {', '.join(_RETURNS)}, is {kind}")
    if n_bars < 2:
        raise InvalidArgument(f"n_bars should be >= 2, is {n_bars}")
    rng = market_rng(kind, index, seed)
    return ohlcv_bars(_RETURNS[kind](n_bars, rng, SIGMA), rng)


def ohlcv_bars(log_returns: FloatArray, rng: np.random.Generator, *, sigma: float = SIGMA) -> Bars:
    """Return hourly bars whose closes follow `log_returns`, shape (n_bars,), from a first open of 100.

    Open is the close before; high and low lie beyond open and close by exp(0.35 sigma |N|); log
    volume is 10 + x, x = 0.95 x + 0.1 (|r| / sd - 0.8) + 0.105 N.
    """
    n_bars = log_returns.shape[0]
    close = 100 * np.exp(np.cumsum(log_returns))
    open_ = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(open_, close) * np.exp(0.35 * sigma * np.abs(rng.standard_normal(n_bars)))
    low = np.minimum(open_, close) * np.exp(-0.35 * sigma * np.abs(rng.standard_normal(n_bars)))
    size = np.abs(log_returns) / max(float(log_returns.std()), 1e-12)
    surprise = 0.1 * (size - 0.8) + 0.105 * rng.standard_normal(n_bars)
    volume = np.exp(10 + _autoregressive_nb(surprise, 0.95))
    stamps = START_US + HOUR_US * np.arange(n_bars, dtype=np.int64)
    return Bars.create(stamps, open_, high, low, close, volume)


def gaussian_returns(n_bars: int, rng: np.random.Generator, sigma: float = SIGMA) -> FloatArray:
    """Return N1: independent normal log returns."""
    returns: FloatArray = sigma * rng.standard_normal(n_bars)
    return returns


def student_returns(n_bars: int, rng: np.random.Generator, sigma: float = SIGMA) -> FloatArray:
    """Return N2: Student t with 4 degrees of freedom, scaled to standard deviation sigma."""
    returns: FloatArray = sigma * np.sqrt(0.5) * rng.standard_t(4, n_bars)
    return returns


def garch_returns(n_bars: int, rng: np.random.Generator, sigma: float = SIGMA) -> FloatArray:
    """Return N3: GARCH(1, 1) with omega 0.02 sigma^2, alpha 0.08, beta 0.90 and unit-variance t6."""
    shocks = np.sqrt(4 / 6) * rng.standard_t(6, n_bars + _BURN_IN)
    path: FloatArray = _garch_nb(shocks, _GARCH_OMEGA, _GARCH_ALPHA, _GARCH_BETA)
    returns: FloatArray = sigma * path[_BURN_IN:]
    return returns


def regime_volatility_returns(n_bars: int, rng: np.random.Generator, sigma: float = SIGMA) -> FloatArray:
    """Return N4: normal log returns whose volatility switches between a calm and a wild state."""
    states = _switching_nb(rng.random(n_bars), _VOLATILITY_SWITCH, 0)
    returns: FloatArray = sigma * _VOLATILITY_STATES[states] * rng.standard_normal(n_bars)
    return returns


def resampled_index_returns(n_bars: int, rng: np.random.Generator, sigma: float = SIGMA) -> FloatArray:
    """Return N5: real S&P 500 days in blocks of mean length 50, each with a random sign."""
    daily = _index_returns()
    starts = rng.integers(0, daily.shape[0], n_bars)
    is_start = rng.random(n_bars) < 1 / 50
    is_start[0] = True
    first = np.maximum.accumulate(np.where(is_start, np.arange(n_bars), 0))
    drawn = daily[(starts[first] + np.arange(n_bars) - first) % daily.shape[0]]
    signs = 2.0 * rng.integers(0, 2, n_bars) - 1.0
    returns: FloatArray = sigma / daily.std() * drawn * signs
    return returns


def drifting_returns(n_bars: int, rng: np.random.Generator, sigma: float = SIGMA) -> FloatArray:
    """Return N6: normal log returns with the drift of a buy-and-hold Sharpe ratio of 1 a year."""
    returns: FloatArray = gaussian_returns(n_bars, rng, sigma) + sigma / np.sqrt(HOURS_PER_YEAR)
    return returns


def autoregressive_returns(
    n_bars: int, rng: np.random.Generator, sigma: float = SIGMA, *, phi: float = 0.15
) -> FloatArray:
    """Return P1: AR(1) log returns with N3 noise of variance sigma^2 (1 - phi^2)."""
    noise = garch_returns(n_bars, rng, sigma * float(np.sqrt(1 - phi * phi)))
    path: FloatArray = _autoregressive_nb(noise, phi)
    return path


def regime_drift_returns(
    n_bars: int, rng: np.random.Generator, sigma: float = SIGMA, *, drift: float = 0.15
) -> FloatArray:
    """Return P2: a drift of +- `drift` sigma whose sign flips each bar with probability 1/200, plus N3."""
    first = int(rng.integers(0, 2))
    states = _switching_nb(rng.random(n_bars), np.array([1 / 200, 1 / 200]), first)
    returns: FloatArray = drift * sigma * (2.0 * states - 1.0) + garch_returns(n_bars, rng, sigma)
    return returns


_RETURNS: dict[str, Callable[[int, np.random.Generator, float], FloatArray]] = {
    "N1": gaussian_returns,
    "N2": student_returns,
    "N3": garch_returns,
    "N4": regime_volatility_returns,
    "N5": resampled_index_returns,
    "N6": drifting_returns,
    "P1": autoregressive_returns,
    "P2": regime_drift_returns,
}


@dataclass(frozen=True)
class PlantedWord:
    """A word of 50 closes in 5 segments of 3 letters after which the market drifts.

    Attributes
    ----------
    word : the word's number, oldest letter most significant.
    horizon : bars that the drift lasts.
    direction : 1 up, -1 down.
    """

    word: int
    horizon: int
    direction: int


@dataclass(frozen=True)
class PlantedMarket:
    """A market whose only structure is a drift after some words.

    Attributes
    ----------
    drift : ndarray of shape (n_bars,), what was added to each bar's log return.
    """

    bars: Bars
    words: tuple[PlantedWord, ...]
    drift: FloatArray


def planted_words_market(
    n_bars: int,
    index: int,
    seed: int = SEED,
    *,
    n_words: int = 10,
    effect: float = 0.45,
    horizons: tuple[int, ...] = (5, 10, 20),
) -> PlantedMarket:
    """Return N3 noise in which each of `n_words` random common words is followed by a drift.

    After a bar whose last 50 closes spell the word, the next `horizon` log returns each gain
    direction x effect x (standard deviation of the last 50 returns) / sqrt(horizon), so that the
    forward return gains `effect` volatility units; the same word does not start again meanwhile.

    Raises
    ------
    InvalidArgument
        If n_bars < 100, n_words is not 1..243, or effect is not finite.
    """
    if n_bars < 100 or not 1 <= n_words <= 243 or not np.isfinite(effect):
        raise InvalidArgument(
            f"n_bars should be >= 100, n_words 1..243 and effect finite, are {n_bars}, {n_words} and {effect}"
        )
    rng = market_rng("patterns", index, seed)
    noise = garch_returns(n_bars, rng)
    cut = NormalDist().inv_cdf(2 / 3)
    share = np.bincount(_spelled_nb(noise, cut), minlength=243) / n_bars
    common = np.argsort(-share, kind="stable")[:COMMON_WORDS]
    words = rng.choice(common, n_words, replace=False)
    lengths = rng.choice(np.array(horizons), n_words)
    signs = 2 * rng.integers(0, 2, n_words) - 1
    returns = _planted_nb(noise, words, lengths, signs.astype(np.float64), effect, cut)
    planted = tuple(
        PlantedWord(int(word), int(horizon), int(sign))
        for word, horizon, sign in zip(words, lengths, signs, strict=True)
    )
    return PlantedMarket(ohlcv_bars(returns, rng), planted, returns - noise)


@lru_cache(maxsize=1)
def _index_returns() -> FloatArray:
    """Return demeaned daily log returns of the S&P 500 that ships with arch."""
    from arch.data import sp500

    close = np.asarray(sp500.load()["Adj Close"], dtype=np.float64)
    daily: FloatArray = np.diff(np.log(close))
    returns: FloatArray = daily - daily.mean()
    return returns


@njit(cache=True, nogil=True)
def _autoregressive_nb(noise, phi):  # type: ignore[no-untyped-def]
    path = np.empty_like(noise)
    level = 0.0
    for bar in range(noise.shape[0]):
        level = phi * level + noise[bar]
        path[bar] = level
    return path


@njit(cache=True, nogil=True)
def _garch_nb(shocks, omega, alpha, beta):  # type: ignore[no-untyped-def]
    path = np.empty_like(shocks)
    variance = omega / (1 - alpha - beta)
    for bar in range(shocks.shape[0]):
        path[bar] = np.sqrt(variance) * shocks[bar]
        variance = omega + alpha * path[bar] ** 2 + beta * variance
    return path


@njit(cache=True, nogil=True)
def _switching_nb(uniform, leave, state):  # type: ignore[no-untyped-def]
    states = np.empty(uniform.shape[0], dtype=np.int64)
    for bar in range(uniform.shape[0]):
        if uniform[bar] < leave[state]:
            state = 1 - state
        states[bar] = state
    return states


@njit(cache=True, nogil=True)
def _word_nb(window, cut):  # type: ignore[no-untyped-def]
    """Word of 50 closes by definition: independent of the miner's kernel."""
    mean, deviation = window.mean(), window.std()
    word = 0
    for segment in range(5):
        height = (window[10 * segment : 10 * segment + 10].mean() - mean) / deviation
        word = word * 3 + (height > -cut) + (height > cut)
    return word


@njit(cache=True, nogil=True)
def _spelled_nb(returns, cut):  # type: ignore[no-untyped-def]
    close = np.exp(np.cumsum(returns))
    words = np.empty(returns.shape[0] - 49, dtype=np.int64)
    for bar in range(49, returns.shape[0]):
        words[bar - 49] = _word_nb(close[bar - 49 : bar + 1], cut)
    return words


@njit(cache=True, nogil=True)
def _planted_nb(noise, words, horizons, signs, effect, cut):  # type: ignore[no-untyped-def]
    """Grow the path bar by bar: drift changes later words."""
    n_bars = noise.shape[0]
    returns = noise.copy()
    close = np.empty(n_bars)
    free_from = np.zeros(words.shape[0], dtype=np.int64)
    level = 0.0
    for bar in range(n_bars):
        level += returns[bar]
        close[bar] = np.exp(level)
        if bar < 50:
            continue
        word = _word_nb(close[bar - 49 : bar + 1], cut)
        for k in range(words.shape[0]):
            if words[k] == word and bar >= free_from[k]:
                free_from[k] = bar + horizons[k]
                gain = signs[k] * effect * returns[bar - 49 : bar + 1].std() / np.sqrt(horizons[k])
                for ahead in range(bar + 1, min(bar + 1 + horizons[k], n_bars)):
                    returns[ahead] += gain
    return returns
