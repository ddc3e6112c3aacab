import pytest

pytest.importorskip("fastapi")

from starlette.testclient import TestClient

from sulsul.predictor import Predictor
from sulsul.serving.application import create_application
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
