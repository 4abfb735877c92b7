"""LitServe with an inference worker a core, behind one HTTP server: its workers are
processes of their own, and the core that is left goes to them."""

import sys
from typing import Annotated

import litserve
from fastapi import Body, Response

from network import WORKERS, Network


class API(litserve.LitAPI):
    """What the two endpoints share."""

    def setup(self, device):
        self.network = Network()


class TensorAPI(API):
    def decode_request(self, request: Annotated[bytes, Body(media_type="application/octet-stream")]):
        return request

    def predict(self, body):
        return self.network.tensor(body)

    def encode_response(self, output):
        return Response(output, media_type="application/octet-stream")


class PictureAPI(API):
    def decode_request(self, request: Annotated[bytes, Body(media_type="image/*")]):
        return request

    def predict(self, body):
        return self.network.picture(body)


if __name__ == "__main__":
    kind, port = sys.argv[1], int(sys.argv[2])
    api = {"tensor": TensorAPI, "picture": PictureAPI}[kind](api_path="/" + kind)
    server = litserve.LitServer(api, accelerator="cpu", devices=1, workers_per_device=WORKERS)
    server.run(host="127.0.0.1", port=port, num_api_servers=1, log_level="warning", generate_client_file=False)
