"""What a person may choose of a tournament, and the reason for a change of champion by hand."""

from __future__ import annotations

from django import forms

from strategies.models import Tournament
from strategies.plans import GENETIC, MAX_GENERATIONS, POPULATION_RANGE, SEARCHES
from strategies.services import MAX_SEED
from trainingday.markets.forms import MarketField
from trainingday.runs.models import RunState


class PastTournamentField(forms.ModelChoiceField[Tournament]):
    """A choice of finished tournaments, each with its market."""

    def label_from_instance(self, tournament: Tournament) -> str:
        return f"{tournament.public_id}, {tournament.market.slug}, {tournament.created_at:%Y-%m-%d}"


FINISHED = Tournament.objects.filter(state=RunState.SUCCEEDED, is_part=False).select_related("market")


class StartTournamentForm(forms.Form):
    market = MarketField(
        "Entrants are scored on its validation segment; the winner sits at most one sealed exam."
    )
    n_generations = forms.IntegerField(
        label="Generations", initial=10, min_value=1, max_value=MAX_GENERATIONS,
        help_text="Bred after the founders.",
    )  # fmt: skip
    population_size = forms.IntegerField(
        initial=40, min_value=POPULATION_RANGE[0], max_value=POPULATION_RANGE[1],
        help_text="Entrants in each generation.",
    )  # fmt: skip
    search = forms.TypedChoiceField(
        choices=list(SEARCHES.items()), initial=GENETIC, required=False, empty_value=GENETIC,
        help_text="NSGA-II looks for a front: entrants that nobody beats in all three. One of it sits the exam.",
    )  # fmt: skip
    seed_from = PastTournamentField(
        FINISHED.order_by("-pk"), required=False,
        label="Seed from a past population", empty_label="No: defaults, past champions and random ones",
        help_text="Of the same market: its fittest entrants take up to half of the first generation.",
    )  # fmt: skip
    seed = forms.IntegerField(
        required=False, min_value=0, max_value=MAX_SEED, help_text="Leave empty for a random one."
    )
