import threading
import time

import pytest

pytest.importorskip("fastapi")

import uvicorn
from starlette.testclient import TestClient

from sulsul.predictor import Predictor
from sulsul.serving.application import create_application
from sulsul.serving.server import listen
from sulsul.serving.settings import ServingSettings


@pytest.fixture(scope="session")
def predictor(finished_run) -> Predictor:
    return Predictor.load(finished_run / "run")


@pytest.fixture(scope="session")
def client(predictor):
    """Serve with the default settings; tests must leave the server as it is."""
    with TestClient(create_application(predictor, ServingSettings()), base_url="http://localhost") as client:
        yield client


@pytest.fixture
def client_with(predictor):
    """Make servers of given limits (and key)."""
    clients = []

    def make(api_key=None, **settings) -> TestClient:
        application = create_application(predictor, ServingSettings(**settings), api_key)
        client = TestClient(application, base_url="http://localhost").__enter__()
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture(scope="module")
def serving(predictor):
    """Serve on free ports in this process."""
    running = []

    def start(api_key=None, **settings):
        chosen = ServingSettings(port=0, **settings)
        listening = listen(chosen)
        application = create_application(predictor, chosen, api_key)
        server = uvicorn.Server(uvicorn.Config(application, log_config=None, lifespan="on", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        running.append((server, thread, listening))
        while not server.started:
            time.sleep(0.01)
        return f"http://127.0.0.1:{listening.getsockname()[1]}/"

    yield start
    for server, thread, listening in running:
        server.should_exit = True
        thread.join()
        listening.close()
