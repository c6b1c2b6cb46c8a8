"""What the API's description says of every address that starts work: its header, and examples that are tested."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema

from trainingday.typing import JSONDict

IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, description="The same key starts once."
)
HASH = "8a87a1dd0a9d272d2093d6771d3e0c8e683e98ef4ea7b46bb71cd4b3fc314f06"
QUEUED: JSONDict = {
    "id": 241, "market": "BTCUSD-1h", "dataset": 3, "state": "queued", "stage": "", "progress": 0.0,
    "trigger": "api", "seed": 7, "reason": "", "attempts": 0, "created_at": "2026-01-05T02:30:00Z", "started_at": None,
    "finished_at": None,
}  # fmt: skip


def describes_start(
    request: Any, response: Any, requests: Mapping[str, JSONDict], accepted: JSONDict
) -> Callable[..., Any]:
    """Return a decorator for a view that starts a run: what is sent, and the 202 that comes back.

    `accepted` is what the answer holds beside or instead of `QUEUED`.
    """
    sent = [OpenApiExample(name, value=value, request_only=True) for name, value in requests.items()]
    queued = OpenApiExample(
        "Queued", value=QUEUED | accepted, response_only=True, status_codes=["202"],
        description="The header Location names the run's address.",
    )  # fmt: skip
    return extend_schema(
        request=request, responses={202: response}, parameters=[IDEMPOTENCY], examples=[*sent, queued]
    )
