"""The exact policy gradient: against brute force, samples, finite differences and value iteration."""

import itertools

import numpy as np
import pytest
import torch

from sessions.rl.policy_gradient import exact_gradient_nb


def _softmax(logits: np.ndarray) -> np.ndarray:
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def _problem(seed: int, n_windows: int = 1, n_bars: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shape = (n_windows, n_bars, 3, 3)
    return rng.standard_normal(shape).astype(np.float32), rng.standard_normal(shape).astype(np.float32)


def _gradient(
    logits: np.ndarray, rewards: np.ndarray, gamma: float = 1.0, ent_coef: float = 0.0
) -> np.ndarray:
    out = np.empty_like(logits)
    exact_gradient_nb(logits, rewards, gamma, ent_coef, out)
    return out


def _expected_reward(logits: np.ndarray, rewards: np.ndarray) -> float:
    """Return the mean reward per bar by enumerating every path of one window."""
    policy, n_bars, total = _softmax(logits.astype(np.float64)), logits.shape[0], 0.0
    for path in itertools.product(range(3), repeat=n_bars + 1):
        chance, earned = 1 / 3, 0.0
        for bar in range(n_bars):
            chance *= policy[bar, path[bar], path[bar + 1]]
            earned += rewards[bar, path[bar], path[bar + 1]]
        total += chance * earned
    return total / n_bars


def test_the_value_equals_the_sum_over_every_path() -> None:
    logits, rewards = _problem(1)
    value = exact_gradient_nb(logits, rewards, 1.0, 0.0, np.empty_like(logits))
    assert value == pytest.approx(_expected_reward(logits[0], rewards[0]), rel=1e-6)


def test_the_gradient_equals_finite_differences_of_that_sum() -> None:
    logits, rewards = _problem(2)
    gradient, step = _gradient(logits, rewards)[0], 1e-4
    for place in np.ndindex(*logits.shape[1:]):
        up, down = logits[0].astype(np.float64), logits[0].astype(np.float64)
        up[place] += step
        down[place] -= step
        slope = (_expected_reward(up, rewards[0]) - _expected_reward(down, rewards[0])) / (2 * step)
        assert gradient[place] == pytest.approx(slope, abs=1e-6)


def test_it_equals_the_sampled_gradient_in_expectation() -> None:
    logits, rewards = _problem(3, n_bars=6)
    policy, rng, n_samples = _softmax(logits[0].astype(np.float64)), np.random.default_rng(4), 200_000
    held = rng.integers(0, 3, n_samples)
    visited, chosen, earned = [], [], []
    for bar in range(6):
        draws = rng.random(n_samples)[:, None]
        action = (draws > policy[bar, held].cumsum(axis=1)).sum(axis=1).clip(0, 2)
        earned.append(rewards[0, bar, held, action])
        visited.append(held)
        chosen.append(action)
        held = action
    to_go = np.cumsum(np.array(earned)[::-1], axis=0)[::-1]
    sampled = np.zeros((6, 3, 3))
    squares = np.zeros((6, 3, 3))
    for bar in range(6):  # REINFORCE: reward to go times the gradient of log pi
        score = np.eye(3)[chosen[bar]] - policy[bar, visited[bar]]
        for state in range(3):
            terms = np.where((visited[bar] == state)[:, None], score * to_go[bar][:, None], 0.0)
            sampled[bar, state], squares[bar, state] = terms.mean(axis=0), terms.std(axis=0)
    z = (sampled / 6 - _gradient(logits, rewards)[0]) / (squares / 6 / np.sqrt(n_samples))
    assert np.abs(z).max() < 4.5  # 54 comparisons
    assert z.std() < 1.5


def test_it_equals_automatic_differentiation_of_the_surrogate() -> None:
    logits, rewards = _problem(5, n_windows=3, n_bars=7)
    gamma, ent_coef = 0.9, 0.05
    leaf = torch.tensor(logits.astype(np.float64), requires_grad=True)
    policy, reward = torch.softmax(leaf, dim=-1), torch.tensor(rewards.astype(np.float64))
    with torch.no_grad():
        occupancy = [torch.full((3, 3), 1 / 3, dtype=torch.float64)]
        for bar in range(6):
            occupancy.append(torch.einsum("wi,wij->wj", occupancy[-1], policy[:, bar]))
        value, quality = torch.zeros(3, 3, dtype=torch.float64), [None] * 7
        for bar in reversed(range(7)):
            quality[bar] = reward[:, bar] + gamma * value[:, None, :]
            value = (policy[:, bar] * quality[bar]).sum(-1)
    objective = torch.zeros((), dtype=torch.float64)
    for bar in range(7):
        step = (policy[:, bar] * quality[bar]).sum(-1)
        entropy = -(policy[:, bar] * policy[:, bar].log()).sum(-1)
        objective = objective + (occupancy[bar] * (step + ent_coef * entropy)).sum()
    (objective / 21).backward()
    np.testing.assert_allclose(_gradient(logits, rewards, gamma, ent_coef), leaf.grad.numpy(), atol=1e-7)


def test_ascending_it_finds_what_value_iteration_finds() -> None:
    rng = np.random.default_rng(6)
    rewards = rng.standard_normal((1, 12, 3, 3)).astype(np.float32)
    rewards -= 0.8 * np.abs(np.subtract.outer(np.arange(3), np.arange(3))).astype(np.float32)
    value = np.zeros(3)
    best = np.zeros((12, 3), dtype=int)
    for bar in reversed(range(12)):
        quality = rewards[0, bar] + value[None, :]
        best[bar], value = quality.argmax(axis=1), quality.max(axis=1)
    logits = np.zeros((1, 12, 3, 3), dtype=np.float32)
    for _ in range(3000):
        logits += 20.0 * _gradient(logits, rewards)
    policy = _softmax(logits[0].astype(np.float64))
    occupancy, expected = np.full(3, 1 / 3), 0.0
    for bar in range(12):
        expected += (occupancy[:, None] * policy[bar] * rewards[0, bar]).sum()
        for held in np.flatnonzero(occupancy > 0.05):
            assert policy[bar, held].argmax() == best[bar, held]
        occupancy = occupancy @ policy[bar]
    assert expected == pytest.approx(value.mean(), abs=0.02)


def test_extreme_logits_stay_finite() -> None:
    logits, rewards = _problem(7, n_windows=2)
    assert np.isfinite(_gradient(500 * logits, rewards, 1.0, 0.01)).all()
