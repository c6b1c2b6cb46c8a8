"""Seeded generators of random markets: the only source of random bars in tests and benchmarks."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from trainingday.bars import Bars
from trainingday.typing import FloatArray

HOUR_US = 3_600_000_000
START_US = 1_577_836_800_000_000  # 2020-01-01 UTC


def bars_from_log_returns(returns: FloatArray, rng: np.random.Generator, *, sigma: float = 0.005) -> Bars:
    """Return hourly bars whose closes follow `returns`, with EVIDENCE.md's highs, lows and volume."""
    n_bars = returns.shape[0]
    close = 100 * np.exp(np.cumsum(returns))
    open_ = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(open_, close) * np.exp(0.35 * sigma * np.abs(rng.standard_normal(n_bars)))
    low = np.minimum(open_, close) * np.exp(-0.35 * sigma * np.abs(rng.standard_normal(n_bars)))
    surprise = 0.1 * (np.abs(returns) / max(returns.std(), 1e-12) - 0.8) + 0.105 * rng.standard_normal(n_bars)
    log_volume = np.empty(n_bars)
    level = 0.0
    for bar in range(n_bars):
        level = 0.95 * level + surprise[bar]
        log_volume[bar] = 10 + level
    stamps = START_US + HOUR_US * np.arange(n_bars, dtype=np.int64)
    return Bars.create(stamps, open_, high, low, close, np.exp(log_volume))


def gaussian_bars(n_bars: int, seed: int, *, sigma: float = 0.005) -> Bars:
    """Return a null market: independent normal log returns."""
    rng = np.random.default_rng(seed)
    return bars_from_log_returns(sigma * rng.standard_normal(n_bars), rng, sigma=sigma)


def autoregressive_bars(n_bars: int, seed: int, *, phi: float = 0.15, sigma: float = 0.006) -> Bars:
    """Return a planted market: AR(1) log returns with coefficient `phi`."""
    rng = np.random.default_rng(seed)
    noise = sigma * rng.standard_normal(n_bars)
    returns = np.empty(n_bars)
    previous = 0.0
    for bar in range(n_bars):
        previous = phi * previous + noise[bar]
        returns[bar] = previous
    return bars_from_log_returns(returns, rng, sigma=sigma)


def null_returns(kind: str, n_bars: int, rng: np.random.Generator, *, sigma: float = 0.005) -> FloatArray:
    """Return returns without any signal: EVIDENCE.md's N1 gaussian to N5 sp500 (real moves, random signs)."""
    if kind == "gaussian":
        return sigma * rng.standard_normal(n_bars)
    if kind == "student":
        return sigma * np.sqrt(0.5) * rng.standard_t(4, n_bars)
    if kind == "garch":
        return _garch_returns(n_bars, rng, sigma)
    if kind == "regime":
        levels = np.where(_two_states(n_bars, rng, 1 / 500, 1 / 150), 2.2, 0.6) / 1.180613
        return sigma * levels * rng.standard_normal(n_bars)
    if kind == "sp500":
        return _sp500_returns(n_bars, rng, sigma)
    raise ValueError(f"kind should be gaussian, student, garch, regime or sp500, is {kind}")


@lru_cache(maxsize=1)
def _sp500_moves() -> FloatArray:
    import arch.data.sp500

    moves = np.diff(np.log(arch.data.sp500.load()["Adj Close"].to_numpy()))
    return moves - moves.mean()


def _sp500_returns(n_bars: int, rng: np.random.Generator, sigma: float) -> FloatArray:
    """Return a stationary bootstrap (mean block 50) of daily S&P 500 log returns with random signs."""
    moves = _sp500_moves()
    is_new = rng.random(n_bars) < 1 / 50
    is_new[0] = True
    starts = rng.integers(moves.size, size=n_bars)
    first = np.maximum.accumulate(np.where(is_new, np.arange(n_bars), 0))
    picked = moves[(starts[first] + np.arange(n_bars) - first) % moves.size]
    return sigma / moves.std() * picked * rng.choice([-1.0, 1.0], n_bars)


def _garch_returns(n_bars: int, rng: np.random.Generator, sigma: float, burn_in: int = 500) -> FloatArray:
    shocks = (rng.standard_t(6, n_bars + burn_in) / np.sqrt(1.5)).tolist()
    returns = np.empty(n_bars + burn_in)
    variance = sigma**2
    for bar, shock in enumerate(shocks):
        returns[bar] = shock * variance**0.5
        variance = 0.02 * sigma**2 + 0.08 * returns[bar] ** 2 + 0.90 * variance
    return returns[burn_in:]


def _two_states(n_bars: int, rng: np.random.Generator, to_high: float, to_low: float) -> np.ndarray:
    draws = rng.random(n_bars).tolist()
    is_high = np.empty(n_bars, dtype=np.bool_)
    state = False
    for bar, draw in enumerate(draws):
        state = draw >= to_low if state else draw < to_high
        is_high[bar] = state
    return is_high


# The planted markets of LEARNING.md: name -> (bars per year, standard deviation of the noise).
PLANTED = {
    "ar1_hourly": (8760.0, 0.006),
    "mixture_hourly": (8760.0, 0.006),
    "regime_hourly": (8760.0, 0.006),
    "ar1_daily": (365.0, 0.03),
    "ou_daily": (365.0, 0.03),
    "regime_daily": (365.0, 0.03),
    "ou_slow_hourly": (8760.0, 0.006),
}
AUTOREGRESSION = {"ar1_hourly": 0.10, "ar1_daily": 0.20}
REVERSION = {"mixture_hourly": 0.9, "ou_daily": 0.93, "ou_slow_hourly": 0.9955}
MIXTURE_SHARE = 0.65
REGIMES = {"regime_hourly": (0.99, 0.0006), "regime_daily": (0.97, 0.009)}  # stay probability, drift


def planted_bars(name: str, n_bars: int, seed: int) -> Bars:
    """Return bars of a planted market; open equals the close before."""
    rng = np.random.default_rng(seed)
    return bars_from_log_returns(planted_returns(name, n_bars, rng), rng, sigma=PLANTED[name][1])


def planted_returns(name: str, n_bars: int, rng: np.random.Generator) -> FloatArray:
    """Return log returns, (n_bars,), of a market with something to learn, by LEARNING.md's generators."""
    sigma = PLANTED[name][1]
    noise = sigma * rng.standard_normal(n_bars)
    if name in AUTOREGRESSION:
        return _autoregression(noise, AUTOREGRESSION[name])
    if name in REGIMES:
        stay, drift = REGIMES[name]
        signs = np.cumprod(np.where(rng.random(n_bars) < stay, 1.0, -1.0))
        return drift * signs + noise
    share = MIXTURE_SHARE if name == "mixture_hourly" else 1.0
    levels = _autoregression(share * noise, REVERSION[name])
    walk = np.sqrt(1 - share**2) * sigma * rng.standard_normal(n_bars)
    return np.diff(levels, prepend=0.0) + walk


def _autoregression(noise: FloatArray, coefficient: float) -> FloatArray:
    values = np.empty(noise.shape[0])
    previous = 0.0
    for bar in range(noise.shape[0]):
        previous = coefficient * previous + noise[bar]
        values[bar] = previous
    return values


def bars_from_closes(close: FloatArray) -> Bars:
    """Return hourly bars without volume that open at the close before and hold nothing between."""
    open_ = np.concatenate((close[:1], close[:-1]))
    stamps = START_US + HOUR_US * np.arange(close.shape[0], dtype=np.int64)
    return Bars.create(stamps, open_, np.maximum(open_, close), np.minimum(open_, close), close)
