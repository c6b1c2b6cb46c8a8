"""The reason that a person gives for a change by hand: its bounds, its check, its form."""

from __future__ import annotations

from django import forms

from trainingday.exceptions import InvalidArgument

REASON_LENGTH = (3, 500)
NO_REASON = f"Nothing was changed: give a reason of {REASON_LENGTH[0]} to {REASON_LENGTH[1]} characters."


class ReasonForm(forms.Form):
    reason = forms.CharField(min_length=REASON_LENGTH[0], max_length=REASON_LENGTH[1], widget=forms.Textarea)


def checked_text(reason: str) -> str:
    """Return a reason without blanks around it; raises InvalidArgument if its length is out of bounds."""
    text = reason.strip()
    if not REASON_LENGTH[0] <= len(text) <= REASON_LENGTH[1]:
        raise InvalidArgument(
            f"reason should be {REASON_LENGTH[0]}..{REASON_LENGTH[1]} characters, is {len(text)}"
        )
    return text
