"""The two clients. They differ in how they wait; what is sent is in _calls."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Any, Mapping, Optional, Type, Union

import httpx

from . import _calls
from ._types import Constraints, Input, Json, ParagonError, Query, Unreachable

DEFAULT_ENDPOINT = "http://127.0.0.1:8080"
_TIMEOUT = httpx.Timeout(60.0, connect=10.0)  # above the longest wait for a result
_READ_WAIT = 20.0  # seconds of one read while a query is awaited

Optimize = Union[str, Mapping[str, float]]


def _headers(token: Optional[str]) -> dict[str, str]:
    out = {"Accept": "application/json, application/problem+json"}
    if token:
        out["Authorization"] = "Bearer " + token
    return out


def _request(http: Union[httpx.Client, httpx.AsyncClient], call: _calls.Call) -> httpx.Request:
    r = http.build_request(call.method, call.path, content=call.body, headers=dict(call.headers))
    if call.anonymous:
        r.headers.pop("Authorization", None)
    return r


class Client:
    """Speaks to one server, from any number of threads."""

    def __init__(self, endpoint: str = DEFAULT_ENDPOINT, *, token: Optional[str] = None, attempts: int = 5,
                 http: Optional[httpx.Client] = None) -> None:
        self._attempts = attempts
        self._http = http or httpx.Client(base_url=endpoint, timeout=_TIMEOUT, headers=_headers(token))

    def submit(self, input: Input, *, task: Optional[str] = None, model: Optional[str] = None,
               constraints: Optional[Constraints] = None, optimize: Optional[Optimize] = None,
               wait: float = 0, key: Optional[str] = None, callback: Optional[str] = None) -> Query:
        """Submits a query and waits up to `wait` seconds for its answer; it may come back
        unfinished. `key` makes repeats of the submission one query; `callback` is an address
        that is called with its end. A large input is uploaded first: each upload is another
        input, so that a repeat of one under the same key is refused."""
        input = self.upload(input)
        return Query.of(self._do(_calls.submit(input, task, model, constraints, optimize, wait, key, callback)))

    def upload(self, input: Input) -> Input:
        """Uploads a picture of more than 700 KB, for one query or several; other inputs come
        back as they are."""
        data = _calls.large(input)
        if data is None:
            return input
        there = self._do(_calls.place(input, data))
        self._do(_calls.fill(there, data))
        return _calls.uploaded(input, there)

    def get(self, id: str, *, wait: float = 0) -> Query:
        """Reads a query, waiting up to `wait` seconds for it to finish."""
        return Query.of(self._do(_calls.get(id, wait)))

    def result(self, query: Union[Query, str]) -> Query:
        """Reads a query, or the one with an id, until it is finished."""
        if isinstance(query, str):
            query = self.get(query, wait=_READ_WAIT)
        pause = 0.0  # a server with no room for one more waiter answers at once
        while not query.finished:
            time.sleep(pause)
            query, pause = self.get(query.id, wait=_READ_WAIT), min(2 * pause + 0.05, 1.0)
        return query

    def cancel(self, id: str) -> Query:
        """Cancels a query; a Problem of status 409 when it has ended otherwise."""
        return Query.of(self._do(_calls.cancel(id)))

    def feedback(self, query: Query, *, correct: Optional[bool] = None, label: Optional[str] = None) -> None:
        """Says whether an answer was right, or what the right label is."""
        self._do(_calls.feedback(query, correct, label))

    def models(self) -> list[Json]:
        """Lists the models that are served."""
        return _calls.listed(self._do(_calls.models()))

    def _do(self, call: _calls.Call) -> Any:
        attempt = 1
        while True:
            try:
                return self._once(call)
            except ParagonError as e:
                wait = _calls.pause(e, attempt)
                if wait is None or attempt >= self._attempts:
                    raise
            time.sleep(wait)
            attempt += 1

    def _once(self, call: _calls.Call) -> Any:
        try:
            r = self._http.send(_request(self._http, call))
        except httpx.TransportError as e:
            raise Unreachable(f"no answer from {self._http.base_url}: {e}") from e
        return _calls.answer(r.status_code, r.headers, r.content)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], e: Optional[BaseException], t: Optional[TracebackType]) -> None:
        self.close()


class AsyncClient:
    """Client for asyncio, with the same methods."""

    def __init__(self, endpoint: str = DEFAULT_ENDPOINT, *, token: Optional[str] = None, attempts: int = 5,
                 http: Optional[httpx.AsyncClient] = None) -> None:
        self._attempts = attempts
        self._http = http or httpx.AsyncClient(base_url=endpoint, timeout=_TIMEOUT, headers=_headers(token))

    async def submit(self, input: Input, *, task: Optional[str] = None, model: Optional[str] = None,
                     constraints: Optional[Constraints] = None, optimize: Optional[Optimize] = None,
                     wait: float = 0, key: Optional[str] = None, callback: Optional[str] = None) -> Query:
        """Submits a query and waits up to `wait` seconds for its answer; it may come back
        unfinished. `key` makes repeats of the submission one query; `callback` is an address
        that is called with its end. A large input is uploaded first: each upload is another
        input, so that a repeat of one under the same key is refused."""
        input = await self.upload(input)
        return Query.of(await self._do(_calls.submit(input, task, model, constraints, optimize, wait, key, callback)))

    async def upload(self, input: Input) -> Input:
        """Uploads a picture of more than 700 KB, for one query or several; other inputs come
        back as they are."""
        data = _calls.large(input)
        if data is None:
            return input
        there = await self._do(_calls.place(input, data))
        await self._do(_calls.fill(there, data))
        return _calls.uploaded(input, there)

    async def get(self, id: str, *, wait: float = 0) -> Query:
        """Reads a query, waiting up to `wait` seconds for it to finish."""
        return Query.of(await self._do(_calls.get(id, wait)))

    async def result(self, query: Union[Query, str]) -> Query:
        """Reads a query, or the one with an id, until it is finished."""
        if isinstance(query, str):
            query = await self.get(query, wait=_READ_WAIT)
        pause = 0.0  # a server with no room for one more waiter answers at once
        while not query.finished:
            await asyncio.sleep(pause)
            query, pause = await self.get(query.id, wait=_READ_WAIT), min(2 * pause + 0.05, 1.0)
        return query

    async def cancel(self, id: str) -> Query:
        """Cancels a query; a Problem of status 409 when it has ended otherwise."""
        return Query.of(await self._do(_calls.cancel(id)))

    async def feedback(self, query: Query, *, correct: Optional[bool] = None, label: Optional[str] = None) -> None:
        """Says whether an answer was right, or what the right label is."""
        await self._do(_calls.feedback(query, correct, label))

    async def models(self) -> list[Json]:
        """Lists the models that are served."""
        return _calls.listed(await self._do(_calls.models()))

    async def _do(self, call: _calls.Call) -> Any:
        attempt = 1
        while True:
            try:
                return await self._once(call)
            except ParagonError as e:
                wait = _calls.pause(e, attempt)
                if wait is None or attempt >= self._attempts:
                    raise
            await asyncio.sleep(wait)
            attempt += 1

    async def _once(self, call: _calls.Call) -> Any:
        try:
            r = await self._http.send(_request(self._http, call))
        except httpx.TransportError as e:
            raise Unreachable(f"no answer from {self._http.base_url}: {e}") from e
        return _calls.answer(r.status_code, r.headers, r.content)

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], e: Optional[BaseException], t: Optional[TracebackType]) -> None:
        await self.close()
