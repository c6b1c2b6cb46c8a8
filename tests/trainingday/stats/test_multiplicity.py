"""Multiple tests: the papers' examples, statsmodels, and error rates that are kept on noise."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from trainingday.exceptions import InvalidArgument
from trainingday.stats.multiplicity import (
    alpha_investing_levels,
    benjamini_hochberg,
    benjamini_yekutieli,
    bonferroni,
    lord_levels,
    thin_occurrences,
)

# Benjamini & Hochberg (1995), section 4.1.
PAPER = np.array(
    [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1.0000,
    ]
)


@pytest.mark.parametrize(
    ("procedure", "n_rejected"), [(benjamini_hochberg, 4), (benjamini_yekutieli, 3), (bonferroni, 3)]
)
def test_the_example_of_benjamini_and_hochberg(procedure, n_rejected):
    order = np.random.default_rng(2).permutation(15)
    rejected = procedure(PAPER[order], 0.05)
    assert rejected.sum() == n_rejected
    assert set(PAPER[order][rejected]) == set(PAPER[:n_rejected])


@settings(max_examples=100, deadline=None)
@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=60), level=st.floats(0.01, 0.5))
def test_statsmodels_agrees(p_values, level):
    values = np.array(p_values)
    pairs = (
        (benjamini_hochberg, "fdr_bh"),
        (benjamini_yekutieli, "fdr_by"),
        (bonferroni, "bonferroni"),
    )
    for ours, method in pairs:
        theirs = multipletests(values, alpha=level, method=method)[0]
        # A p-value exactly at its bound may fall either way by rounding: compare off the bounds.
        if not np.isclose(values * values.size, level, rtol=1e-9).any():
            assert ours(values, level).tolist() == theirs.tolist()


def test_no_tests_reject_nothing():
    for procedure in (benjamini_hochberg, benjamini_yekutieli, bonferroni):
        assert procedure(np.array([]), 0.05).shape == (0,)


@pytest.mark.parametrize("bad", [[0.5, np.nan], [-0.1], [1.1]])
def test_a_p_value_outside_its_bounds_is_named(bad):
    with pytest.raises(InvalidArgument, match=r"p_values should be 0\.\.1"):
        benjamini_hochberg(np.array(bad))


def test_lord_levels_of_the_specification():
    # Discoveries at the first two tests; the third and fourth levels follow from them.
    levels = lord_levels([1e-9, 1e-9, 0.5], 0.05)
    assert levels == pytest.approx([0.001338, 0.001629, 0.003215, 0.001036], abs=6e-7)


def test_lord_keeps_its_false_discovery_rate_on_mixed_streams():
    rng = np.random.default_rng(9)
    shares = []
    for _ in range(300):
        is_real = rng.random(100) < 0.2
        z = rng.standard_normal(100) + 3.5 * is_real
        p_values = norm.sf(z)
        found = p_values <= lord_levels(p_values, 0.05)[:-1]
        shares.append((found & ~is_real).sum() / max(found.sum(), 1))
    assert np.mean(shares) <= 0.05 + 3 * np.std(shares) / np.sqrt(300)


def test_alpha_investing_levels_of_the_specification():
    assert alpha_investing_levels([False, False]) == pytest.approx([0.005, 0.004497, 0.004046], abs=6e-7)


def test_a_pass_pays_alpha_investing_back():
    levels = alpha_investing_levels([False, True])
    assert levels[2] == pytest.approx(0.1 * (10 * levels[1] + 0.05))


def test_alpha_investing_never_runs_out_or_over():
    assert alpha_investing_levels([False] * 500).min() > 0
    assert alpha_investing_levels([True] * 500).max() <= 0.1


@pytest.mark.parametrize(
    "call",
    [
        lambda: lord_levels([0.5], 0.05, 0.05),
        lambda: lord_levels([0.5], 0.0),
        lambda: alpha_investing_levels([], 1.0),
        lambda: alpha_investing_levels([], 0.05, 0.0),
        lambda: thin_occurrences(np.array([1, 2]), 0),
        lambda: thin_occurrences(np.array([2, 1]), 1),
        lambda: benjamini_hochberg(np.zeros((2, 2))),
    ],
)
def test_a_wrong_argument_is_refused(call):
    with pytest.raises(InvalidArgument):
        call()


def test_thinning_of_the_specification():
    assert thin_occurrences(np.array([0, 3, 5, 6, 11, 12, 20]), 5).tolist() == [0, 5, 11, 20]
    assert thin_occurrences(np.array([], dtype=np.int64), 5).tolist() == []


@settings(max_examples=60, deadline=None)
@given(bars=st.lists(st.integers(0, 500), max_size=80).map(sorted), gap=st.integers(1, 40))
def test_thinned_occurrences_never_overlap_and_none_is_dropped_without_cause(bars, gap):
    kept = thin_occurrences(np.array(bars, dtype=np.int64), gap).tolist()
    assert all(later - earlier >= gap for earlier, later in itertools.pairwise(kept))
    assert all(any(0 <= bar - other < gap for other in kept) for bar in bars)
