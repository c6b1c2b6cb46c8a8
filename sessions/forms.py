"""What a person may choose of a training session."""

from __future__ import annotations

from django import forms

from sessions.rl.presets import PRESETS
from sessions.services import MAX_SEED
from trainingday.markets.forms import MarketField

PRESET_CHOICES = [
    (
        preset.name,
        f"{preset.name}: {preset.n_trials} trials, {preset.n_final_seeds} final seeds. {preset.meaning}.",
    )
    for preset in PRESETS.values()
]


class StartSessionForm(forms.Form):
    market = MarketField("Its newest dataset is used; train, validation and the sealed test follow from it.")
    preset = forms.ChoiceField(choices=PRESET_CHOICES, initial="quick", help_text="Times are for two cores.")
    seed = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MAX_SEED,
        help_text="Leave empty for a random one. The same seed on the same bars gives the same result.",
    )


class UploadModelForm(forms.Form):
    """A signed export, as the page of a model gives it."""

    market = MarketField("The market that it will trade; what it was trained on stands in its manifest.")
    weights = forms.FileField(help_text="The .safetensors file.")
    manifest = forms.FileField(help_text="The .json file.")
    signature = forms.FileField(help_text="The .sig file: made with a key that this installation holds.")
