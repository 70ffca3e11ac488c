"""The smtp provider against Postfix: what a real server takes, refuses and delivers."""
import collections
import email
import email.policy
import re

import pytest
from mail_server import certificate
from mime_cases import check_all, push_all, recipients
from postfix import Postfix
from support import new_id, wait_for

LOGIN = ("user", "s3cret pässword")
REASON = Postfix.reason(login=True)
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)

OWN = ("return-path:", "x-original-to:", "delivered-to:", "received:")
Mail = collections.namedtuple("Mail", "recipients content message")


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def postfix(tls):
    """Takes mails by STARTTLS from who has logged in, and only so."""
    with Postfix(tls, LOGIN) as server:
        yield server


def start(stand, postfix, tls, password=LOGIN[1], **settings):
    sender = {"id": "mail", "provider": "smtp", "channels": ["email"], "default": True,
              "endpoint": postfix.endpoint, "limits": {"concurrency": 10},
              "credentials": {"username": LOGIN[0], "password": password},
              "from": {"address": "support@acme.example", "name": "Acmé, Inc."}} | settings
    return stand.start(senders=[sender], tls={"ca_file": tls[0]}, job={"max_bytes": "40MiB"})


def job(**members):
    body = {"to": "a@example.com", "subject": "A subject", "body_text": "Hello.\n"}
    return {"id": new_id(), "format": "email", "body": body | members}


def final(stand, *jobs, timeout=60):
    return list(stand.wait_final(stand.push(*jobs), timeout).values())


def connections(postfix):
    """What each that has ended did, as the log counts it: [{"mail": 100, "auth": 1, ...}, ...]."""
    ended = re.findall(r" disconnect from \S+ (.*)", postfix.log())
    return [{k: int(v.split("/")[0]) for k, v in re.findall(r"(\w+)=([\d/]+)", line)}
            for line in ended]


def wait_for_mails(postfix, since, count):
    wait_for(lambda: len(set(postfix.paths()) - since) >= count,
             lambda: f"{count} mails: {len(set(postfix.paths()) - since)} came\n"
             + postfix.log()[-2000:], 60)


def without_own(raw):
    """A delivered mail without the headers that the server put before it."""
    rest = raw.splitlines(keepends=True)
    while rest and rest[0].decode("latin-1").lower().startswith(OWN):
        rest.pop(0)
        while rest[0][:1] in (b" ", b"\t"):
            rest.pop(0)
    return b"".join(rest)


def delivered(postfix, since):
    """{message id: mail}; each recipient has a copy of his own, all of them the same."""
    copies, names = collections.defaultdict(set), collections.defaultdict(list)
    for path in postfix.paths():
        if path in since:
            continue
        raw = path.read_bytes()
        own = without_own(raw)
        i = str(email.message_from_bytes(own)["Message-ID"])[1:].split("@")[0]
        copies[i].add(own)
        names[i].append(email.message_from_bytes(raw, policy=email.policy.default)["Delivered-To"])
    assert all(len(c) == 1 for c in copies.values())
    return {i: Mail(names[i], own, email.message_from_bytes(own, policy=email.policy.default))
            for i, (own,) in copies.items()}


def test_a_thousand_mails_over_ten_connections(stand, postfix, tls):
    before, since = len(connections(postfix)), set(postfix.paths())
    daemon = start(stand, postfix, tls)
    done = final(stand, *[job(subject=f"Größe {n}") for n in range(1000)], timeout=120)
    assert {m["status"] for m in done} == {"sent"}
    assert {m["attempts"] for m in done} == {"1"}
    wait_for_mails(postfix, since, 1000)
    mails = [email.message_from_bytes(p.read_bytes(), policy=email.policy.default)
             for p in postfix.paths() if p not in since]
    assert sorted(str(m["Subject"]) for m in mails) == sorted(f"Größe {n}" for n in range(1000))
    assert all("(using TLSv1" in m["Received"] and
               "(Authenticated sender: user@mail.test)" in m["Received"] for m in mails)
    daemon.stop()
    wait_for(lambda: sum(c["mail"] for c in connections(postfix)[before:] if "mail" in c) == 1000,
             lambda: str(connections(postfix)[before:]))
    used = connections(postfix)[before:]
    assert len(used) <= 10, used
    assert all(c["starttls"] == c["auth"] == 1 for c in used), used


def test_mails_are_read_as_they_were_written(stand, postfix, tls):
    since = set(postfix.paths())
    start(stand, postfix, tls, timeout="60s")
    pushed = push_all(stand)
    wait_for_mails(postfix, since, sum(len(recipients(body)) for _, body in pushed.values()))
    check_all(delivered(postfix, since), pushed)


def test_a_wrong_password_breaks_the_sender(stand, postfix, tls):
    since = len(postfix.paths())
    daemon = start(stand, postfix, tls, password="c4nary")
    (i,) = stand.push(job())
    wait_for(lambda: stand.redis.hget(stand.key("sender", "mail"), "state") == "broken", stand.logs)
    assert stand.status(i) in ("queued", "scheduled")
    assert len(postfix.paths()) == since
    assert "c4nary" not in daemon.log()
    assert daemon.log_lines("535")


def test_without_login_it_takes_nothing(stand, postfix, tls):
    start(stand, postfix, tls, credentials={})
    (m,) = final(stand, job())
    assert m["status"] == "failed" and "SMTP 554: 5.7.1" in m["error_message"], m


def test_a_refused_recipient(stand, postfix, tls):
    start(stand, postfix, tls)
    (m,) = final(stand, job(to="refused@example.com"))
    assert m["status"] == "failed" and m["attempts"] == "1", m
    assert "SMTP 554: 5.7.1" in m["error_message"]


def test_a_recipient_put_off(stand, postfix, tls):
    start(stand, postfix, tls, retry={"attempts": 3, "base": "10ms"})
    (m,) = final(stand, job(to="later@example.com"))
    assert m["status"] == "failed" and m["attempts"] == "3", m
    assert "SMTP 450: 4.2.1" in m["error_message"]


def test_unicode_local_part(stand, postfix, tls):
    start(stand, postfix, tls)
    (m,) = final(stand, job(to="jürgen@example.com"))
    assert m["status"] == "sent", m
