"""The random stream of each generation."""

from __future__ import annotations

from strategies.genetic.brood import make_rng


def test_every_generation_and_seed_has_its_own_stream() -> None:
    drawn = {float(make_rng(seed, generation).random()) for seed in range(5) for generation in range(20)}
    assert len(drawn) == 100
    assert make_rng(3, 7).random() == make_rng(3, 7).random()
