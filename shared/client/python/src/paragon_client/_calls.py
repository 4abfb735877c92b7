"""Calls of the API without any network: what is sent, and what comes of an answer."""

from __future__ import annotations

import base64
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
# The largest input that is sent inside a query, in bytes: as base64 in JSON it fits into a
# body that every stage takes. Larger ones are uploaded first.
INLINE_BYTES = 700 << 10


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    body: Optional[bytes] = None
    headers: Mapping[str, str] = field(default_factory=dict)
    anonymous: bool = False  # sent without the caller's token: its address is what entitles


def large(input: Input) -> Optional[bytes]:
    """The bytes of an input that is to be uploaded; None of one that is not."""
    if not isinstance(input, Input):  # as of callers who run no type checker
        raise TypeError(f"input must be made by picture, text or tensors, and is a {type(input).__name__}")
    data = input.body.get("data")
    if not isinstance(data, str) or len(data) * 3 // 4 <= INLINE_BYTES:
        return None
    return base64.b64decode(data)


def place(input: Input, data: bytes) -> Call:
    """Asks for a place for the bytes of an input."""
    body = json.dumps({"content_type": input.body["content_type"], "bytes": len(data)}).encode()
    return Call("POST", "/v1/uploads", body, {"Content-Type": "application/json"})


def fill(there: Json, data: bytes) -> Call:
    """Fills a place, which may be of another server."""
    return Call(there["method"], there["url"], data, dict(there.get("headers") or {}), anonymous=True)


def uploaded(input: Input, there: Json) -> Input:
    """An input by reference."""
    return Input({"content_type": input.body["content_type"], "uri": there["uri"]})


def submit(
    input: Input,
    task: Optional[str],
    model: Optional[str],
    constraints: Optional[Constraints],
    optimize: Any,
    wait: float,
    key: Optional[str],
    callback: Optional[str],
) -> Call:
    body: dict[str, Any] = {"input": input.body}
    for name, value in (("task", task), ("model", model), ("optimize", optimize), ("callback", callback)):
        if value is not None:
            body[name] = value
    if constraints is not None:
        body["constraints"] = constraints.body()
    headers = {"Content-Type": "application/json", **prefer(wait)}
    # With a key an answer has to be stored: not for one that is waited for, unless its callback stores it anyway.
    if key is None and (wait < 1 or callback is not None):
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
