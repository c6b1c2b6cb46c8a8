"""Warm start: the champion's weights trained on, on newer bars, beside training from scratch."""

from __future__ import annotations

from dataclasses import dataclass

from sessions.day import Day
from sessions.models import ModelVersion
from sessions.paired import paired_difference
from sessions.rl.hyperparameters import default_hyperparameters
from strategies.store import cached_model
from trainingday.policy.ensemble import PolicyEnsemble
from trainingday.policy.network import PolicyNetwork
from trainingday.typing import JSONDict

SCRATCH, WARM = "from scratch", "warm start"


@dataclass(frozen=True, eq=False)
class Origin:
    """Where a warm start begins.

    Attributes
    ----------
    version : ModelVersion
        The market's champion.
    networks : tuple of PolicyNetwork
        Its members, as fitted on bars before this session's validation.
    """

    version: ModelVersion
    networks: tuple[PolicyNetwork, ...]

    @property
    def hyperparameters(self) -> JSONDict:
        return dict(self.version.hyperparameters)

    def n_steps(self, day: Day) -> int:
        """Return the steps of each member: what its algorithm's defaults would be given from scratch."""
        plain = default_hyperparameters(self.version.algorithm)
        return day.preset.final_steps(plain.n_steps)

    def network(self, index: int) -> PolicyNetwork:
        return self.networks[index % len(self.networks)]


def warm_origin(day: Day) -> Origin | None:
    """Return the champion to go on from; None where it is no model, or train holds no bar that it has not seen.

    Only the fit that has not seen this session's validation bars is used: the score there stays honest.
    """
    champion, version = day.found.query_champion(), day.found.query_model()
    if champion is None or version is None or champion.strategy_id != version.strategy_id:
        return None
    is_unseen = version.train_last_us < day.validation_start_us
    artifact = version.artifact if is_unseen else version.selection_strategy.artifact
    model = cached_model(artifact)
    last = (model.manifest or {}).get("train_last_us")
    newest = int(day.bars.timestamps[day.split.train.stop - 1])
    if not isinstance(last, int) or not last < min(newest, day.validation_start_us):
        return None
    return Origin(version, model.policy.members)


def settle(day: Day, origin: Origin, scratch: PolicyEnsemble, warm: PolicyEnsemble | None) -> JSONDict:
    """Return which of the two has the higher Sharpe ratio on validation, and by how much; a tie is scratch's.

    Both without overlay; `warm` is None where every warm start diverged.
    """
    own = day.on_validation(scratch.positions_on(day.seen))
    record: JSONDict = {
        "parent": origin.version.number,
        "n_bars": len(own.returns),
        "scratch_sharpe": own.metrics.sharpe_ratio,
        "warm_sharpe": None,
        "difference": None,
        "low": None,
        "high": None,
        "won": SCRATCH,
    }
    if warm is None:
        return record
    continued = day.on_validation(warm.positions_on(day.seen))
    found = paired_difference(continued.returns, own.returns, day.bars_per_year, day.session.seed)
    sharpe = continued.metrics.sharpe_ratio
    is_better = (sharpe or 0.0) > (own.metrics.sharpe_ratio or 0.0)
    return record | {
        "warm_sharpe": sharpe,
        "difference": found.value,
        "low": found.low,
        "high": found.high,
        "won": WARM if is_better else SCRATCH,
    }
