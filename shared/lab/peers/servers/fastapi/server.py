"""FastAPI on uvicorn, a process a core. The endpoints are plain functions, so
that the framework runs them in threads and goes on reading meanwhile."""

from fastapi import Body, FastAPI, Response

from network import Network

network = Network()
app = FastAPI()


@app.post("/tensor")
def tensor(body: bytes = Body(media_type="application/octet-stream")):
    return Response(network.tensor(body), media_type="application/octet-stream")


@app.post("/picture")
def picture(body: bytes = Body(media_type="image/*")):
    return network.picture(body)
