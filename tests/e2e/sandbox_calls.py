"""Requests to a sandbox of one's own, as they are on the wire."""
import http.client
import json
import socket

import pytest
from sandbox_client import Sandbox


@pytest.fixture(scope="module")
def shared():
    sandbox = Sandbox().start()
    yield sandbox
    status, log = sandbox.stop()
    assert status == 0, log


@pytest.fixture
def sandbox(shared):
    shared.reset()
    shared.configure("webhook", secret=None)
    return shared


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {k.lower(): v for k, v in response.getheaders()}
        self.body = response.read()

    def json(self):
        return json.loads(self.body)


def call(sandbox, method, path, body=None, headers=None, timeout=20):
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=timeout)
    try:
        connection.request(method, path, body, headers or {})
        return Answer(connection.getresponse())
    finally:
        connection.close()


def post_json(sandbox, path, value, **headers):
    body = value if isinstance(value, (str, bytes)) else json.dumps(value)
    return call(sandbox, "POST", path, body, {"Content-Type": "application/json", **headers})


def message(sandbox, number=1, recipient="a@example.com"):
    return post_json(sandbox, "/sandbox/messages", {"id": f"m{number}", "recipient": recipient})


def raw_request(sandbox, body=b'{"id":"m1","recipient":"a@example.com"}'):
    """A connection on which one request was sent and nothing was read."""
    s = socket.create_connection(("127.0.0.1", sandbox.port), timeout=20)
    s.sendall(b"POST /sandbox/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
              b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
    return s


def read_all(s):
    parts = []
    while part := s.recv(65536):
        parts.append(part)
    return b"".join(parts)


def inject(sandbox, **rule):
    sandbox.faults([rule])
