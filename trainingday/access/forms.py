"""What a person may choose of a token."""

from django import forms

from trainingday.access.models import ApiToken
from trainingday.access.tokens import MAX_DAYS


class TokenForm(forms.Form):
    name = forms.CharField(max_length=60, required=False, label="What it is for")
    scope = forms.ChoiceField(
        choices=ApiToken.Scope.choices,
        initial=ApiToken.Scope.READ,
        help_text="A bot that follows the champion only needs to read.",
    )
    days = forms.IntegerField(min_value=1, max_value=MAX_DAYS, initial=90, label="Expires after (days)")
