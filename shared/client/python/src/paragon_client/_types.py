"""What is asked and answered, as values."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Sequence, Union

Json = Mapping[str, Any]


class ParagonError(Exception):
    """Anything that a call may raise."""


class Unreachable(ParagonError):
    """No whole answer came back."""


class Problem(ParagonError):
    """An error that the server reports (RFC 9457). Programs switch on `kind`."""

    def __init__(self, status: int, body: Json, retry_after: float = 0) -> None:
        self.status = status
        self.kind: str = str(body.get("type", "about:blank")).rsplit(":", 1)[-1]
        self.field: Optional[str] = body.get("field")  # path of the faulty part of the request
        self.detail: str = body.get("detail") or body.get("title") or f"HTTP {status}"
        self.bound: Optional[float] = body.get("bound")  # in the field's unit
        self.retry_after = retry_after  # seconds; 0 when the server names none
        self.body = body
        super().__init__(f"{self.field + ': ' if self.field else ''}{self.detail} (HTTP {status})")


@dataclass(frozen=True)
class Input:
    """A query's input, as the API's JSON has it: made by `picture`, `text` or `tensors`."""

    body: Json


def picture(data: Union[bytes, bytearray, memoryview, str, "os.PathLike[str]"]) -> Input:
    """A PNG or JPEG picture: its bytes, or the path of its file."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        raw = bytes(data)
    else:
        with open(data, "rb") as f:
            raw = f.read()
    kind = "image/png" if raw.startswith(b"\x89PNG") else "image/jpeg"
    return Input({"content_type": kind, "data": base64.b64encode(raw).decode()})


def text(value: str) -> Input:
    """A text, for models that take text."""
    return Input({"text": value})


def tensors(values: Sequence[Json]) -> Input:
    """Tensors by name: {"name", "datatype", "shape", "data"}, as in the Open Inference Protocol.

    `data` is a flat list with its `shape`, or a NumPy array, which has both. The datatype
    is the model's: an array of another one is refused, because nothing is converted.
    """
    return Input({"tensors": [_listed(v) for v in values]})


# NumPy's name of each datatype of numbers.
_DTYPES = {"BOOL": "bool", "FP16": "float16", "FP32": "float32", "FP64": "float64"} | {
    f"{kind.upper()}{bits}": f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)
}


def _listed(value: Json) -> Json:
    """A tensor whose data are a list, where they may be an array."""
    data: Any = value.get("data")
    if not hasattr(data, "tolist"):
        return value
    has, wants = getattr(data, "dtype", None), _DTYPES.get(str(value.get("datatype")))
    if wants is not None and has is not None and getattr(has, "name", str(has)) != wants:
        raise TypeError(f"tensor {value.get('name')!r} is {value['datatype']}, and its array {has}: pass array.astype({wants!r})")
    return {"shape": list(data.shape), **value, "data": data.reshape(-1).tolist()}


@dataclass(frozen=True)
class Constraints:
    """Bounds of a query; None is no bound."""

    latency_ms: Optional[float] = None
    accuracy: Optional[float] = None  # percent
    cost_usd_per_million: Optional[float] = None

    def body(self) -> dict[str, float]:
        return {k: v for k, v in vars(self).items() if v is not None}


@dataclass(frozen=True)
class Score:
    """A class with its score."""

    index: int
    label: str
    score: float


@dataclass(frozen=True)
class Result:
    """An answer. Which fields are set depends on the kind of the task."""

    label: Optional[str]
    top: Sequence[Score]
    embedding: Optional[Sequence[float]]
    outputs: Sequence[Json]  # named tensors
    body: Json = field(repr=False)

    @staticmethod
    def of(body: Json) -> "Result":
        top = [Score(t["index"], t["label"], t["score"]) for t in body.get("top") or []]
        return Result(body.get("label"), top, body.get("embedding"), body.get("outputs") or [], body)


@dataclass(frozen=True)
class Failure:
    """Why a query ended without an answer. Programs switch on `code`."""

    code: str
    detail: str


_TERMINAL = frozenset({"succeeded", "failed", "expired", "cancelled"})


@dataclass(frozen=True)
class Query:
    """A query as its caller sees it; `body` is all that the server sent."""

    id: str
    state: str  # accepted, succeeded, failed, expired, cancelled
    task: Optional[str]
    model: Optional[str]  # the version that answered: "net@2" is the second of net
    latency_ms: Optional[float]
    met_slo: Optional[bool]
    cost_usd: float
    result: Optional[Result]
    failure: Optional[Failure]
    receipt: Optional[str] = field(repr=False)  # entitles to feedback
    body: Json = field(repr=False)

    @property
    def finished(self) -> bool:
        return self.state in _TERMINAL

    @staticmethod
    def of(body: Json) -> "Query":
        result, failure = body.get("result"), body.get("failure")
        return Query(
            id=body["id"],
            state=body["state"],
            task=body.get("task"),
            model=body.get("model"),
            latency_ms=body.get("latency_ms"),
            met_slo=body.get("met_slo"),
            cost_usd=body.get("cost_usd", 0),
            result=Result.of(result) if result else None,
            failure=Failure(failure["code"], failure.get("detail", "")) if failure else None,
            receipt=body.get("receipt"),
            body=body,
        )
