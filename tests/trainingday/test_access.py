"""Every model of the product can be looked up in the admin."""

import pytest
from django.apps import apps
from django.contrib import admin

MODELS = [
    model
    for config in apps.get_app_configs()
    if config.name.partition(".")[0] in ("trainingday", "patterns", "strategies", "sessions")
    for model in config.get_models()
]


def test_there_are_models() -> None:
    assert len(MODELS) > 15


@pytest.mark.parametrize("model", MODELS)
def test_every_model_is_in_the_admin(model: type) -> None:
    assert admin.site.is_registered(model), model  # type: ignore[arg-type]
