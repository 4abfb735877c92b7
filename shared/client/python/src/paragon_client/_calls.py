"""Calls of the API without any network: what is sent, and what comes of an answer."""

from __future__ import annotations

import json
import random
import uuid
from dataclasses import dataclass, field
from typing import Any, Mapping, Optional
from urllib.parse import quote

from ._types import Constraints, Input, Json, ParagonError, Problem, Query, Unreachable

# The waits between tries, in seconds: they double, each drawn between its half and its
# whole, so that clients do not come back together.
FIRST_WAIT, LAST_WAIT = 0.1, 5.0
MOST_RETRY_AFTER = 30.0  # the longest Retry-After that is obeyed


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    body: Optional[bytes] = None
    headers: Mapping[str, str] = field(default_factory=dict)


def submit(
    input: Input,
    task: Optional[str],
    model: Optional[str],
    constraints: Optional[Constraints],
    optimize: Any,
    wait: float,
    key: Optional[str],
) -> Call:
    body: dict[str, Any] = {"input": input.body}
    for name, value in (("task", task), ("model", model), ("optimize", optimize)):
        if value is not None:
            body[name] = value
    if constraints is not None:
        body["constraints"] = constraints.body()
    headers = {"Content-Type": "application/json", **prefer(wait)}
    if key is None and wait < 1:  # with a key an answer has to be stored: not for one that is waited for
        key = uuid.uuid4().hex
    if key is not None:
        headers["Idempotency-Key"] = key
    return Call("POST", "/v1/queries", json.dumps(body).encode(), headers)


def get(id: str, wait: float) -> Call:
    return Call("GET", "/v1/queries/" + quote(id, safe=""), headers=prefer(wait))


def cancel(id: str) -> Call:
    return Call("DELETE", "/v1/queries/" + quote(id, safe=""))


def feedback(query: Query, correct: Optional[bool], label: Optional[str]) -> Call:
    said = {"correct": correct, "label": label, "receipt": query.receipt}
    body = json.dumps({k: v for k, v in said.items() if v is not None}).encode()
    return Call("POST", f"/v1/queries/{quote(query.id, safe='')}/feedback", body, {"Content-Type": "application/json"})


def models() -> Call:
    return Call("GET", "/v1/models")


def prefer(wait: float) -> dict[str, str]:
    """Asks the server to wait for a result (RFC 7240), in whole seconds."""
    return {"Prefer": f"wait={int(wait)}"} if wait >= 1 else {}


def answer(status: int, headers: Mapping[str, str], content: bytes) -> Any:
    """The body of a good answer; raises Problem of any other."""
    try:
        body = json.loads(content) if content else {}
    except ValueError:
        body = None
    if 200 <= status < 300 and body is not None:
        return body
    if not isinstance(body, dict):
        body = {"detail": f"the server answered HTTP {status} without JSON"}
    after = headers.get("Retry-After", "")
    raise Problem(status, body, float(after) if after.isdigit() else 0)


def pause(error: ParagonError, attempt: int) -> Optional[float]:
    """After how many seconds another try is worth it; None when it is not."""
    wait: float = min(LAST_WAIT, FIRST_WAIT * 2.0 ** min(attempt - 1, 10))
    wait = wait / 2 + random.random() * wait / 2
    if isinstance(error, Unreachable):
        return wait
    if isinstance(error, Problem) and error.status in (429, 503):
        return max(wait, min(error.retry_after, MOST_RETRY_AFTER))
    return None


def listed(body: Json) -> list[Json]:
    return list(body.get("models") or [])
