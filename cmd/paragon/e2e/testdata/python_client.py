"""Paragon's own Python client against a running `paragon up`:
python python_client.py http://127.0.0.1:8080 GRPC picture.png, with the address of a receiver of
callbacks, which counts three, in the variable CALLBACK."""

import asyncio
import json
import os
import struct
import sys
import zlib

import httpx

from paragon_client import AsyncClient, Client, Constraints, Problem, Unreachable, picture, tensors


def check(condition, what):
    if not condition:
        raise SystemExit(f"python client: {what}")


def problem_of(call):
    try:
        return call()
    except Problem as p:
        return p


def use_client(endpoint, shoe):
    with Client(endpoint) as c:
        check({m["task"] for m in c.models()} == {"fashion"}, "models")
        q = c.submit(shoe, task="fashion", constraints=Constraints(latency_ms=5000, accuracy=85), wait=10)
        check(q.finished and q.state == "succeeded" and q.result.label == "ankle-boot", f"answer {q}")
        check(q.result.top[0].label == q.result.label and q.met_slo is not None and q.receipt, f"fields of {q}")
        c.feedback(q, label="ankle-boot")
        check(problem_of(lambda: c.feedback(q, correct=True)).kind == "already-voted", "a second vote")

        later = c.submit(shoe, model="resnet-8", key="one")
        again = c.submit(shoe, model="resnet-8", key="one")
        check(later.id == again.id, f"a key stands for {later.id} and {again.id}")
        check(c.result(later).result.label == "ankle-boot", "an answer that is awaited")
        check(c.result(later.id) == c.result(later), "an answer that is awaited by its query's id")
        check(problem_of(lambda: c.cancel(later.id)).status == 409, "cancelling what has ended")

        wrong = problem_of(lambda: c.submit(shoe, task="fashion", constraints=Constraints(accuracy=99.9)))
        check(wrong.kind == "unsatisfiable" and wrong.field == "constraints.accuracy" and wrong.bound > 0, f"problem {wrong}")


class Array:
    """An array as NumPy has it."""

    shape = (2, 2)

    def reshape(self, _):
        return self

    def tolist(self):
        return [1.0, 2.0, 3.0, 4.0]


def use_arrays():
    """An array brings its shape, and is sent as a list; a list is sent as it is."""
    listed = {"name": "x", "datatype": "FP32", "shape": [2, 2], "data": [1.0, 2.0, 3.0, 4.0]}
    array = {"name": "x", "datatype": "FP32", "data": Array()}
    check(tensors([listed, array]).body == {"tensors": [listed, listed]}, "tensors of an array")
    array["data"].dtype = "float32"
    check(tensors([array]).body == {"tensors": [listed]}, "an array of the tensor's datatype")
    array["data"].dtype = "float64"
    try:
        refused = str(tensors([array]).body)
    except TypeError as e:
        refused = str(e)
    check("astype('float32')" in refused, f"an array of another datatype: {refused}")


def use_bytes(path):
    """A picture's bytes may be in any of Python's types of bytes."""
    with open(path, "rb") as f:
        raw = f.read()
    want = picture(path).body
    check(all(picture(kind(raw)).body == want for kind in (bytes, bytearray, memoryview)), "kinds of bytes")


def large(path):
    """The picture of a file with a comment of a megabyte in it: too large for a query."""
    with open(path, "rb") as f:
        raw = f.read()
    chunk = b"tEXtComment\0" + b"x" * (1 << 20)
    end = len(raw) - 12  # IEND
    return picture(raw[:end] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + raw[end:])


def use_uploads(endpoint, shoe):
    """A large picture is uploaded, once for several queries where that is asked for."""
    with Client(endpoint, token="mine") as c:
        there = c.upload(shoe)
        check("uri" in there.body and "data" not in there.body, f"upload {there}")
        for given in (shoe, there, there):
            q = c.submit(given, task="fashion", wait=10)
            check(c.result(q).result.label == "ankle-boot", f"answer to an upload {q}")

    async def aside():
        async with AsyncClient(endpoint) as c:
            return await c.result(await c.submit(shoe, task="fashion", wait=10))

    check(asyncio.run(aside()).result.label == "ankle-boot", "an upload side by side")

    sent = []

    def server(request):
        sent.append((request.url.host, request.headers.get("Authorization"), request.headers.get("X-Amz-Meta-Limit")))
        if request.url.path == "/v1/uploads":
            return httpx.Response(201, json={"uri": "u", "url": "https://store.example.com/x", "method": "PUT", "headers": {"X-Amz-Meta-Limit": "1"}})
        return httpx.Response(200 if request.method == "PUT" else 202, json={"id": "q", "state": "accepted"})

    http = httpx.Client(base_url="http://test", transport=httpx.MockTransport(server), headers={"Authorization": "Bearer mine"})
    with Client(http=http) as c:
        c.submit(shoe, task="t")
        try:
            c.submit("hello", task="t")
            check(False, "a text was taken for an input")
        except TypeError as e:
            check("made by picture, text or tensors, and is a str" in str(e), str(e))
    check(sent == [("test", "Bearer mine", None), ("store.example.com", None, "1"), ("test", "Bearer mine", None)], f"an upload elsewhere: {sent}")


async def use_async(endpoint, shoe):
    async with AsyncClient(endpoint) as c:
        answers = await asyncio.gather(*(c.submit(shoe, task="fashion", wait=10) for _ in range(20)))
        finished = await asyncio.gather(*(c.result(q) for q in answers))
        check(all(q.result.label == "ankle-boot" for q in finished), "answers side by side")


def use_callbacks(endpoint, shoe, receiver):
    """The stage calls the receiver once for each query: one that is answered in its request,
    one that is not waited for, and one side by side. It calls no host that it may not call."""
    with Client(endpoint) as c:
        check(c.submit(shoe, task="fashion", wait=10, callback=receiver).finished, "an answer and a callback")
        later = c.submit(shoe, task="fashion", callback=receiver)
        check(c.result(later).state == "succeeded", "a later answer and a callback")
        refused = problem_of(lambda: c.submit(shoe, task="fashion", callback="https://elsewhere.example.com/done"))
        check(refused.field == "callback", f"a callback elsewhere: {refused}")

    async def aside():
        async with AsyncClient(endpoint) as c:
            return await c.submit(shoe, task="fashion", wait=10, callback=receiver)

    check(asyncio.run(aside()).finished, "a callback side by side")

    seen = []

    def server(request):
        seen.append((json.loads(request.content).get("callback"), request.headers.get("Idempotency-Key")))
        return httpx.Response(503) if len(seen) == 1 else httpx.Response(200, json={"id": "q1", "state": "succeeded"})

    http = httpx.Client(base_url="http://test", transport=httpx.MockTransport(server))
    with Client(http=http) as c:
        c.submit(shoe, task="t", wait=10, callback="https://mine.example.com/done")
    check(len(set(seen)) == 1 and len(seen) == 2 and seen[0][0] == "https://mine.example.com/done" and seen[0][1], f"a try that is repeated: {seen}")


def retries(shoe, submit):
    """What is not decisive is tried again, as the same query; what is, is not."""
    seen = []

    def server(request):
        seen.append(request.headers.get("Idempotency-Key"))
        if len(seen) == 1:
            raise httpx.ConnectError("nobody")
        if len(seen) == 2:
            return httpx.Response(503, json={"type": "urn:paragon:problem:busy"})
        if len(seen) == 3:
            return httpx.Response(429, json={"type": "urn:paragon:problem:over-owner-limit"})
        return httpx.Response(202, json={"id": "q1", "state": "accepted"})

    check(submit(server, shoe).id == "q1" and len(seen) == 4 and seen[0] and len(set(seen)) == 1, f"keys {seen}")

    def busy(request):
        seen.append(None)
        return httpx.Response(503, json={"type": "urn:paragon:problem:busy"})

    seen.clear()
    check(problem_of(lambda: submit(busy, shoe, attempts=2)).status == 503 and len(seen) == 2, f"{len(seen)} attempts of 2")

    def refuses(request):
        seen.append(None)
        return httpx.Response(422, json={"type": "urn:paragon:problem:unknown-task", "field": "task"})

    seen.clear()
    check(problem_of(lambda: submit(refuses, shoe)).kind == "unknown-task" and len(seen) == 1, "a refusal")


def submit_waiting(server, shoe, attempts=5):
    http = httpx.Client(base_url="http://test", transport=httpx.MockTransport(server))
    with Client(http=http, attempts=attempts) as c:
        return c.submit(shoe, task="t")


def submit_async(server, shoe, attempts=5):
    async def run():
        http = httpx.AsyncClient(base_url="http://test", transport=httpx.MockTransport(server))
        async with AsyncClient(http=http, attempts=attempts) as c:
            return await c.submit(shoe, task="t")

    return asyncio.run(run())


def unreachable():
    """Nothing answers at an address: both clients say so."""
    async def aside():
        async with AsyncClient("http://127.0.0.1:1", attempts=1) as c:
            await c.models()

    def waiting():
        with Client("http://127.0.0.1:1", attempts=1) as c:
            c.models()

    for call in (waiting, lambda: asyncio.run(aside())):
        try:
            call()
        except Unreachable:
            continue
        check(False, "nobody answered")


if __name__ == "__main__":
    url, _, path = sys.argv[1:]
    use_arrays()
    use_bytes(path)
    use_client(url, picture(path))
    use_uploads(url, large(path))
    asyncio.run(use_async(url, picture(path)))
    use_callbacks(url, picture(path), os.environ["CALLBACK"])
    for submit in (submit_waiting, submit_async):
        retries(picture(path), submit)
    unreachable()
