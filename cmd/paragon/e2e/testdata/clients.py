"""Clients of the Open Inference Protocol, as their packages are, against a running
`paragon up`: python clients.py http://127.0.0.1:8080 127.0.0.1:8001 picture.png"""

import asyncio
import sys

import numpy as np
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig

MODEL = "resnet-8"


def check(condition, what):
    if not condition:
        raise SystemExit(f"clients: {what}")


def tensor(shape):
    return np.full([shape[0] if shape[0] > 0 else 1, *shape[1:]], 0.5, dtype=np.float32)


def tritons_inputs(client, data, binary):
    tensor = client.InferInput("input", list(data.shape), "FP32")
    tensor.set_data_from_numpy(data, binary_data=binary)
    return [tensor]


def use_triton(address, picture):
    c = triton.InferenceServerClient(address)
    check(c.is_server_live() and c.is_server_ready() and c.is_model_ready(MODEL), "triton: not ready")
    check(c.is_model_ready(MODEL, "1") and not c.is_model_ready(MODEL, "7"), "triton: versions")
    server, model = c.get_server_metadata(), c.get_model_metadata(MODEL, "1")
    check(server["name"] == "paragon" and model["versions"] == ["1"], f"triton: metadata {server} {model}")
    one = tensor(model["inputs"][0]["shape"])
    batch = np.concatenate([one, one, one])
    for data in one, batch:
        for binary in True, False:
            got = c.infer(MODEL, tritons_inputs(triton, data, binary))
            check(got.as_numpy("scores").shape[0] == len(data), f"triton: scores {got.get_response()}")
            check(got.as_numpy("label").dtype == np.object_ and got.as_numpy("index").dtype == np.int64, "triton: datatypes")
    want = c.infer(MODEL, tritons_inputs(triton, one, True)).as_numpy("scores")
    for encoding in "gzip", "deflate":
        got = c.infer(MODEL, tritons_inputs(triton, one, True), model_version="1", request_id="mine",
                      request_compression_algorithm=encoding, response_compression_algorithm=encoding)
        check(np.array_equal(got.as_numpy("scores"), want) and got.get_response()["id"] == "mine", f"triton: {encoding}")
    for binary in True, False:
        outputs = [triton.InferRequestedOutput("scores", binary_data=binary, class_count=3),
                   triton.InferRequestedOutput("index", binary_data=not binary)]
        got = c.infer(MODEL, tritons_inputs(triton, one, binary), outputs=outputs, sequence_id=7, sequence_start=True,
                      priority=1, timeout=10_000_000, parameters={"latency_ms": 20000, "mine": "x"})
        best = got.as_numpy("scores")[0][0]
        best = best.decode() if isinstance(best, bytes) else best
        check(got.as_numpy("scores").shape == (1, 3) and int(best.split(":")[1]) == got.as_numpy("index")[0], f"triton: classes {best}")
    pictures = triton.InferInput("input", [2, 1], "BYTES")
    pictures.set_data_from_numpy(np.array([[picture], [picture]], dtype=np.object_))
    labels = c.infer(MODEL, [pictures]).as_numpy("label")
    check(len(labels) == 2 and labels[0] == labels[1], f"triton: pictures {labels}")
    try:
        c.infer("no-such-model", tritons_inputs(triton, one, True))
        check(False, "triton: a model that there is not")
    except triton.InferenceServerException as e:
        check("no-such-model" in str(e), f"triton: error {e}")


async def use_triton_aio(address):
    async with triton_aio.InferenceServerClient(address) as c:
        check(await c.is_server_ready() and await c.is_model_ready(MODEL, "1"), "triton aio: not ready")
        one = tensor((await c.get_model_metadata(MODEL))["inputs"][0]["shape"])
        got = await asyncio.gather(*[c.infer(MODEL, tritons_inputs(triton_aio, one, binary), request_compression_algorithm=encoding)
                                     for binary in (True, False) for encoding in (None, "gzip", "deflate")])
        check(all(np.array_equal(g.as_numpy("scores"), got[0].as_numpy("scores")) for g in got), "triton aio: scores")


async def use_kserve(url):
    c = InferenceRESTClient(RESTConfig(protocol="v2", retries=1, timeout=30))
    check(await c.is_server_live(url) and await c.is_server_ready(url) and await c.is_model_ready(url, MODEL), "kserve: not ready")
    for binary in True, False:
        tensor_in = InferInput("input", [2, 1, 28, 28], "FP32")
        tensor_in.set_data_from_numpy(np.full([2, 1, 28, 28], 0.5, dtype=np.float32), binary_data=binary)
        request = InferRequest(model_name=MODEL, infer_inputs=[tensor_in], request_id="mine", parameters={"latency_ms": 20000})
        got = await c.infer(url, request, model_name=MODEL)
        scores = next(o for o in got.outputs if o.name == "scores").as_numpy()
        check(got.id == "mine" and scores.shape[0] == 2, f"kserve: {got}")


async def use_kserve_grpc(address):
    async with InferenceGRPCClient(address, retries=0, timeout=30) as c:
        check(await c.is_server_live() and await c.is_server_ready() and await c.is_model_ready(MODEL), "kserve grpc: not ready")
        for binary in True, False:
            tensor_in = InferInput("input", [2, 1, 28, 28], "FP32")
            tensor_in.set_data_from_numpy(np.full([2, 1, 28, 28], 0.5, dtype=np.float32), binary_data=binary)
            request = InferRequest(model_name=MODEL, infer_inputs=[tensor_in], request_id="mine", parameters={"latency_ms": 20000})
            got = await c.infer(request)
            scores = next(o for o in got.outputs if o.name == "scores").as_numpy()
            check(got.id == "mine" and scores.shape[0] == 2, f"kserve grpc: {got}")


def main():
    url, grpc_address, path = sys.argv[1:]
    with open(path, "rb") as f:
        picture = f.read()
    address = url.removeprefix("http://")
    use_triton(address, picture)
    asyncio.run(use_triton_aio(address))
    asyncio.run(use_kserve(url))
    asyncio.run(use_kserve_grpc(grpc_address))


main()
