"""Mails as a mail reader sees them: sent by SMTP, read by Python's email, compared field by field."""
import base64

import pytest
from mail_server import MailServer
from mime_cases import check_all, file, push_all
from support import new_id, wait_for

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
                       "AABJRU5ErkJggg==")


@pytest.fixture(scope="module")
def server():
    with MailServer() as server:
        yield server


def check_wire(mail):
    """What SMTP asks for: CR LF and nothing alone, short lines, ASCII."""
    assert b"\n" not in mail.content.replace(b"\r\n", b"")
    assert b"\r" not in mail.content.replace(b"\r\n", b"")
    assert max(len(line) for line in mail.content.split(b"\r\n")) <= 998
    if "SMTPUTF8" not in mail.options:
        assert all(byte < 128 for byte in mail.content)


def sender(server):
    return {"id": "mail", "provider": "smtp", "endpoint": server.endpoint,
            "from": {"address": "support@acme.example", "name": "Acmé, Inc."},
            "options": {"tls": "none", "unsubscribe_url": "https://acme.example/u/{id}",
                        "unsubscribe_address": "u@acme.example"},
            "limits": {"concurrency": 4}, "timeout": "60s"}


def test_mails_are_read_as_they_were_written(stand, server):
    """All cases in one run: a daemon per case would take longer than all of them."""
    stand.start(senders=[sender(server)], job={"max_bytes": "40MiB"})
    pushed = push_all(stand)
    server.wait(len(pushed))
    check_all({str(m.message["Message-ID"])[1:].split("@")[0]: m for m in server.mails}, pushed)
    for mail in server.mails:
        check_wire(mail)


def one(stand, server, job):
    """The mail that this job becomes."""
    stand.start(senders=[sender(server)])
    before = len(server.mails)
    final = stand.wait_final(stand.push(job))[job["id"]]
    assert final["status"] == "sent", final
    return server.wait(before + 1)[-1].message


def test_unsubscribe(stand, server):
    i = new_id()
    m = one(stand, server, {"id": i, "format": "messaging", "body": {
        "message_type": "MARKETING", "message_data": {
            "recipient": "a@example.com", "subject": "Spring", "content": "Text",
            "html_content": "<p>Html</p>"}}})
    assert m["List-Unsubscribe"] == f"<https://acme.example/u/{i}>, <mailto:u@acme.example>"
    assert m["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert m.get_content_type() == "multipart/alternative"


def test_transactional_mails_have_no_unsubscribe(stand, server):
    m = one(stand, server, {"id": new_id(), "format": "messaging", "body": {
        "message_type": "TRANSACTIONAL", "message_data": {
            "recipient": "a@example.com", "subject": "Bill", "content": "Text"}}})
    assert m["List-Unsubscribe"] is None and m["List-Unsubscribe-Post"] is None


def test_inline_images(stand, server):
    """The html and its images are one part of the alternative; a file is none of them."""
    m = one(stand, server, {"id": new_id(), "format": "email", "body": {
        "to": "a@example.com", "subject": "Logo", "body_text": "Text",
        "body_html": '<img src="cid:logo@acme">', "attachments": [
            file("logo.png", PNG, "image/png") | {"content_id": "logo@acme"},
            file("a.txt", b"x", "text/plain")]}})
    assert m.get_content_type() == "multipart/mixed"
    alternative, attached = m.iter_parts()
    text, related = alternative.iter_parts()
    html, image = related.iter_parts()
    assert related.get_content_type() == "multipart/related"
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert image["Content-ID"] == "<logo@acme>" and image.get_content_disposition() == "inline"
    assert image.get_content() == PNG and image.get_filename() == "logo.png"
    assert attached.get_content_disposition() == "attachment"


ENDS = ["\r\n", "\n", "\r", "\n\n", "\x0b", "\x0c", "\x85", "\u2028", "\r\n ", "\0\n"]
FIELDS = {  # where a text of a job gets into a header, each with a good value
    "subject": lambda x: {"subject": "A" + x},
    "name of to": lambda x: {"to": f'"A{x}" <a@example.com>'},
    "address of to": lambda x: {"to": f"a@example.com{x}"},
    "local part": lambda x: {"to": f'"a{x}"@example.com'},
    "name of cc": lambda x: {"cc": [f"A{x} <c@example.com>"]},
    "bcc": lambda x: {"bcc": [f"c@example.com{x}"]},
    "reply_to": lambda x: {"reply_to": f"A{x} <d@example.com>"},
    "thread_id": lambda x: {"thread_id": f"<t@example.com>{x}"},
    "text": lambda x: {"body_text": "A" + x},
    "html": lambda x: {"body_html": "A" + x},
    "filename": lambda x: {"attachments": [file(f"a{x}.txt", b"x")]},
    "mime_type": lambda x: {"attachments": [file("a.txt", b"x", f"text/plain{x}")]},
    "content_id": lambda x: {"body_html": "h", "attachments": [
        file("a.txt", b"x") | {"content_id": f"a{x}"}]},
}


def test_no_field_begins_a_header(stand, server):
    """Refused, or harmless: what is sent has the usual headers and goes to those it names."""
    stand.start(senders=[sender(server)])
    before, ids = len(server.mails), []
    for make in FIELDS.values():
        for end in ENDS:
            body = {"to": "a@example.com", "subject": "A", "body_text": "A"} | make(
                f"{end}Injected: yes{end}Bcc: victim@example.com{end}{end}victim")
            ids += stand.push({"id": new_id(), "format": "email", "body": body})
    wait_for(lambda: len(stand.messages()) + len(stand.rejected()) >= len(ids), "all jobs")
    final = stand.wait_final(list(stand.messages()))
    sent = [i for i, m in final.items() if m["status"] == "sent"]
    mails = server.wait(before + len(sent))[before:]
    assert len(mails) == len(sent) >= 2 * len(ENDS)  # the texts, at least
    for mail in mails:
        assert mail.message["Injected"] is None and mail.message["Bcc"] is None
        assert "victim@example.com" not in mail.recipients
        assert all(part["Injected"] is None for part in mail.message.walk())
        assert mail.message.defects == []
