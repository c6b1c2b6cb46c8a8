"""The list of schedules."""

from trainingday.lists import Choice, Column, Listing
from trainingday.markets.queries import MARKET_CHOICE
from trainingday.runs.jobs import job_choices

SCHEDULES = Listing(
    "schedules",
    columns=(
        Column("name"),
        Column("job"),
        Column("market", "market.slug"),
        Column("preset"),
        Column("cron"),
        Column("time_zone"),
        Column("overlap"),
        Column("missed"),
        Column("is_enabled"),
        Column("next_run_at"),
        Column("created_at"),
    ),
    filters=(
        Choice("job", "Starts", "job", job_choices),
        MARKET_CHOICE,
        Choice("on", "State", "is_enabled", lambda: [("True", "on"), ("False", "paused")]),
    ),
    sorts={"name": "name", "next": "next_run_at", "market": "market__slug"},
    default=("name",),
)
