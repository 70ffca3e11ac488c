"""Fixtures: `stand` is an empty Redis, a fresh sandbox and a place to start daemons in."""
import pathlib
import sys

import pytest
from sandbox_client import Sandbox
from support import RedisServer, Stand

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "tools"))  # postfix, rig


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory):
    # A short path: a unix socket's name has at most 107 characters.
    server = RedisServer(tmp_path_factory.mktemp("r")).start()
    yield server
    server.stop()


@pytest.fixture
def sandbox():
    with Sandbox() as server:
        yield server
        status, log = server.stop()
        assert status == 0, f"the sandbox ended with {status}: {log}"


@pytest.fixture
def stand(tmp_path, redis_server, sandbox):
    redis_server.client.flushall()
    stand = Stand(tmp_path, redis_server, sandbox)
    yield stand
    stand.close()


def stand_alone(tmp_path, sandbox, **options):
    server = RedisServer(tmp_path / "r", **options).start()
    stand = Stand(tmp_path, server, sandbox)
    yield stand
    stand.close()
    server.stop()


@pytest.fixture
def own_stand(tmp_path, sandbox):
    """As `stand`, with a Redis of its own, which may go and come back."""
    yield from stand_alone(tmp_path, sandbox)


@pytest.fixture
def persistent(tmp_path, sandbox):
    """The same, whose data survives a kill."""
    yield from stand_alone(tmp_path, sandbox, aof=True)
