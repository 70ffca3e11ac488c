"""Quoted replies and forwards of our own mails, as they arrive at a mail server and at the APIs."""
import base64
import json
import re

import pytest
from mail_server import MailServer
from support import envelope, new_id
from test_providers_email import PROVIDERS, mime_of_gmail, sends
from test_smtp import failed, sent, smtp_sender

KEEP = {"keep": {"content": True}}


def mail(**members):
    body = {"to": "Bob <b@example.com>", "subject": "Offer", "body_text": "First\nSecond\n"}
    return {"id": new_id(), "format": "email", "body": body | members}


def conversation(**members):
    body = {"type": "Email", "contactId": "c1", "emailTo": "b@example.com", "status": "pending",
            "message": "Thanks & <regards>"}
    return envelope(body | members)


def forward(message_id, member="messageId", **members):
    return conversation(**{"message": "For you", "emailTo": None,
                           "forward": {member: message_id, "toEmail": "f@example.com"}} | members)


def text_of(received, kind="plain"):
    part = received.message.get_body([kind])
    return part.get_content().replace("\r\n", "\n") if part else None


@pytest.fixture
def server(stand):
    with MailServer() as server:
        yield server


def start(stand, server, **settings):
    stand.start(senders=[smtp_sender(stand, server)], **KEEP | settings)


def send_first(stand, server, **members):
    (i,) = stand.push(mail(**members))
    sent(stand, i)
    return i, server.wait(1)[0]


def exchange(stand, server, job):
    """The mail that comes of the job."""
    count = len(server.mails)
    (i,) = stand.push(job)
    sent(stand, i)
    return server.wait(count + 1)[-1]


# --- replies ---


@pytest.mark.parametrize("name", [
    lambda i: {"replyMessageId": i},
    lambda i: {"replyMessageId": f"<{i}@acme.example>"},
    lambda i: {"replyMessageId": f"{i}@acme.example"},
    lambda i: {"threadId": i},
], ids=["id", "message-id", "bare", "thread"])
def test_a_reply_quotes_the_original(stand, server, name):
    start(stand, server)
    first, original = send_first(stand, server)
    reply = exchange(stand, server, conversation(**name(first)))
    text = text_of(reply)
    assert re.fullmatch(r"Thanks & <regards>\n\n"
                        r"On \w{3}, \d+ \w{3} \d{4} \d\d:\d\d \+0000, Acme wrote:\n"
                        r"> First\n> Second\n", text), text
    assert text_of(reply, "html") is None
    assert reply.message["Subject"] == "Re: Offer"
    assert reply.message["In-Reply-To"] == original.message["Message-ID"]
    assert reply.message["References"] == original.message["Message-ID"]


def test_an_html_reply_holds_the_originals_html(stand, server):
    """Foreign html cannot leave its quotation."""
    start(stand, server)
    first, _ = send_first(stand, server, body_html="</blockquote><b onclick='x()'>Old"
                                                   "<script>x()</script><img src='cid:a'>")
    reply = exchange(stand, server, conversation(
        replyMessageId=first, html="<body><p>New</p></body>", subject="Mine"))
    html = text_of(reply, "html")
    assert html.startswith("<body><p>New</p><br>\n<div>On ")
    assert re.search(r"Acme wrote:<br>\n</div>\n<blockquote [^>]*><b>Old<img></b></blockquote>\n"
                     r"</body>\s*$", html), html
    assert text_of(reply).endswith("> First\n> Second\n")
    assert reply.message["Subject"] == "Mine"


def test_a_template_is_filled_before_the_quotation(stand, server):
    stand.redis.hset(stand.key("template", "t1"), mapping={"text": "From a template"})
    start(stand, server)
    first, _ = send_first(stand, server)
    reply = exchange(stand, server, conversation(
        replyMessageId=first, message=None, templateId="t1", subject="S"))
    assert text_of(reply).startswith("From a template\n\nOn ")
    assert "> Second\n" in text_of(reply)


@pytest.mark.parametrize("name", ["nobody", "{}@elsewhere.example", "18bbbbbbbbbbbbbb"])
def test_what_is_not_ours_is_not_quoted(stand, server, name):
    start(stand, server)
    first, _ = send_first(stand, server)
    reply = exchange(stand, server, conversation(replyMessageId=name.format(first), subject="S"))
    assert text_of(reply).strip() == "Thanks & <regards>"


def test_a_mail_of_another_channel_is_not_quoted(stand, server):
    stand.start(senders=[smtp_sender(stand, server),
                         stand.sender("text", channels=["sms"])], **KEEP)
    (first,) = stand.push(conversation(type="SMS", emailTo=None, toNumber="+14155550100",
                                       message="Secret"))
    sent(stand, first)
    reply = exchange(stand, server, conversation(replyMessageId=first, subject="S"))
    assert text_of(reply).strip() == "Thanks & <regards>"


def test_what_is_kept_no_more_is_not_quoted(stand, server):
    start(stand, server, keep={"content": False})
    first, _ = send_first(stand, server)
    reply = exchange(stand, server, conversation(replyMessageId=first, subject="S"))
    assert text_of(reply).strip() == "Thanks & <regards>"
    (i,) = stand.push(forward(first, subject="S"))
    m = failed(stand, i)
    assert (m["error_code"], m["error_message"]) == (
        "validation_error", "forward: the mail is not kept here, and smtp has none of its own")


def test_another_tenants_mail_is_not_shown(stand, server):
    start(stand, server)
    (first,) = stand.push(mail() | {"tenant": "one"})
    sent(stand, first)
    other, own = [conversation(replyMessageId=first, subject="S") | {"tenant": t}
                  for t in ("two", "one")]
    assert "First" not in text_of(exchange(stand, server, other))
    assert "First" in text_of(exchange(stand, server, own))
    (i,) = stand.push(forward(first, subject="S") | {"tenant": "two"})
    assert failed(stand, i)["error_code"] == "validation_error"


# --- forwards ---


@pytest.mark.parametrize("member", ["messageId", "emailMessageId"])
def test_a_forward_holds_the_original(stand, server, member):
    start(stand, server)
    first, original = send_first(
        stand, server, cc=["c@example.com"], bcc=["hidden@example.com"],
        body_html="<p>First</p><img src='cid:logo'>", attachments=[
            {"filename": "a.txt", "mime_type": "text/plain",
             "content_base64": base64.b64encode(b"file").decode()},
            {"filename": "l.png", "mime_type": "image/png", "content_id": "logo",
             "content_base64": base64.b64encode(b"image").decode()}])
    job = forward(first if member == "messageId" else f"<{first}@acme.example>", member)
    received = exchange(stand, server, job | {"reply_to": "me"})
    assert re.fullmatch(
        r"For you\n\n---------- Forwarded message ---------\n"
        r'From: "?Acme"? <support@acme\.example>\nDate: .* \+0000\nSubject: Offer\n'
        r'To: "?Bob"? <b@example\.com>\n\nFirst\nSecond\n', text_of(received)), text_of(received)
    html = text_of(received, "html")
    assert html.startswith("<div>For you</div>\n<br>\n<div>---------- Forwarded")
    assert '<p>First</p><img src="cid:logo">' in html
    assert received.message["Subject"] == "Fwd: Offer"
    assert received.recipients == ["f@example.com"]
    assert b"hidden" not in received.content
    files = {p.get_filename(): p.get_content() for p in received.message.walk()
             if p.get_filename()}
    assert files == {"a.txt": "file", "l.png": b"image"}
    assert stand.reply("me")["forwardData"]["forwardToEmail"] == "f@example.com"


def test_a_failed_mail_can_be_forwarded(stand, server):
    """Its content is kept, whatever keep_content says."""
    start(stand, server, keep={"content": False})
    server.rule("RCPT", "550 5.1.1 No such user here", match="b@")
    (first,) = stand.push(mail())
    failed(stand, first)
    received = exchange(stand, server, forward(first))
    assert text_of(received).endswith("First\nSecond\n")


def test_an_original_that_is_too_large(stand, server):
    start(stand, server)
    first, _ = send_first(stand, server, attachments=[
        {"filename": "a.bin", "content_base64": base64.b64encode(bytes(1_600_000)).decode()}])
    (i,) = stand.push(forward(first))
    m = failed(stand, i)
    assert (m["error_code"], m["error_message"]) == (
        "too_large", "forward: the mail to forward is too large with its files")
    # Its text is there: a file of that size is kept beside it.
    reply = exchange(stand, server, conversation(replyMessageId=first, subject="S"))
    assert text_of(reply).startswith("Thanks & <regards>")
    assert "\n> First" in text_of(reply)


def test_texts_that_become_too_large(stand, server):
    start(stand, server, job={"max_content": "2KiB"})
    first, _ = send_first(stand, server, body_text="x" * 2000)
    (i,) = stand.push(forward(first, subject="S"))
    assert failed(stand, i)["error_code"] == "too_large"
    reply = exchange(stand, server, conversation(replyMessageId=first))
    assert text_of(reply).strip() == "Thanks & <regards>"
    assert reply.message["In-Reply-To"] == f"<{first}@acme.example>"


# --- the APIs ---


@pytest.mark.parametrize("provider", [p for p in PROVIDERS if p.name != "microsoft"],
                         ids=lambda p: p.name)
def test_by_each_provider(stand, provider):
    stand.start(senders=[provider.sender(stand)], **KEEP)
    (first,) = stand.push(mail(body_text="What it said"))
    sent(stand, first)
    ids = stand.push(forward(first), conversation(replyMessageId=first))
    for i in ids:
        sent(stand, i)
    _, *bodies = [mime_of_gmail(r).as_string() if provider.name == "gmail" else str(r["body"])
                  for r in sends(stand, provider)]
    assert sorted("Forwarded message" in b for b in bodies) == [False, True]
    assert sorted("> What it said" in b for b in bodies) == [False, True]
    assert all("What it said" in b for b in bodies)


def gmail(stand, job, **settings):
    """The message's hash, the requests that read, and the mail if it was sent."""
    (provider,) = [p for p in PROVIDERS if p.name == "gmail"]
    stand.start(senders=[provider.sender(stand, **settings)])
    (i,) = stand.push(job)
    m = stand.wait_final([i])[i]
    requests = stand.sandbox.requests("gmail")
    if m["status"] != "sent":
        return m, requests, None
    return m, requests[:-1], mime_of_gmail(requests[-1])


@pytest.mark.parametrize("member", ["messageId", "emailMessageId"])
def test_gmail_forwards_from_its_mailbox(stand, member):
    m, reads, received = gmail(stand, forward("18bbbbbbbbbbbbbb", member))
    assert m["status"] == "sent", m
    assert len(reads) == 1 and "/messages/18bbbbbbbbbbbbbb?format=full" in reads[0]["path"]
    text = received.get_body(["plain"]).get_content().replace("\r\n", "\n")
    assert text == ("For you\n\n---------- Forwarded message ---------\n"
                    "From: Jane Doe <jane@x.example>\nDate: Sat, 21 Nov 2026 09:10 +0000\n"
                    "Subject: Question\nTo: support@acme.example\n\nFirst\nSecond\n")
    assert "<b>First</b>" in received.get_body(["html"]).get_content()
    assert received["Subject"] == "Fwd: Question"
    assert received["In-Reply-To"] is None


@pytest.mark.parametrize("name, code, words", [
    ("dead000000000000", "validation_error", "forward: the mail is not in this mailbox"),
    ("4030000000000000", "insufficient_permissions",
     "forward: reading the mail needs a scope as gmail.readonly"),
    ("nobody", "validation_error",
     "forward: the mail is not kept here, and gmail has none of its own")])
def test_a_forward_that_gmail_has_not(stand, name, code, words):
    m, requests, _ = gmail(stand, forward(name, subject="S"))
    assert all(r["method"] == "GET" for r in requests)
    assert (m["status"], m["error_code"]) == ("failed", code)
    assert m["error_message"].startswith(words), m


@pytest.mark.parametrize("name, quoted, reads_expected", [
    ("18bbbbbbbbbbbbbb", True, 1), ("4030000000000000", False, 2), ("dead000000000000", False, 2)])
def test_gmail_quotes_what_it_answers(stand, name, quoted, reads_expected):
    """What cannot be read is answered without; what headers can be had, it has."""
    m, reads, received = gmail(stand, conversation(replyMessageId=name, subject="S"),
                               options={"quote": "true"})
    assert m["status"] == "sent", m
    assert len(reads) == reads_expected
    text = received.get_body(["plain"]).get_content().replace("\r\n", "\n")
    assert text.endswith("Jane Doe wrote:\n> First\n> Second\n") == quoted, text
    assert received["In-Reply-To"] == (
        None if name.startswith("dead") else f"<{name}@mail.gmail.com>")


def test_gmail_reads_no_more_than_it_must(stand):
    m, reads, received = gmail(stand, conversation(replyMessageId="18bbbbbbbbbbbbbb", subject="S"))
    assert m["status"] == "sent", m
    assert [("format=metadata" in r["path"]) for r in reads] == [True]
    assert received.get_body(["plain"]).get_content().strip() == "Thanks & <regards>"


def test_microsoft_quotes_by_itself(stand):
    (provider,) = [p for p in PROVIDERS if p.name == "microsoft"]
    stand.start(senders=[provider.sender(stand)], **KEEP)
    (first,) = stand.push(mail(body_text="What it said"))
    sent(stand, first)
    (i,) = stand.push(forward(first))
    sent(stand, i)
    paths = [r["path"] for r in stand.sandbox.requests("microsoft")]
    assert any(f"/messages/{first}/createForward" in p for p in paths), paths
    drafts = [json.loads(r["body"]) for r in stand.sandbox.requests("microsoft")
              if r["path"].endswith("createForward")]
    assert drafts[0]["comment"] == "For you"
