"""A mail with 25 MiB attached: what it costs in memory, and that others pass it."""
import base64
import os

import pytest
from mail_server import MailServer
from support import new_id, sanitizer_env, wait_for
from test_providers_email import by_name

SIZE = 25 << 20
# What a sanitizer's allocator keeps besides; a release build needs 2.77 times the size at most.
SLACK = 4 << 20
# What is freed is given back at once, as without sanitizers, instead of being watched for a while.
NO_QUARANTINE = {"ASAN_OPTIONS": sanitizer_env()["ASAN_OPTIONS"] + ":quarantine_size_mb=0"}


@pytest.fixture
def server():
    with MailServer() as server:
        yield server


@pytest.fixture
def root(tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files/big.bin").write_bytes(os.urandom(SIZE))
    return tmp_path / "files"


def smtp(server):
    return {"id": "s", "provider": "smtp", "channels": ["email"], "default": True,
            "endpoint": server.endpoint, "options": {"tls": "none"}, "timeout": "120s",
            "from": {"address": "support@acme.example"}}


def job(to="a@example.com", **members):
    return {"id": new_id(), "format": "email",
            "body": {"to": to, "subject": "S", "body_text": "T"} | members}


def large(**members):
    return job(attachments=[{"filename": "big.bin", "storage_path": "big.bin"}], **members)


@pytest.fixture(scope="module")
def content():
    return os.urandom(SIZE)


def inline(content, **members):
    text = base64.b64encode(content).decode()
    return job(attachments=[{"filename": "big.bin", "content_base64": text}], **members)


def peak(daemon):
    """The most memory it has had since forget_peak, in bytes."""
    with open(f"/proc/{daemon.pid}/status") as status:
        (line,) = [x for x in status if x.startswith("VmHWM:")]
    return int(line.split()[1]) << 10


def forget_peak(daemon):
    with open(f"/proc/{daemon.pid}/clear_refs", "w") as file:
        file.write("5")


def sent(stand, *jobs):
    final = stand.wait_final(stand.push(*jobs), timeout=120)
    assert {m["status"] for m in final.values()} == {"sent"}, final


@pytest.mark.parametrize("name", ["smtp", "gmail", "microsoft", "mailgun", "postmark", "ses",
                                  "resend"])
def test_it_needs_three_times_its_size_at_most(stand, server, root, name):
    """From the fetch to the last byte sent, whatever the provider makes of it."""
    sender = smtp(server) if name == "smtp" else by_name(name).sender(stand, timeout="120s")
    daemon = stand.start(senders=[sender], attachments={"root": str(root)}, env=NO_QUARANTINE)
    sent(stand, job())
    forget_peak(daemon)
    before = peak(daemon)
    sent(stand, large())
    assert peak(daemon) - before <= 3 * SIZE + SLACK


@pytest.mark.parametrize("name", ["smtp", "microsoft", "mailgun", "ses"])
def test_inside_the_job_it_needs_no_more(stand, server, content, name):
    """From the job list to the last byte sent. Its content comes by another way; from there on it is
    what the others above are."""
    sender = smtp(server) if name == "smtp" else by_name(name).sender(stand, timeout="120s")
    daemon = stand.start(senders=[sender], env=NO_QUARANTINE)
    sent(stand, job())
    forget_peak(daemon)
    before = peak(daemon)
    sent(stand, inline(content))
    assert peak(daemon) - before <= 3 * SIZE + SLACK


@pytest.mark.parametrize("inside", [False, True])
def test_others_pass_it(stand, server, root, content, inside):
    """The server stops to read it; a hundred others, by the same sender, are sent meanwhile."""
    stand.start(senders=[smtp(server)], attachments={"root": str(root)})
    stop = server.rule("BODY", match="slow@example.com", hang=True)
    to = {"to": "slow@example.com"}
    (slow,) = stand.push(inline(content, **to) if inside else large(**to))
    wait_for(lambda: stop["times"] == 0, "the large mail is under way")
    sent(stand, *[job(to=f"r{n}@example.com") for n in range(100)])
    assert stand.status(slow) == "sending"
    assert len(server.mails) == 100
    server.release(stop)
    assert stand.wait_final([slow], timeout=120)[slow]["status"] == "sent"
    assert len(server.wait(101)[-1].content) > SIZE
