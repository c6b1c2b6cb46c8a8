"""Many tests at once, or one after another: which may be called discoveries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainingday.exceptions import InvalidArgument
from trainingday.typing import BoolArray, FloatArray, IntArray


def bonferroni(p_values: FloatArray, level: float = 0.05) -> BoolArray:
    """Return which hypotheses are rejected with family-wise error <= `level`, shape (n_tests,)."""
    values = _checked(p_values, level)
    rejected: BoolArray = values <= level / max(values.shape[0], 1)
    return rejected


def benjamini_hochberg(p_values: FloatArray, level: float = 0.05) -> BoolArray:
    """Return which hypotheses are rejected with false discovery rate <= `level`, shape (n_tests,).

    Parameters
    ----------
    p_values : ndarray of shape (n_tests,)
        All tests that were made, not only the interesting ones.
    level : float
        Expected share of false discoveries, 0 < level < 1.

    Notes
    -----
    Benjamini & Hochberg (1995): step-up, for independent or positively dependent tests.
    """
    return _step_up(_checked(p_values, level), level)


def benjamini_yekutieli(p_values: FloatArray, level: float = 0.05) -> BoolArray:
    """Return the rejections of Benjamini & Yekutieli (2001), valid under any dependence."""
    values = _checked(p_values, level)
    harmonic = float(np.sum(1.0 / np.arange(1, values.shape[0] + 1)))
    return _step_up(values, level / harmonic) if values.shape[0] else _step_up(values, level)


def lord_levels(p_values: Sequence[float], level: float = 0.05, wealth: float | None = None) -> FloatArray:
    """Return the level of each test of a stream under LORD++, shape (n_tests + 1,).

    Parameters
    ----------
    p_values : sequence of float
        In the order in which the tests were made.
    level : float
        False discovery rate, 0 < level < 1.
    wealth : float, optional
        Initial wealth w0, 0 < wealth < level; by default half the level.

    Returns
    -------
    ndarray of shape (n_tests + 1,)
        Test t is a discovery where p_values[t] <= levels[t]; the last one is for the next test.

    Notes
    -----
    Ramdas, Yang, Wainwright & Jordan (2017), with the weights of Javanmard & Montanari (2018),
    equation 31.
    """
    values = _checked(np.asarray(p_values, dtype=np.float64), level)
    first_wealth = level / 2.0 if wealth is None else wealth
    if not 0.0 < first_wealth < level:
        raise InvalidArgument(f"wealth should be > 0 and < level = {level}, is {first_wealth}")
    n_tests = values.shape[0]
    weights = _lord_weights(n_tests + 1)
    levels = first_wealth * weights
    has_discovery = False
    for test in range(n_tests):
        if values[test] <= levels[test]:
            payout = level if has_discovery else level - first_wealth
            levels[test + 1 :] += payout * weights[: n_tests - test]
            has_discovery = True
    return levels


def alpha_investing_levels(has_passed: Sequence[bool], level: float = 0.05, spend: float = 0.1) -> FloatArray:
    """Return the level of each test of a stream under alpha investing, shape (n_tests + 1,).

    Parameters
    ----------
    has_passed : sequence of bool
        Whether each test so far was passed, in order.
    level : float
        Initial wealth and the payout of a pass, 0 < level < 1.
    spend : float
        Share of the wealth that is the level of the next test, 0 < spend < 1.

    Notes
    -----
    Foster & Stine (2008): a failed test at level a costs a / (1 - a). The ten exams of the product are
    the plain version of it: ten equal levels, refilled by a promotion.
    """
    if not 0.0 < level < 1.0:
        raise InvalidArgument(f"level should be > 0 and < 1, is {level}")
    if not 0.0 < spend < 1.0:
        raise InvalidArgument(f"spend should be > 0 and < 1, is {spend}")
    wealth = level
    levels = [spend * wealth]
    for passed in has_passed:
        wealth += level if passed else -levels[-1] / (1.0 - levels[-1])
        # Wealth near 1 after many passes must not ask for a level at which a test cannot fail.
        levels.append(spend * min(wealth, 1.0))
    return np.array(levels)


def thin_occurrences(bars: IntArray, min_gap: int) -> IntArray:
    """Return the occurrences at least `min_gap` bars after the last kept one, the first always kept.

    Parameters
    ----------
    bars : ndarray of shape (n_occurrences,)
        Bar numbers, not decreasing.
    min_gap : int
        Bars, >= 1; with the forward horizon, no two outcomes overlap.
    """
    if min_gap < 1:
        raise InvalidArgument(f"min_gap should be >= 1, is {min_gap}")
    kept: list[int] = []
    for bar in np.asarray(bars, dtype=np.int64).tolist():
        if kept and bar < kept[-1]:
            raise InvalidArgument(f"bars should not decrease, {bar} follows {kept[-1]}")
        if not kept or bar - kept[-1] >= min_gap:
            kept.append(bar)
    return np.array(kept, dtype=np.int64)


def _lord_weights(n_tests: int) -> FloatArray:
    index = np.arange(1, n_tests + 1, dtype=np.float64)
    logs = np.log(np.maximum(index, 2.0))
    weights: FloatArray = 0.07720838 * logs / (index * np.exp(np.sqrt(np.log(index))))
    return weights


def _step_up(values: FloatArray, level: float) -> BoolArray:
    n_tests = values.shape[0]
    rejected = np.zeros(n_tests, dtype=np.bool_)
    order = np.argsort(values, kind="stable")
    under = np.flatnonzero(values[order] <= level * np.arange(1, n_tests + 1) / max(n_tests, 1))
    if under.size:
        rejected[order[: under[-1] + 1]] = True
    return rejected


def _checked(p_values: FloatArray, level: float) -> FloatArray:
    values = np.ascontiguousarray(p_values, dtype=np.float64)
    if values.ndim != 1:
        raise InvalidArgument(f"p_values should have 1 dimension, has {values.ndim}")
    bad = np.flatnonzero(~((values >= 0.0) & (values <= 1.0)))
    if bad.size:
        raise InvalidArgument(f"p_values should be 0..1, is {values[bad[0]]} at test {int(bad[0])}")
    if not 0.0 < level < 1.0:
        raise InvalidArgument(f"level should be > 0 and < 1, is {level}")
    return values
