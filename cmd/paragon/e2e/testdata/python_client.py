"""Paragon's own Python client against a running `paragon up`:
python python_client.py http://127.0.0.1:8080 picture.png"""

import asyncio
import sys

import httpx

from paragon_client import AsyncClient, Client, Constraints, Problem, Unreachable, picture


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
        check(problem_of(lambda: c.cancel(later.id)).status == 409, "cancelling what has ended")

        wrong = problem_of(lambda: c.submit(shoe, task="fashion", constraints=Constraints(accuracy=99.9)))
        check(wrong.kind == "unsatisfiable" and wrong.field == "constraints.accuracy" and wrong.bound > 0, f"problem {wrong}")


async def use_async(endpoint, shoe):
    async with AsyncClient(endpoint) as c:
        answers = await asyncio.gather(*(c.submit(shoe, task="fashion", wait=10) for _ in range(20)))
        finished = await asyncio.gather(*(c.result(q) for q in answers))
        check(all(q.result.label == "ankle-boot" for q in finished), "answers side by side")


def retries(shoe):
    """What is not decisive is tried again, as the same query; what is, is not."""
    seen = []

    def server(request):
        seen.append(request.headers.get("Idempotency-Key"))
        if len(seen) == 1:
            raise httpx.ConnectError("nobody")
        if len(seen) == 2:
            return httpx.Response(503, json={"type": "urn:paragon:problem:busy"})
        return httpx.Response(202, json={"id": "q1", "state": "accepted"})

    with Client(http=httpx.Client(base_url="http://test", transport=httpx.MockTransport(server))) as c:
        check(c.submit(shoe, task="t").id == "q1" and len(seen) == 3 and seen[0] and len(set(seen)) == 1, f"keys {seen}")

    def refuses(request):
        seen.append(None)
        return httpx.Response(422, json={"type": "urn:paragon:problem:unknown-task", "field": "task"})

    seen.clear()
    with Client(http=httpx.Client(base_url="http://test", transport=httpx.MockTransport(refuses))) as c:
        check(problem_of(lambda: c.submit(shoe, task="t")).kind == "unknown-task" and len(seen) == 1, "a refusal")
    with Client("http://127.0.0.1:1", attempts=1) as c:
        try:
            c.models()
            check(False, "nobody answered")
        except Unreachable:
            pass


if __name__ == "__main__":
    url, _, path = sys.argv[1:]
    use_client(url, picture(path))
    asyncio.run(use_async(url, picture(path)))
    retries(picture(path))
