"""Ray Serve with a replica a core behind its HTTP proxy."""

import asyncio
import signal
import sys

import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import Response

from network import WORKERS, Network


@serve.deployment(num_replicas=WORKERS, ray_actor_options={"num_cpus": 1}, max_ongoing_requests=16)
class Peer:
    def __init__(self):
        self.network = Network()

    async def __call__(self, request: Request):
        body = await request.body()
        if request.url.path == "/tensor":
            scores = await asyncio.to_thread(self.network.tensor, body)
            return Response(scores, media_type="application/octet-stream")
        return await asyncio.to_thread(self.network.picture, body)


if __name__ == "__main__":
    ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, configure_logging=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])}, logging_config={"enable_access_log": False})
    serve.run(Peer.bind(), route_prefix="/")
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
    ray.shutdown()
