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


@pytest.fixture
def persistent(tmp_path, sandbox):
    """As `stand`, with a Redis of its own whose data survives a kill."""
    server = RedisServer(tmp_path / "r", aof=True).start()
    stand = Stand(tmp_path, server, sandbox)
    yield stand
    stand.close()
    server.stop()
