"""The stands of the end-to-end tests; at the end of each fault test `sendqctl fsck` must be clean."""
import importlib.util
import os
import pathlib
import sys

import pytest

E2E = pathlib.Path(__file__).resolve().parents[1] / "e2e"
sys.path[:0] = [str(E2E), str(pathlib.Path(__file__).parent)]
os.environ.setdefault("SENDQ_TEST_FSCK", "1")

from fsck import check_clean  # noqa: E402
from support import RedisServer, Stand  # noqa: E402

_spec = importlib.util.spec_from_file_location("e2e_conftest", E2E / "conftest.py")
_e2e = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_e2e)
redis_server, sandbox = _e2e.redis_server, _e2e.sandbox


def close(stand):
    check_clean(stand)
    stand.close()


@pytest.fixture
def stand(tmp_path, redis_server, sandbox):
    redis_server.client.flushall()
    redis_server.client.config_set("maxmemory", "0")
    stand = Stand(tmp_path, redis_server, sandbox)
    yield stand
    close(stand)


@pytest.fixture
def persistent(tmp_path, sandbox):
    server = RedisServer(tmp_path / "r", aof=True).start()
    stand = Stand(tmp_path, server, sandbox)
    yield stand
    close(stand)
    stand.server.stop()
