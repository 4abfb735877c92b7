"""Triton's gRPC client, as its package is, against a running `paragon up`:
python clients_grpc.py http://127.0.0.1:8080 127.0.0.1:8001 picture.png. KServe's is in
clients.py: one process cannot load both, as each brings the protocol's descriptors."""

import asyncio
import sys

import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
import tritonclient.http as triton_http

MODEL = "resnet-8"


def check(condition, what):
    if not condition:
        raise SystemExit(f"clients: {what}")


def tensor(shape):
    return np.full([d if d > 0 else 1 for d in map(int, shape)], 0.5, dtype=np.float32)


def over_http(url, data):
    tensor = triton_http.InferInput("input", list(data.shape), "FP32")
    tensor.set_data_from_numpy(data)
    return triton_http.InferenceServerClient(url.removeprefix("http://")).infer(MODEL, [tensor]).as_numpy("scores")


def inputs(client, data):
    tensor = client.InferInput("input", list(data.shape), "FP32")
    tensor.set_data_from_numpy(data)
    return [tensor]


def use_triton(address, url, picture):
    with triton.InferenceServerClient(address) as c:
        check(c.is_server_live() and c.is_server_ready() and c.is_model_ready(MODEL, "1"), "triton grpc: not ready")
        server, model = c.get_server_metadata(), c.get_model_metadata(MODEL, "1", as_json=True)
        check(server.name == "paragon" and model["versions"] == ["1"], f"triton grpc: metadata {server} {model}")
        one = tensor(model["inputs"][0]["shape"])
        want = over_http(url, one)
        for encoding in None, "gzip", "deflate":
            got = c.infer(MODEL, inputs(triton, one), model_version="1", request_id="mine", compression_algorithm=encoding)
            check(np.array_equal(got.as_numpy("scores"), want) and got.get_response().id == "mine", f"triton grpc: {encoding}")
            check(got.as_numpy("label").dtype == np.object_ and got.as_numpy("index").dtype == np.int64, "triton grpc: datatypes")
        batch = c.infer(MODEL, inputs(triton, np.concatenate([one, one, one])), client_timeout=60)
        check(batch.as_numpy("scores").shape[0] == 3, "triton grpc: batch")
        outputs = [triton.InferRequestedOutput("scores", class_count=3), triton.InferRequestedOutput("index")]
        got = c.infer(MODEL, inputs(triton, one), outputs=outputs, sequence_id=7, sequence_start=True, priority=1,
                      timeout=10_000_000, parameters={"latency_ms": 20000, "mine": "x"}, headers={"authorization": "Bearer mine"})
        best = got.as_numpy("scores")[0][0].decode()
        check(int(best.split(":")[1]) == got.as_numpy("index")[0], f"triton grpc: classes {best}")
        check(got.get_response().parameters["ignored"].string_param == "mine", "triton grpc: ignored parameters")
        pictures = triton.InferInput("input", [2, 1], "BYTES")
        pictures.set_data_from_numpy(np.array([[picture], [picture]], dtype=np.object_))
        labels = c.infer(MODEL, [pictures]).as_numpy("label")
        check(len(labels) == 2 and labels[0] == labels[1], f"triton grpc: pictures {labels}")
        for model, version in ("no-such-model", ""), (MODEL, "7"):
            try:
                c.infer(model, inputs(triton, one), model_version=version)
                check(False, f"triton grpc: there is no {model} {version}")
            except triton.InferenceServerException as e:
                check("NOT_FOUND" in e.status(), f"triton grpc: error {e}")


async def use_triton_aio(address):
    async with triton_aio.InferenceServerClient(address) as c:
        check(await c.is_server_ready() and await c.is_model_ready(MODEL), "triton grpc aio: not ready")
        one = tensor((await c.get_model_metadata(MODEL)).inputs[0].shape)
        got = await asyncio.gather(*[c.infer(MODEL, inputs(triton_aio, one), compression_algorithm=encoding)
                                     for encoding in (None, "gzip", "deflate") for _ in range(4)])
        check(all(np.array_equal(g.as_numpy("scores"), got[0].as_numpy("scores")) for g in got), "triton grpc aio: scores")


def main():
    url, address, path = sys.argv[1:]
    with open(path, "rb") as f:
        use_triton(address, url, f.read())
    asyncio.run(use_triton_aio(address))


main()
