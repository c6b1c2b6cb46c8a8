"""What a session found when it began, frozen: a later attempt or a replay starts from the same things."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sessions.models import ModelVersion, TrainingSession
from sessions.queries import current_best
from strategies.models import Champion
from strategies.queries import current_champion
from trainingday.exceptions import StateConflict
from trainingday.markets.models import TestWindow
from trainingday.markets.queries import query_bars
from trainingday.markets.services import current_test_window
from trainingday.markets.splits import plan_split
from trainingday.runs.context import RunContext
from trainingday.typing import JSONDict

KEY = "found"


@dataclass(frozen=True)
class Found:
    """Primary keys of what a session builds on.

    Attributes
    ----------
    window : int
        Test window: with the bars it gives the split.
    champion : int or None
        The reign that the session has to beat.
    model : int or None
        The model version that stands for learning; None where the session trains the market's baseline.
    """

    window: int
    champion: int | None
    model: int | None

    @classmethod
    def of(cls, session: TrainingSession) -> Found:
        """Return what a session froze.

        Raises
        ------
        StateConflict
            If it has not begun, or ran before inputs were frozen.
        """
        frozen = session.configuration.get(KEY)
        if not isinstance(frozen, dict):
            raise StateConflict(f"{session.public_id} has not recorded what it started from")
        return cls(**{name: frozen[name] for name in ("window", "champion", "model")})

    def query_champion(self) -> Champion | None:
        if self.champion is None:
            return None
        return Champion.objects.select_related("strategy").get(pk=self.champion)

    def query_model(self) -> ModelVersion | None:
        if self.model is None:
            return None
        return ModelVersion.objects.select_related("strategy", "selection_strategy").get(pk=self.model)


def freeze_inputs(context: RunContext, session: TrainingSession) -> None:
    """Record what the session finds, once; opens the market's test window where it has none."""
    if KEY in session.configuration:
        return
    configuration: JSONDict = {**session.configuration, KEY: asdict(_look_around(session))}
    with context.transaction(configuration=configuration):
        pass
    session.configuration = configuration


def _look_around(session: TrainingSession) -> Found:
    market, bars = session.market, query_bars(session.dataset)
    window: TestWindow = current_test_window(market, session.dataset)
    split = plan_split(len(bars), bars.timestamps, window)
    champion: Champion | None = current_champion(market)
    model = current_best(market)
    if model is None:
        start = int(bars.timestamps[split.validation.start])
        baselines = ModelVersion.objects.filter(market=market, stage=ModelVersion.Stage.BASELINE)
        model = baselines.filter(train_last_us__lt=start).exclude(session=session).first()
    return Found(window.pk, champion.pk if champion else None, model.pk if model else None)
