"""Client of Paragon's HTTP API: `Client` waits, `AsyncClient` is for asyncio.

    from paragon_client import Client, text

    with Client("http://127.0.0.1:8080") as c:
        print(c.submit(text("Hello friend"), task="mail", wait=5).result.label)

Calls are tried again when nothing answers, and on 429 and 503. A submission that does
not wait carries an idempotency key, so that its repeats are one query.
"""

from ._client import AsyncClient, Client
from ._types import (
    Constraints,
    Failure,
    Input,
    ParagonError,
    Problem,
    Query,
    Result,
    Score,
    Unreachable,
    picture,
    tensors,
    text,
)

__all__ = [
    "AsyncClient",
    "Client",
    "Constraints",
    "Failure",
    "Input",
    "ParagonError",
    "Problem",
    "Query",
    "Result",
    "Score",
    "Unreachable",
    "picture",
    "tensors",
    "text",
]
