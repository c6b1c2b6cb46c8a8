"""What a policy sees of the market: features of every bar, from that bar and those before it."""

from __future__ import annotations

import numpy as np
from numba import njit

from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument
from trainingday.typing import Float32Array, FloatArray

FEATURE_VERSION = 1
CLIP = 5.0
HORIZONS = (1, 2, 4, 8, 16, 32, 64, 128)
MEAN_WINDOWS = (32, 128)
FAST_SPAN, SLOW_SPAN, BALANCE_SPAN, VOLUME_SPAN = 16, 128, 14, 128

FEATURE_NAMES = (
    *(f"return_{horizon}" for horizon in HORIZONS),
    *(f"distance_from_mean_{window}" for window in MEAN_WINDOWS),
    "volatility_ratio",
    "up_down_balance",
    "volume_surprise",
)
N_FEATURES = len(FEATURE_NAMES)

# A named choice is a set of columns of the one feature matrix, so that every choice is past-only.
OBSERVATIONS: dict[str, tuple[str, ...]] = {
    "standard": FEATURE_NAMES,
    "returns": FEATURE_NAMES[: len(HORIZONS)],
    "no_volume": FEATURE_NAMES[:-1],
}


def compute_features(bars: Bars, observation: str = "standard", first: int = 0) -> Float32Array:
    """Return the features of every bar from `first` on, each from that bar and all those before it.

    Parameters
    ----------
    bars : Bars of shape (n_bars,)
    observation : str
        A name in `OBSERVATIONS`; "standard" holds all of `FEATURE_NAMES`.
    first : int
        The rows of bars from here on are returned, to the bit those of all bars, in a fraction of the time.

    Returns
    -------
    ndarray of shape (n_bars - first, n_features), float32, clipped to [-5, 5]
        Log returns over 1 to 128 bars divided by (EWM volatility, span 128) * sqrt(horizon); distance of
        the log close from its 32- and 128-bar mean in population standard deviations; log ratio of fast
        (span 16) to slow (span 128) volatility; EWM balance of up and down moves in [-1, 1] (span 14);
        log volume's distance from its EWM mean in EWM standard deviations (span 128).

    Raises
    ------
    InvalidArgument
        If `observation` is no registered name.

    Notes
    -----
    Row t is known at the close of bar t. In the warm-up a feature whose window is not full is 0; where the
    volatility is 0 (constant prices) or the market has no volume, the features that need it are 0.
    """
    columns = observation_columns(observation)
    features = features_nb(bars.close, bars.volume, first)
    return features if len(columns) == N_FEATURES else np.ascontiguousarray(features[:, columns])


def observation_columns(observation: str) -> list[int]:
    """Return the columns of the feature matrix that a named observation keeps."""
    if observation not in OBSERVATIONS:
        raise InvalidArgument(f"observation should be one of {sorted(OBSERVATIONS)}, is {observation!r}")
    return [FEATURE_NAMES.index(name) for name in OBSERVATIONS[observation]]


def n_alike(bars: Bars, other: Bars) -> int:
    """Return how many of the first bars have the same features in both: what features read is equal up to there."""
    n = min(len(bars), len(other))
    is_equal = (bars.close[:n] == other.close[:n]) & (bars.volume[:n] == other.volume[:n])
    return n if is_equal.all() else int(is_equal.argmin())


@njit(cache=True, nogil=True)
def features_nb(close: FloatArray, volume: FloatArray, first: int) -> Float32Array:
    """Return all features of shape (n_bars - first, N_FEATURES); see `compute_features`."""
    n_bars = close.shape[0]
    out = np.zeros((max(n_bars - first, 0), N_FEATURES), dtype=np.float32)
    log_close = np.log(close)
    _price_features_nb(log_close, first, out)
    _volume_feature_nb(volume, first, out)
    return out


@njit(cache=True, nogil=True)
def _clip_nb(value: float) -> float:
    return min(max(value, -CLIP), CLIP)


@njit(cache=True, nogil=True)
def _price_features_nb(log_close: FloatArray, first: int, out: Float32Array) -> None:
    fast, slow, balance = 2.0 / (FAST_SPAN + 1), 2.0 / (SLOW_SPAN + 1), 2.0 / (BALANCE_SPAN + 1)
    fast_sum = fast_weight = slow_sum = slow_weight = 0.0
    up = down = 0.0
    n_horizons = len(HORIZONS)
    for bar in range(1, log_close.shape[0]):
        move = log_close[bar] - log_close[bar - 1]
        # Weights that sum to less than one at the start are divided out, so the warm-up is not biased to 0.
        fast_sum = (1 - fast) * fast_sum + fast * move * move
        fast_weight = (1 - fast) * fast_weight + fast
        slow_sum = (1 - slow) * slow_sum + slow * move * move
        slow_weight = (1 - slow) * slow_weight + slow
        up = (1 - balance) * up + balance * max(move, 0.0)
        down = (1 - balance) * down + balance * max(-move, 0.0)
        if bar < first:
            continue
        row = bar - first
        volatility = np.sqrt(slow_sum / slow_weight)
        if volatility > 1e-12:
            for column in range(n_horizons):
                horizon = HORIZONS[column]
                if bar >= horizon:
                    change = log_close[bar] - log_close[bar - horizon]
                    out[row, column] = _clip_nb(change / (volatility * np.sqrt(horizon)))
            fast_volatility = np.sqrt(fast_sum / fast_weight)
            if bar >= FAST_SPAN:
                out[row, n_horizons + 2] = _clip_nb(np.log(max(fast_volatility, 1e-12) / volatility))
        for column in range(len(MEAN_WINDOWS)):
            if bar + 1 >= MEAN_WINDOWS[column]:
                out[row, n_horizons + column] = _distance_nb(log_close, bar, MEAN_WINDOWS[column])
        if up + down > 1e-12:
            out[row, n_horizons + 3] = (up - down) / (up + down)


@njit(cache=True, nogil=True)
def _distance_nb(values: FloatArray, bar: int, window: int) -> float:
    """Return how many population standard deviations `values[bar]` is from its window's mean."""
    # Two passes over the window: running sums lose the digits that a small deviation needs.
    total = 0.0
    for index in range(bar + 1 - window, bar + 1):
        total += values[index]
    mean = total / window
    squares = 0.0
    for index in range(bar + 1 - window, bar + 1):
        squares += (values[index] - mean) ** 2
    deviation = np.sqrt(squares / window)
    if deviation <= 1e-12:
        return 0.0
    return _clip_nb((values[bar] - mean) / deviation)


@njit(cache=True, nogil=True)
def _volume_feature_nb(volume: FloatArray, first: int, out: Float32Array) -> None:
    decay = 2.0 / (VOLUME_SPAN + 1)
    mean = variance = 0.0
    for bar in range(volume.shape[0]):
        level = np.log1p(volume[bar])
        if bar == 0:
            mean = level
            continue
        surprise = level - mean
        # The deviation is of the bars before, so that one huge bar does not hide itself.
        if bar >= max(first, 16) and variance > 1e-12:
            out[bar - first, N_FEATURES - 1] = _clip_nb(surprise / np.sqrt(variance))
        mean += decay * surprise
        variance = (1 - decay) * (variance + decay * surprise * surprise)
