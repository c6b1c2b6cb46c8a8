"""The best that prices alone allow on a planted market: the yardstick of bench_rl.

The oracle knows the generator and its parameters but sees prices only. It filters the hidden state, and
solves the average-reward problem with fees by relative value iteration over (filtered state, position).
"""

from __future__ import annotations

import numpy as np

from tests.markets import AUTOREGRESSION, MIXTURE_SHARE, PLANTED, REGIMES, REVERSION
from trainingday.bars import Bars
from trainingday.typing import FloatArray

N_GRID = 241
N_NODES = 32
POSITIONS = np.array([-1.0, 0.0, 1.0])


def oracle_positions(name: str, bars: Bars, fee: float, aversion: float = 0.0) -> FloatArray:
    """Return the oracle's targets, (n_bars,); `aversion` is lambda on returns in standard deviations."""
    returns = np.diff(np.log(bars.close), prepend=np.log(bars.open[0]))
    state, grid, means, transition = _problem(name, returns)
    sigma = float(np.std(returns))
    table = _solve(means, transition, fee, 0.5 * aversion * sigma)
    index = np.clip(np.searchsorted((grid[1:] + grid[:-1]) / 2, state), 0, len(grid) - 1)
    positions, held = np.empty(len(state)), 1
    for bar in range(len(state)):
        held = table[index[bar], held]
        positions[bar] = POSITIONS[held]
    return positions


def _problem(name: str, returns: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return filtered state per bar, state grid, mean next return per state, transition matrix."""
    sigma = PLANTED[name][1]
    if name in AUTOREGRESSION:
        phi = AUTOREGRESSION[name]
        return _linear(returns, phi, phi, sigma)
    if name in REGIMES:
        return _regime(returns, *REGIMES[name], sigma)
    rho = REVERSION[name]
    if name != "mixture_hourly":
        return _linear(np.cumsum(returns), rho, rho - 1.0, sigma)
    # Steady-state Kalman filter of x in r = (rho - 1) x + e_x + e_w, where e_x also drives x.
    q, w = (MIXTURE_SHARE * sigma) ** 2, (1 - MIXTURE_SHARE**2) * sigma**2
    variance = 0.0
    for _ in range(10_000):
        innovation = (rho - 1) ** 2 * variance + q + w
        gain = (rho * (rho - 1) * variance + q) / innovation
        variance = rho**2 * variance + q - gain**2 * innovation
    level, state = 0.0, np.empty(len(returns))
    for bar, move in enumerate(returns):
        level = rho * level + gain * (move - (rho - 1) * level)
        state[bar] = level
    return _linear(state, rho, rho - 1.0, gain * np.sqrt(innovation))


def _nodes() -> tuple[FloatArray, FloatArray]:
    nodes, weights = np.polynomial.hermite_e.hermegauss(N_NODES)
    return nodes, weights / weights.sum()


def _spread(grid: FloatArray, following: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the transition matrix of next states (n_grid, n_nodes), split between neighbours."""
    place = np.interp(following, grid, np.arange(len(grid), dtype=float))
    low = np.minimum(place.astype(int), len(grid) - 2)
    matrix = np.zeros((len(grid), len(grid)))
    for row in range(len(grid)):
        np.add.at(matrix[row], low[row], weights[row] * (1 - (place[row] - low[row])))
        np.add.at(matrix[row], low[row] + 1, weights[row] * (place[row] - low[row]))
    return matrix


def _linear(
    state: FloatArray, persistence: float, slope: float, noise: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    width = 5 * noise / np.sqrt(1 - persistence**2)
    grid = np.linspace(-width, width, N_GRID)
    nodes, weights = _nodes()
    following = persistence * grid[:, None] + noise * nodes
    matrix = _spread(grid, following, np.broadcast_to(weights, following.shape))
    return state, grid, slope * grid, matrix


def _regime(
    returns: FloatArray, stay: float, drift: float, sigma: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """The state is the log odds that the next bar's drift is up."""
    cap = np.log(stay / (1 - stay)) * (1 - 1e-9)

    def forward(odds: FloatArray, move: FloatArray) -> FloatArray:
        up = 1 / (1 + np.exp(-(odds + 2 * drift * move / sigma**2)))
        ahead = stay * up + (1 - stay) * (1 - up)
        return np.log(ahead / (1 - ahead))

    grid = np.linspace(-cap, cap, N_GRID)
    up = 1 / (1 + np.exp(-grid))
    nodes, weights = _nodes()
    moves = np.concatenate((drift + sigma * nodes, -drift + sigma * nodes))
    shares = np.concatenate((up[:, None] * weights, (1 - up)[:, None] * weights), axis=1)
    matrix = _spread(grid, forward(grid[:, None], moves[None, :]), shares)
    odds, state = np.float64(0.0), np.empty(len(returns))
    for bar, move in enumerate(returns):
        odds = forward(odds, move)
        state[bar] = odds
    return state, grid, drift * (2 * up - 1), matrix


def _solve(means: FloatArray, transition: FloatArray, fee: float, penalty: float) -> np.ndarray:
    """Return the best next position's index for each state and held position, (n_grid, 3)."""
    trade = fee * np.abs(POSITIONS[None, :] - POSITIONS[:, None])
    reward = (means[:, None] * POSITIONS - penalty * POSITIONS**2)[:, None, :] - trade[None]
    value = np.zeros((len(means), 3))
    for _ in range(20_000):
        quality = reward + (transition @ value)[:, None, :]
        after = quality.max(axis=2)
        after -= after[0, 1]
        if np.abs(after - value).max() < 1e-10:
            break
        value = after
    return quality.argmax(axis=2)
