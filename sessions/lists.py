"""The lists of training sessions and of models."""

from sessions.model_pages import ModelLine
from sessions.models import ModelVersion, WrittenReport
from sessions.rl.hyperparameters import ALGORITHMS
from strategies.lists import VERDICT
from trainingday.lists import Choice, Column, Listing
from trainingday.markets.queries import MARKET_CHOICE
from trainingday.runs.models import RunState, Trigger

SESSIONS = Listing(
    "sessions",
    columns=(
        Column("run", "public_id"),
        Column("market", "market.slug"),
        Column("dataset", "dataset.version"),
        Column("dataset_hash"),
        Column("preset"),
        Column("state"),
        Column("trigger"),
        Column("requested_by", lambda row: row.requested_by.get_username() if row.requested_by else None),
        Column("seed"),
        Column("generation"),
        Column("n_trials_done"),
        Column("n_trials", lambda row: row.configuration.get("n_trials")),
        Column("validation_baseline_sharpe", "baseline_sharpe"),
        Column("validation_sharpe", "new_sharpe"),
        Column("verdict"),
        Column("looks_charged", "n_looks"),
        Column("reason"),
        Column("duration_seconds", "duration"),
        Column("cpu_seconds"),
        Column("created_at"),
        Column("started_at"),
        Column("finished_at"),
    ),
    filters=(
        Choice("state", "State", "state", lambda: RunState.choices),
        MARKET_CHOICE,
        VERDICT,
        Choice("trigger", "Started by", "trigger", lambda: Trigger.choices),
    ),
    sorts={
        "created": "created_at",
        "market": "market__slug",
        "preset": "preset",
        "score": "new_sharpe",
        "trials": "n_trials_done",
        "duration": "duration",
    },
    default=("-created_at", "-pk"),
    is_comparable=True,
    unread=("report", "environment", "dataset__quality", "look__decision"),
)

# What `ModelLine` and the columns do not read: learning curves, and the parent but for its number.
_UNREAD = ("members", "default_scores", "settings_choice", "warm_start")
_OF_PARENT = (*_UNREAD, "hyperparameters", "overlay", "validation", "signature", "stage_reason")

MODELS = Listing(
    "models",
    columns=(
        Column("market", "market.slug"),
        Column("version", "number"),
        Column("stage"),
        Column("stage_reason"),
        Column("algorithm"),
        Column("session", lambda row: f"session-{row.session_id}"),
        Column("parent", lambda row: row.parent.number if row.parent else None),
        Column("dataset", "dataset.version"),
        Column("validation_sharpe"),
        Column("validation_sharpe_low", lambda row: row.validation.get("sharpe_low")),
        Column("validation_sharpe_high", lambda row: row.validation.get("sharpe_high")),
        Column("validation_return", lambda row: row.validation.get("total_return")),
        Column("validation_max_drawdown", lambda row: row.validation.get("max_drawdown")),
        Column("validation_win_rate", lambda row: row.validation.get("win_rate")),
        Column("validation_n_trades", lambda row: row.validation.get("n_trades")),
        Column("test_sharpe", lambda row: ModelLine(row).out_of_sample.get("sharpe_ratio")),
        Column("test_sharpe_low", lambda row: ModelLine(row).out_of_sample.get("sharpe_low")),
        Column("test_sharpe_high", lambda row: ModelLine(row).out_of_sample.get("sharpe_high")),
        Column("test_difference", lambda row: ModelLine(row).difference.get("difference")),
        Column("p_value", lambda row: ModelLine(row).exam.get("p_value")),
        Column("looks_used", lambda row: ModelLine(row).n_looks),
        Column("deflated_sharpe", lambda row: ModelLine(row).deflated_sharpe.get("value")),
        Column("overlay", lambda row: row.overlay.get("chosen")),
        Column("signature", lambda row: ModelLine(row).signature),
        Column("train_first_us"),
        Column("train_last_us"),
        Column("hyperparameters"),
        Column("seed"),
        Column("weights_hash"),
        Column("created_at"),
    ),
    filters=(
        Choice("stage", "Stage", "stage", lambda: [(value, value) for value in ModelVersion.Stage.values]),
        MARKET_CHOICE,
        Choice("algorithm", "Algorithm", "algorithm", lambda: [(name, name) for name in ALGORITHMS]),
    ),
    sorts={
        "number": "number",
        "market": "market__slug",
        "score": "validation_sharpe",
        "created": "created_at",
    },
    default=("-created_at", "-pk"),
    is_comparable=True,
    unread=(
        *_UNREAD,
        *(f"parent__{name}" for name in _OF_PARENT),
        "session__configuration",
        "session__environment",
        "dataset__quality",
        "selection_strategy__parameters",
        "strategy__parameters",
    ),
)

WRITTEN_REPORTS = Listing(
    "written-reports",
    columns=(
        Column("report", "public_id"),
        Column("preset"),
        Column("covers", lambda row: row.covers or "all markets"),
        Column("first_month"),
        Column("last_month"),
        Column("state"),
        Column("trigger"),
        Column("reason"),
        Column("created_at"),
        Column("finished_at"),
    ),
    filters=(
        Choice("state", "State", "state", lambda: RunState.choices),
        Choice("covers", "Market", "covers", lambda: _covered()),
    ),
    sorts={"created": "created_at", "covers": "covers"},
    default=("-created_at", "-pk"),
)


def _covered() -> list[tuple[str, str]]:
    slugs = WrittenReport.objects.exclude(covers="").order_by("covers").values_list("covers", flat=True)
    return [(slug, slug) for slug in slugs.distinct()]
