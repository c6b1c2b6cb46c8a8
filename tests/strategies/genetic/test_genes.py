"""Bounds, scales and sampling of gene spaces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.genetic.genes import GeneSpace, gene_spaces
from tests.strategies.genetic.toys import MODEL, MOMENTUM, REVERSION, ToyFamily, ToyGene
from trainingday.exceptions import InvalidArgument


@st.composite
def toy_genes(draw: st.DrawFn, name: str = "gene") -> ToyGene:
    is_integer, is_log = draw(st.booleans()), draw(st.booleans())
    if is_integer:
        low = float(draw(st.integers(1 if is_log else -300, 300)))
        high = low + draw(st.integers(0, 500))
        default = float(draw(st.integers(int(low), int(high))))
    else:
        low = draw(st.floats(1e-4, 10) if is_log else st.floats(-50, 50))
        high = low + draw(st.floats(0, 100))
        default = draw(st.floats(low, high))
    return ToyGene(name, low, high, default, is_integer, is_log)


@st.composite
def toy_families(draw: st.DrawFn) -> ToyFamily:
    n_genes = draw(st.integers(0, 4))
    return ToyFamily("toy", tuple(draw(toy_genes(f"gene{index}")) for index in range(n_genes)))


def assert_inside(space: GeneSpace, genomes: np.ndarray) -> None:
    assert np.all(genomes >= space.low)
    assert np.all(genomes <= space.high)
    assert np.all(genomes[:, space.is_integer] % 1 == 0)


@given(toy_families(), st.integers(0, 30), st.integers(0, 2**32))
def test_samples_stay_inside_and_integers_whole(family: ToyFamily, n: int, seed: int) -> None:
    space = GeneSpace.of(family)
    genomes = space.sample(n, np.random.default_rng(seed))
    assert genomes.shape == (n, len(family.parameters))
    assert_inside(space, genomes)


@given(toy_families(), st.integers(0, 2**32))
def test_unit_coordinates_are_within_0_and_1_and_keep_order(family: ToyFamily, seed: int) -> None:
    space = GeneSpace.of(family)
    genomes = np.sort(space.sample(20, np.random.default_rng(seed)), axis=0)
    unit = space.to_unit(genomes)
    assert np.all((unit >= -1e-12) & (unit <= 1 + 1e-12))
    assert np.all(np.diff(unit, axis=0) >= 0)


def test_a_log_gene_is_sampled_evenly_by_ratio() -> None:
    space = GeneSpace.of(ToyFamily("toy", (ToyGene("rate", 1e-5, 1e-1, 1e-3, False, True),)))
    sampled = space.sample(400, np.random.default_rng(1))[:, 0]
    # Four decades, a hundred each: exact up to the strata at the edges of the decades.
    counts = np.histogram(np.log10(sampled), bins=[-5, -4, -3, -2, -1])[0]
    np.testing.assert_allclose(counts, 100, atol=1)


def test_every_integer_gets_the_same_share() -> None:
    space = GeneSpace.of(ToyFamily("toy", (ToyGene("window", 1, 5, 3, True),)))
    values, counts = np.unique(space.sample(1000, np.random.default_rng(1)), return_counts=True)
    np.testing.assert_array_equal(values, [1, 2, 3, 4, 5])
    np.testing.assert_allclose(counts, 200, atol=1)


def test_capacity_counts_different_vectors() -> None:
    assert GeneSpace.of(MODEL).capacity == 1
    assert (
        GeneSpace.of(ToyFamily("toy", (ToyGene("a", 1, 5, 3, True), ToyGene("b", 0, 1, 0, True)))).capacity
        == 10
    )
    assert GeneSpace.of(MOMENTUM).capacity == np.inf


@pytest.mark.parametrize(
    ("gene", "message"),
    [
        (ToyGene("x", 1, 2, 3), r"toy\.x default should be within \[1, 2\], is 3"),
        (ToyGene("x", 0, 2, 1, False, True), r"toy\.x low should be > 0 on a log scale, is 0"),
        (ToyGene("x", 0.5, 2, 1, True), r"toy\.x should have whole bounds and default, has 0.5"),
        (ToyGene("x", 0, float("inf"), 1), r"toy\.x should have finite bounds"),
    ],
)
def test_it_refuses_a_broken_gene(gene: ToyGene, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        GeneSpace.of(ToyFamily("toy", (gene,)))


def test_it_refuses_no_family_and_two_of_one_name() -> None:
    with pytest.raises(InvalidArgument, match="at least 1 family, holds 0"):
        gene_spaces([])
    with pytest.raises(InvalidArgument, match="different names"):
        gene_spaces([MOMENTUM, REVERSION, MOMENTUM])
