"""One generation of NSGA-II: who survives, who mates, and that nothing but the arguments decides."""

import numpy as np
import pytest

from trainingday.exceptions import InvalidArgument
from trainingday.nsga2 import breed


def scored(n: int, n_genes: int = 3, seed: int = 1):
    """Return genomes whose two objectives pull the first gene both ways."""
    genomes = np.random.default_rng(seed).random((n, n_genes))
    away = ((genomes[:, 1:] - 0.5) ** 2).sum(axis=1)
    return genomes, np.column_stack((genomes[:, 0] - away, 1 - genomes[:, 0] - away))


def dominated(objectives):
    better = (objectives[:, None] >= objectives[None]).all(axis=2)
    strictly = (objectives[:, None] > objectives[None]).any(axis=2)
    return (better & strictly).any(axis=0)


def test_whoever_nobody_dominates_survives_first():
    genomes, objectives = scored(40)
    offspring = breed(genomes, objectives, 12, 5, seed=3)
    front = set(np.flatnonzero(~dominated(objectives)).tolist())
    survivors = set(offspring.survivors)
    assert len(offspring.survivors) == len(survivors) == 12
    assert front <= survivors or survivors <= front


def test_children_lie_in_the_box_and_their_parents_are_survivors():
    genomes, objectives = scored(30)
    offspring = breed(genomes, objectives, 10, 50, seed=4)
    assert offspring.children.shape == offspring.crossed.shape == (50, 3)
    assert ((offspring.children >= 0) & (offspring.children <= 1)).all()
    assert {row for couple in offspring.couples for row in couple} <= set(offspring.survivors)
    assert all(one != two for one, two in offspring.couples)


def test_simulated_binary_crossover_lands_near_a_parent():
    genomes, objectives = scored(30)
    offspring = breed(genomes, objectives, 10, 200, seed=5)
    one, two = (genomes[[couple[side] for couple in offspring.couples]] for side in (0, 1))
    distance = np.minimum(abs(offspring.crossed - one), abs(offspring.crossed - two))
    assert np.median(distance) < 0.05 * np.median(abs(one - two))


def test_mutation_changes_some_genes_of_some_children():
    genomes, objectives = scored(30)
    offspring = breed(genomes, objectives, 10, 300, seed=6)
    changed = (offspring.children != offspring.crossed).mean()
    assert 0.2 < changed < 0.5  # one gene of three on average


def test_the_arguments_alone_decide():
    genomes, objectives = scored(20)
    one, again, other = (breed(genomes, objectives, 8, 20, seed=seed) for seed in (7, 7, 8))
    assert one.couples == again.couples and one.children.tobytes() == again.children.tobytes()
    assert one.children.tobytes() != other.children.tobytes()


def test_fewer_rows_than_survivors_all_survive():
    genomes, objectives = scored(3)
    assert sorted(breed(genomes, objectives, 10, 4, seed=1).survivors) == [0, 1, 2]


@pytest.mark.parametrize(("n", "n_survivors"), [(1, 4), (5, 1)])
def test_it_refuses_a_generation_that_cannot_mate(n, n_survivors):
    genomes, objectives = scored(n)
    with pytest.raises(InvalidArgument, match="should be >= 2"):
        breed(genomes, objectives, n_survivors, 4, seed=1)


def test_generations_approach_the_front():
    genomes, objectives = scored(40, seed=9)
    for seed in range(15):
        offspring = breed(genomes, objectives, 20, 20, seed)
        genomes = np.vstack((genomes[list(offspring.survivors)], offspring.children))
        genomes = np.unique(genomes, axis=0)
        objectives = np.column_stack(
            [
                genomes[:, 0] - ((genomes[:, 1:] - 0.5) ** 2).sum(axis=1),
                1 - genomes[:, 0] - ((genomes[:, 1:] - 0.5) ** 2).sum(axis=1),
            ]
        )
    # On the true front the other genes are 0.5, so the objectives sum to 1.
    assert np.median(objectives.sum(axis=1)) > 0.99
    assert np.ptp(objectives[:, 0]) > 0.5
