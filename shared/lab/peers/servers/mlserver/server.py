"""An MLServer runtime with handlers of its own: the protocol's JSON would cost more
than the inference. The parallel workers, one a core, run them."""

from fastapi import Body, Response
from mlserver import MLModel
from mlserver.handlers import custom_handler

from network import Network


class Peer(MLModel):
    async def load(self) -> bool:
        self.network = Network()
        return True

    @custom_handler(rest_path="/tensor")
    async def tensor(self, body: bytes = Body(media_type="application/octet-stream")) -> Response:
        return Response(self.network.tensor(body), media_type="application/octet-stream")

    @custom_handler(rest_path="/picture")
    async def picture(self, body: bytes = Body(media_type="image/*")) -> dict:
        return self.network.picture(body)
