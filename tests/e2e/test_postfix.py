"""The smtp provider against Postfix: what a real server takes, refuses and delivers."""
import base64
import os

import pytest
from mail_server import certificate
from postfix_server import PostfixServer
from support import new_id

pytestmark = pytest.mark.skipif(bool(PostfixServer.reason()), reason=PostfixServer.reason())


@pytest.fixture(scope="module")
def postfix(tmp_path_factory):
    tls = certificate(tmp_path_factory.mktemp("tls"))
    with PostfixServer(tls) as server:
        server.ca = tls[0]
        yield server


def start(stand, postfix, **settings):
    sender = {"id": "mail", "provider": "smtp", "channels": ["email"], "default": True,
              "endpoint": postfix.endpoint, "limits": {"concurrency": 10},
              "from": {"address": "support@acme.example", "name": "Acmé"}} | settings
    return stand.start(senders=[sender], tls={"ca_file": postfix.ca})


def job(**members):
    body = {"to": "a@example.com", "subject": "A subject", "body_text": "Hello.\n"}
    return {"id": new_id(), "format": "email", "body": body | members}


def test_a_thousand_mails_by_starttls(stand, postfix):
    before = postfix.count()
    connections = postfix.log().count(" connect from ")
    start(stand, postfix)
    ids = stand.push(*[job(subject=f"Größe {n}") for n in range(1000)])
    final = stand.wait_final(ids, timeout=120)
    assert {m["status"] for m in final.values()} == {"sent"}
    mails = postfix.wait(before + 1000)
    subjects = {str(m["Subject"]) for m in mails}
    assert {f"Größe {n}" for n in range(1000)} <= subjects
    assert sum(m["Subject"].startswith("Größe ") for m in mails) == 1000
    assert postfix.log().count(" connect from ") - connections < 100
    assert all("(using TLSv1" in m["Received"] for m in mails)


def test_what_it_delivers_is_what_was_sent(stand, postfix):
    data = os.urandom(10 << 20)
    before = postfix.count()
    start(stand, postfix, timeout="60s")
    text = ".\n..\nFrom here\n" + "x" * 3000 + "\nGrüße 日本\n"
    (i,) = stand.push(job(
        subject="Alles \U0001f680", body_text=text, body_html="<p>ü</p>",
        cc=["Ö <c@example.com>"], bcc=["hidden@example.com"],
        attachments=[{"filename": "ß.bin", "content_base64": base64.b64encode(data).decode()}]))
    m = stand.wait_final([i], timeout=60)[i]
    assert m["status"] == "sent", m
    mails = [x for x in postfix.wait(before + 3) if x["Message-ID"] == f"<{i}@acme.example>"]
    assert len(mails) == 3
    for mail in mails:  # one copy each
        assert mail["Subject"] == "Alles \U0001f680" and mail["Bcc"] is None
        for name in ("X-Original-To", "Delivered-To", "Received"):  # the server's own
            del mail[name]
        assert b"hidden" not in mail.as_bytes()
        plain = mail.get_body(("plain",)).get_payload(decode=True).decode().replace("\r\n", "\n")
        assert plain == text
        (attachment,) = mail.iter_attachments()
        assert attachment.get_filename() == "ß.bin"
        assert attachment.get_payload(decode=True) == data


def test_a_refused_recipient(stand, postfix):
    start(stand, postfix)
    (i,) = stand.push(job(to="refused@example.com"))
    m = stand.wait_final([i])[i]
    assert m["status"] == "failed" and m["attempts"] == "1", m
    assert "SMTP 554: 5.7.1" in m["error_message"]


def test_unicode_local_part(stand, postfix):
    start(stand, postfix)
    (i,) = stand.push(job(to="jürgen@example.com"))
    m = stand.wait_final([i])[i]
    assert m["status"] == "sent", m
