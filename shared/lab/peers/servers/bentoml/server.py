"""BentoML with a worker a core. Both endpoints take the body as it is."""

from typing import Annotated, Any

import bentoml
from bentoml.validators import ContentType

from network import WORKERS, Network


@bentoml.service(workers=WORKERS, traffic={"timeout": 60}, logging={"access": {"enabled": False}})
class Peer:
    def __init__(self):
        self.network = Network()

    @bentoml.api(route="/tensor")
    def tensor(
        self, body: Annotated[bytes, ContentType("application/octet-stream")], /
    ) -> Annotated[bytes, ContentType("application/octet-stream")]:
        return self.network.tensor(body)

    @bentoml.api(route="/picture")
    def picture(self, body: Annotated[bytes, ContentType("image/*")], /) -> dict[str, Any]:
        return self.network.picture(body)
