"""What an agent is paid for, as one table: reward of every bar, held position and next position."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from sessions.rl.errors import TrainingDiverged
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument, NotEnoughBars
from trainingday.policy.network import POSITIONS
from trainingday.typing import Float32Array, FloatArray

if TYPE_CHECKING:
    from trainingday.backtest.engine import Costs

TARGET_SHARPE = 3.0  # the risk aversion at which an agent that earns this Sharpe ratio holds full positions
VOLATILITY_SPAN = 128

# (profit and loss, trading cost, volatility, risk_aversion) -> reward, all of shape (n_bars - 1, 3, 3) or (n_bars - 1, 1, 1)
RewardFunction = Callable[[FloatArray, FloatArray, FloatArray, float], FloatArray]


def risk_aversion(bars_per_year: float, risk_factor: float = 1.0) -> float:
    """Return lambda: target Sharpe ratio per bar, 3 / sqrt(bars_per_year), times `risk_factor`."""
    return float(risk_factor * TARGET_SHARPE / np.sqrt(bars_per_year))


def _scaled(pnl: FloatArray, cost: FloatArray, volatility: FloatArray, aversion: float) -> FloatArray:
    scale = max(float(np.sqrt(np.mean(volatility**2))), 1e-12)
    return (pnl - cost) / scale - 0.5 * aversion * (pnl / scale) ** 2


def _volatility(pnl: FloatArray, cost: FloatArray, volatility: FloatArray, aversion: float) -> FloatArray:
    scale = np.maximum(volatility, 1e-12)
    return (pnl - cost) / scale - 0.5 * aversion * (pnl / scale) ** 2


def _downside(pnl: FloatArray, cost: FloatArray, volatility: FloatArray, aversion: float) -> FloatArray:
    scale = max(float(np.sqrt(np.mean(volatility**2))), 1e-12)
    return (pnl - cost) / scale - aversion * np.minimum(pnl / scale, 0.0) ** 2


REWARDS: dict[str, RewardFunction] = {"scaled": _scaled, "volatility": _volatility, "downside": _downside}


def reward_table(
    bars: Bars,
    costs: Costs,
    *,
    bars_per_year: float,
    risk_factor: float = 1.0,
    reward: str = "scaled",
) -> Float32Array:
    """Return the reward of deciding each next position at each bar's close, for each held position.

    Parameters
    ----------
    bars : Bars of shape (n_bars,)
    costs : Costs
        Fee and slippage per side, fractions of the traded value.
    bars_per_year, risk_factor : float
        Set the risk aversion, see `risk_aversion`.
    reward : str
        A name in `REWARDS`. "scaled": profit over the bars' standard deviation, less half the risk
        aversion times its square. "volatility": the same over each bar's EWM volatility (span 128, known
        at the decision). "downside": the penalty on losses only, whole.

    Returns
    -------
    ndarray of shape (n_bars - 1, 3, 3), float32
        Axes: bar of the decision, held position, next position (short, flat, long).

    Raises
    ------
    InvalidArgument, NotEnoughBars
        If `reward` is no registered name, or there are fewer than 3 bars.
    TrainingDiverged
        If a reward is not finite.

    Notes
    -----
    The held position earns the log return from this close to the next open, where the trade is filled; the
    next position earns from there to the next close. Both are linear in the position: the engine's drift
    between trades is left out, so that the reward depends on bar and position alone.
    """
    if reward not in REWARDS:
        raise InvalidArgument(f"reward should be one of {sorted(REWARDS)}, is {reward!r}")
    if len(bars) < 3:
        raise NotEnoughBars(f"bars should number >= 3, number {len(bars)}")
    held, following = np.array(POSITIONS)[None, :, None], np.array(POSITIONS)[None, None, :]
    if not (np.isfinite(bars.open).all() and np.isfinite(bars.close).all()):
        raise TrainingDiverged("a reward is not finite: a price is not")
    overnight = np.log(bars.open[1:] / bars.close[:-1])[:, None, None]
    session = np.log(bars.close[1:] / bars.open[1:])[:, None, None]
    pnl = held * overnight + following * session
    cost = (costs.fee + costs.slippage) * np.abs(following - held)
    volatility = _volatility_before(bars.close, reward)[:, None, None]
    aversion = risk_aversion(bars_per_year, risk_factor)
    table = REWARDS[reward](pnl, cost, volatility, aversion).astype(np.float32)
    if not np.isfinite(table).all():
        raise TrainingDiverged("a reward is not finite")
    return table


def _volatility_before(close: FloatArray, reward: str) -> FloatArray:
    """Return the volatility that scales each decision's reward, (n_bars - 1,)."""
    moves = np.diff(np.log(close))
    if reward != "volatility":
        return np.full(moves.shape[0], moves.std())
    decay = 2.0 / (VOLATILITY_SPAN + 1)
    squares = np.empty(moves.shape[0])
    level = float(np.mean(moves[:VOLATILITY_SPAN] ** 2))  # the reward may look ahead here: it is not observed
    for bar in range(moves.shape[0]):
        squares[bar] = level
        level += decay * (moves[bar] ** 2 - level)
    return np.sqrt(squares)
