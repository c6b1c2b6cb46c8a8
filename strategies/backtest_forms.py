"""What a person may choose of a backtest; the parameters' fields follow the chosen family."""

from __future__ import annotations

from typing import Any

from django import forms

from strategies.backtests import DEFAULT_SEGMENT
from strategies.library.base import Family, Parameter
from strategies.library.registry import families
from strategies.stored_strategy import StoredStrategy
from trainingday.backtest.engine import MAX_COST
from trainingday.exceptions import InvalidArgument
from trainingday.markets.forms import MarketField

SEGMENT_CHOICES = [
    (DEFAULT_SEGMENT, "train and validation"),
    ("train", "train"),
    ("validation", "validation"),
]
PREFIX = "p-"  # of parameters in the query: a family may name one "fee"


class ParameterField(forms.FloatField):
    """One parameter of a family, with its range in the help and its own sentence for bad values."""

    def __init__(self, parameter: Parameter) -> None:
        self.parameter = parameter
        span = f"{parameter.low:g} to {parameter.high:g}"
        super().__init__(
            label=parameter.name.replace("_", " "),
            initial=f"{parameter.default:g}",
            required=False,
            help_text=f"{parameter.meaning} {'A whole number, ' if parameter.is_integer else ''}{span}.",
        )
        limits = {"min": f"{parameter.low:g}", "max": f"{parameter.high:g}", "placeholder": self.initial}
        self.widget.attrs |= limits | {"step": "1" if parameter.is_integer else "any"}

    def clean(self, value: Any) -> float:
        number = super().clean(value)
        if number is None:
            return self.parameter.default
        try:
            return self.parameter.check(number)
        except InvalidArgument as error:
            raise forms.ValidationError(str(error)) from error


class CostField(forms.FloatField):
    """A cost per side; empty takes the market's own."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            required=False, help_text=f"Fraction per side, 0 to {MAX_COST:g}; empty: the market's own."
        )
        self.widget.attrs |= {"min": "0", "max": f"{MAX_COST:g}", "step": "any"}

    def clean(self, value: Any) -> float | None:
        number = super().clean(value)
        if number is not None and not 0.0 <= number <= MAX_COST:
            raise forms.ValidationError(f"{self.name} should be 0..{MAX_COST}, is {number:g}")
        return None if number is None else float(number)


class BacktestForm(forms.Form):
    market = MarketField()
    strategy = forms.ChoiceField(choices=lambda: [(f.name, f.title) for f in families().values()])
    segment = forms.ChoiceField(choices=SEGMENT_CHOICES, initial=DEFAULT_SEGMENT, required=False)
    fee = CostField("fee")
    slippage = CostField("slippage")

    def __init__(self, data: Any, family: Family, **options: Any) -> None:
        super().__init__(data, **options)
        self.family = family
        if isinstance(family, StoredStrategy):
            choices = [(f.name, f.title) for f in families().values()]
            label = f"{family.title}, number {family.name}"
            self.fields["strategy"].choices = [(family.name, label), *choices]  # type: ignore[attr-defined]
        for parameter in family.parameters:
            self.fields[f"{PREFIX}{parameter.name}"] = ParameterField(parameter)

    def clean_segment(self) -> str:
        return str(self.cleaned_data["segment"] or DEFAULT_SEGMENT)

    @property
    def parameter_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith(PREFIX)]

    @property
    def parameters(self) -> dict[str, float]:
        """Return the family's parameters of a valid form."""
        values = self.cleaned_data
        return {name.removeprefix(PREFIX): values[name] for name in values if name.startswith(PREFIX)}
