"""What every API endpoint shares: pages, strict JSON, strict parameters, problem details."""

from __future__ import annotations

import json
from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.core.exceptions import RequestDataTooBig
from django.db.models import QuerySet
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.filters import OrderingFilter
from rest_framework.pagination import PageNumberPagination
from rest_framework.parsers import JSONParser
from rest_framework.response import Response

from trainingday.exceptions import ImportRefused, InvalidArgument, NotFound, StateConflict, TrainingDayError

if TYPE_CHECKING:
    # rest_framework.views imports this module through its settings.
    from rest_framework.request import Request
    from rest_framework.views import APIView

MAX_DEPTH = 20
MAX_KEY_LENGTH = 100
MAX_BODY_BYTES = 1024 * 1024


class PayloadTooLarge(exceptions.APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "Request too large."
    default_code = "too_large"


class KeyReused(exceptions.APIException):
    status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    default_detail = "This Idempotency-Key has been used with another body; send a new key."
    default_code = "key_reused"


class Pages(PageNumberPagination):
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200


class LeanLists:
    """View set mixin: a list leaves the fields `unlisted` in the database; one row has them all."""

    unlisted: tuple[str, ...] = ()

    def get_queryset(self) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset()  # type: ignore[misc]
        return rows.defer(*self.unlisted) if self.action == "list" else rows  # type: ignore[attr-defined]


class KnownOrdering(OrderingFilter):
    """Orders by the view's `ordering_fields`; an unknown field or query parameter is a 400."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        refuse_unknown_parameters(request, view)
        found = super().filter_queryset(request, queryset, view)
        order = found.query.order_by or tuple(found.model._meta.ordering)
        # Pages of rows that are equal in what they are ordered by would repeat some and miss others.
        return found if {"pk", "-pk", "id", "-id"} & {*order} else found.order_by(*order, "-pk")

    def remove_invalid_fields(self, queryset: Any, fields: Any, view: Any, request: Any) -> Any:
        known = {name for name, _ in self.get_valid_fields(queryset, view, {"request": request})}
        for field in fields:
            if field.strip().lstrip("-") not in known:
                raise exceptions.ValidationError(
                    {"ordering": [f"Unknown ordering field {field!r}; one of {sorted(known)}."]}
                )
        return fields


def refuse_unknown_parameters(request: Request, view: APIView) -> None:
    """Raise 400 for a query parameter that no filter, ordering or paging of the view knows."""
    filterset = getattr(view, "filterset_class", None)
    declared = set(filterset.base_filters) if filterset else set()
    known = declared | _parameters_of(getattr(view, "filterset_fields", ()))
    refuse_parameters_but(request, known | {"ordering", "page", "page_size"})


def refuse_parameters_but(request: Request, known: set[str]) -> None:
    """Raise 400 for a query parameter that is not known; `format` is everywhere."""
    unknown = sorted(set(request.query_params) - known - {"format"})
    if unknown:
        raise exceptions.ValidationError({name: ["Unknown parameter."] for name in unknown})


def _parameters_of(fields: Any) -> set[str]:
    """Return the parameters of `filterset_fields`: names, or names with their lookups."""
    if not isinstance(fields, dict):
        return set(fields)
    pairs = [(name, lookup) for name, lookups in fields.items() for lookup in lookups]
    return {name if lookup == "exact" else f"{name}__{lookup}" for name, lookup in pairs}


def idempotency_key(request: Request) -> str:
    """Return the Idempotency-Key header, "" without one; too long or unprintable is a 400.

    A key that its user has sent to the same address with another body is a 422: nothing would tell which of
    the two was meant.
    """
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > MAX_KEY_LENGTH or not key.isprintable():
        raise exceptions.ValidationError(
            {"Idempotency-Key": [f"At most {MAX_KEY_LENGTH} printable characters are allowed."]}
        )
    if key and request.user.pk is not None:
        _require_same_body(request, key, request.user.pk)
    return key


def _require_same_body(request: Request, key: str, user_id: int) -> None:
    from trainingday.access.models import RequestKey

    body = json.dumps(request.data, sort_keys=True, default=str)
    digest = sha256(body.encode("utf-8", "surrogatepass")).hexdigest()
    row, _ = RequestKey.objects.get_or_create(
        user_id=user_id, path=request.path[:200], key=key, defaults={"body_sha256": digest}
    )
    if row.body_sha256 != digest:
        raise KeyReused


def _depth(value: Any) -> int:
    """Return how deep lists and objects nest, without recursion."""
    deepest, queue = 0, [(value, 1)]
    while queue:
        item, level = queue.pop()
        children = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        if isinstance(item, dict | list):
            deepest = max(deepest, level)
            if deepest > MAX_DEPTH:
                return deepest
        queue.extend((child, level + 1) for child in children)
    return deepest


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


class StrictJSONParser(JSONParser):
    """JSON of at most 1 MiB and 20 levels, without NaN, infinities or lone surrogates."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        body = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise PayloadTooLarge
        try:
            value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise exceptions.ParseError(f"JSON parse error: {error}") from error
        if _depth(value) > MAX_DEPTH:
            raise exceptions.ParseError(f"JSON parse error: too deeply nested (max {MAX_DEPTH})")
        if _has_surrogate(json.dumps(value, ensure_ascii=False)):
            raise exceptions.ValidationError({"non_field_errors": ["Surrogate characters are not allowed."]})
        return value


STATUS = {
    InvalidArgument: status.HTTP_400_BAD_REQUEST,
    NotFound: status.HTTP_404_NOT_FOUND,
    StateConflict: status.HTTP_409_CONFLICT,
}


def handle_exception(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return an RFC 9457 problem for every deliberate error; None (a 500) for the rest."""
    from rest_framework.views import exception_handler

    where = context["request"].path if context.get("request") else ""
    if isinstance(error, ImportRefused):
        return _problem(error.status, str(error), where, code=error.code, row=error.row)
    if isinstance(error, RequestDataTooBig):
        return _problem(status.HTTP_413_REQUEST_ENTITY_TOO_LARGE, "Request too large.", where)
    if isinstance(error, TrainingDayError):
        return _problem(_status_of(error), str(error), where)
    response = exception_handler(error, context)
    if response is None:
        return None
    errors = response.data if isinstance(error, exceptions.ValidationError) else None
    problem = _problem(response.status_code, _detail(error, response), where, errors=errors)
    for header, value in response.items():
        problem[header] = value
    return problem


def _status_of(error: TrainingDayError) -> int:
    known = (code for kind, code in STATUS.items() if isinstance(error, kind))
    return next(known, status.HTTP_422_UNPROCESSABLE_ENTITY)


def _detail(error: Exception, response: Response) -> str:
    if isinstance(error, Http404):
        return "Not found."
    if isinstance(response.data, dict) and set(response.data) == {"detail"}:
        return str(response.data["detail"])
    return "The request is not valid."


def _problem(http_status: int, detail: str, where: str, **extra: Any) -> Response:
    body = problem_details(http_status, detail, where, **extra)
    response = Response(body, status=http_status)
    response.content_type = "application/problem+json"
    return response


def problem_details(http_status: int, detail: str, where: str, **extra: Any) -> dict[str, Any]:
    """Return the members of an RFC 9457 problem: its kind is its HTTP status, so the title says that.

    `extra` adds `errors` (messages by field), `code` and `row` (of a refused file) where there are any.
    """
    body = {
        "type": "about:blank",
        "title": HTTPStatus(http_status).phrase,
        "status": http_status,
        "detail": detail,
        "instance": where,
    }
    return body | {key: value for key, value in extra.items() if value is not None}


class RefuseUnknownFields:
    """Serializer mixin: a field that the serializer does not know, or may not write, is a 400."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            fields = self.fields  # type: ignore[attr-defined]
            errors = {name: ["Unknown field."] for name in data if name not in fields}
            errors |= {
                name: ["Read-only field."] for name in data if name in fields and fields[name].read_only
            }
            if errors:
                raise exceptions.ValidationError(errors)
        return super().to_internal_value(data)  # type: ignore[misc]
