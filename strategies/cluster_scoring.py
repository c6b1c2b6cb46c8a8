"""A generation scored by the workers of a cluster, chunk by chunk: the same bits as in this process."""

from __future__ import annotations

from collections.abc import Sequence

from strategies.genetic.chunks import ChunkTask, cut, evaluate_chunk, joined
from strategies.genetic.evolve import Evaluation
from strategies.genetic.genes import BreedingFamily
from strategies.library.base import Family
from strategies.scoring import ValidationScorer
from trainingday.compute.executor import TaskExecutor
from trainingday.typing import FloatArray


def score_on_cluster(
    executor: TaskExecutor,
    scorer: ValidationScorer,
    batches: Sequence[tuple[BreedingFamily, FloatArray]],
) -> list[Evaluation]:
    """Return what `scorer` returns for each family and its parameter vectors.

    All chunks are handed out at once, so that no worker waits for a family to end. Models and pattern sets
    need files that workers may not have: this process scores them.
    """
    tasks = [
        ChunkTask(family, chunk, scorer.terms)
        for family, genomes in batches
        if isinstance(family, Family)
        for chunk in cut(genomes)
    ]
    here = {
        family.name: scorer(family, genomes) for family, genomes in batches if not isinstance(family, Family)
    }
    done: dict[int, Evaluation] = {}

    def on_done(position: int, evaluation: Evaluation) -> None:
        done[position] = evaluation
        scorer.on_progress(len(evaluation.fitness))

    executor.run(evaluate_chunk, tasks, on_done=on_done, on_wait=lambda: scorer.on_progress(0))
    chunks = (done[position] for position in range(len(tasks)))
    return [
        here[family.name] if family.name in here else joined([next(chunks) for _ in cut(genomes)])
        for family, genomes in batches
    ]
