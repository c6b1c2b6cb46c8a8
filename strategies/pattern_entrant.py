"""Patterns as an entrant of a tournament, scored on bars that neither found nor confirmed them."""

from __future__ import annotations

from patterns.train_set import freeze_train_set
from strategies.models import Tournament
from strategies.positions import PATTERN_FAMILY
from trainingday.bars import Bars
from trainingday.markets.splits import Split
from trainingday.runs.context import RunContext


def enter_patterns(
    context: RunContext, tournament: Tournament, train_bars: Bars, split: Split, progress: float
) -> None:
    """Let a pattern set take part that was mined and confirmed inside train; no set, no entrant.

    The book's confirmed patterns were confirmed on validation: selection on the very bars that rank a
    tournament, where luck alone gives them a good score. What takes part here is known before validation
    begins, so that its score there is as honest as a model's. The set is frozen by the first attempt, and
    a repeated one enters the same.
    """
    if "pattern_set" in tournament.configuration:
        return

    def report(share: float, stage: str) -> None:
        context.tick(progress, {"detail": f"patterns within train: {stage}"})

    name = freeze_train_set(tournament.market, train_bars, split.train, split.gap, report)
    configuration = {**tournament.configuration, "pattern_set": name}
    if name:
        names = [*configuration["families"], PATTERN_FAMILY]
        configuration["families"] = names
        configuration["population_size"] = max(configuration["population_size"], len(names))
    with context.transaction():
        Tournament.objects.filter(pk=tournament.pk).update(configuration=configuration)
    tournament.configuration = configuration
