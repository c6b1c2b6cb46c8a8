"""Every address of the product: nobody gets in without an account; every model is in the admin."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.converters import IntConverter

OPEN = {"login/", "logout/", "healthz", "readyz", "admin/login/", "favicon.ico"}
OWN_APPS = ("markets", "runs", "downloads", "patterns", "strategies", "training_sessions")


def addresses(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    """Yield one address for each route, with made-up arguments."""
    for pattern in resolver.url_patterns:
        route = str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern, prefix + route)
        elif isinstance(pattern, URLPattern):
            yield _fill(pattern, prefix)


def _fill(pattern: URLPattern, prefix: str) -> str:
    converters = getattr(pattern.pattern, "converters", {})
    route = str(pattern.pattern)
    if not converters and ("(?P" in route or "^" in route):
        from django.utils.regex_helper import normalize

        form, names = normalize(route)[0]
        return prefix + (form % dict.fromkeys(names, "1")).replace("\\", "")
    for name, converter in converters.items():
        value = "1" if isinstance(converter, IntConverter) else "x-1"
        route = re.sub(rf"<(\w+:)?{name}>", value, route)
    return prefix + route


ADDRESSES = sorted({address for address in addresses(get_resolver()) if not address.startswith("admin/")})


def test_the_list_of_addresses_is_not_empty() -> None:
    assert len(ADDRESSES) > 60
    assert not any("<" in address or "(" in address for address in ADDRESSES)


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_an_anonymous_visitor_is_sent_to_log_in_or_refused(address: str, method: str, db: None) -> None:
    if address in OPEN:
        return
    response = getattr(Client(), method)(f"/{address}")
    if address.startswith("api/"):
        assert response.status_code in (401, 404, 405), (address, response.status_code)
        assert response.status_code != 404 or "format" in address or ".1" in address, address
    else:
        assert response.status_code == 302 and response["Location"].startswith("/login/"), (
            address,
            response.status_code,
        )


@pytest.mark.parametrize(
    "model", [model for label in OWN_APPS for model in apps.get_app_config(label).get_models()]
)
def test_every_model_is_in_the_admin(model: type) -> None:
    if model._meta.auto_created:  # type: ignore[attr-defined]
        return
    assert admin.site.is_registered(model), model  # type: ignore[arg-type]
