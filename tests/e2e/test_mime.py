"""Mails as a mail reader sees them: sent by SMTP, read by Python's email, compared field by field."""
import base64
import email.utils
import os

import pytest
from mail_server import MailServer
from support import new_id, wait_for

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
                       "AABJRU5ErkJggg==")


def b64(data):
    return base64.b64encode(data).decode()


def file(name, data, mime_type=None):
    return {"filename": name, "content_base64": b64(data)} | (
        {"mime_type": mime_type} if mime_type else {})


# Each: what of the body is not as usual, and what is then expected where it is not the same.
CASES = {
    "plain": {},
    "unicode subject": {"subject": "Grüße — 日本 \U0001f680"},
    "long ascii subject": {"subject": "word " * 199 + "end"},
    "one long word": {"subject": "x" * 998},
    "long unicode subject": {"subject": "Größe " * 100 + "Ende"},
    "long chinese subject": {"subject": "日本語" * 300},
    "subject like an encoded word": {"subject": "=?utf-8?q?not_encoded?= and so on"},
    "name like an encoded word": {"to": '"=?utf-8?q?Bank?= Ü" <a@example.com>'},
    "ascii name like an encoded word": {"to": '"=?utf-8?q?Bank?= x" <a@example.com>'},
    "file name like an encoded word": {"attachments": [file("=?utf-8?q?x?=.txt", b"x")]},
    "subject of spaces within": {"subject": "a  b   c"},
    "subject with emoji pairs": {"subject": "\U0001f468\u200d\U0001f469\u200d\U0001f467 family"},
    "subject right to left": {"subject": "שלום עולם"},
    "subject that looks like a header": {"subject": "Bcc: victim@example.com"},
    "quotes and backslashes in subject": {"subject": "a \"quoted\" \\ back\\slash"},
    "unicode name": {"to": "Jürgen Müller <a@example.com>"},
    "name with comma": {"to": '"Müller, Jürgen" <a@example.com>'},
    "name with quotes": {"to": '"Jane \\"JD\\" Doe" <a@example.com>'},
    "name of two scripts": {"to": "Jürgen 日本 Smith <a@example.com>"},
    "name with at": {"to": '"a@b.c" <a@example.com>'},
    "very long name": {"to": f"{'Name ' * 80}End <a@example.com>"},
    "many recipients": {"to": [f"Person {n} Ü <p{n}@example.com>" for n in range(60)]},
    "cc and reply-to": {"cc": ["Cé <c@example.com>", "d@example.com"],
                        "reply_to": "Desk Ü <desk@acme.example>"},
    "bcc": {"bcc": ["hidden@example.com"]},
    "quoted local part": {"to": '"a b"@example.com'},
    "html alone": {"body_text": None, "body_html": "<p>Hi</p>"},
    "both texts": {"body_html": "<p>Grüße</p>"},
    "dots at line start": {"body_text": ".\n..\n.dot\n\n.\nlast\n"},
    "crlf": {"body_text": "a\r\nb\r\n\r\nc\r\n"},
    "lone cr": {"body_text": "a\rb\r\rc\n"},
    "mixed line ends": {"body_text": "a\nb\r\nc\rd"},
    "from at line start": {"body_text": "From here\n>From there\nFrom\n"},
    "trailing blanks": {"body_text": "a \nb\t\n c  "},
    "no line end": {"body_text": "no line end"},
    "only a newline": {"body_text": "\n"},
    "smtp commands": {"body_text": "QUIT\r\n.\r\nRSET\r\nMAIL FROM:<x@y>\r\n"},
    "line of 100000": {"body_text": "x" * 100000},
    "lines of 998 and 999": {"body_text": "y" * 998 + "\n" + "z" * 999 + "\n"},
    "utf-8 text": {"body_text": "Zürich 日本 \U0001f680 é e\u0301\n" * 50},
    "mostly chinese": {"body_text": "日本語テキスト\n" * 1000},
    "boundary in text": {"body_text": "--=_0_abc\nContent-Type: text/html\n\n--=_1--\n",
                         "attachments": [file("a.txt", b"x")]},
    "equals signs": {"body_text": "=3D =\n=C3 ==\n"},
    "header in text": {"body_text": "Subject: other\nBcc: x@y\n\ntext\n"},
    "nul-like escapes": {"body_text": "\x01\x02\x1b[31m\x7f\n"},
    "unicode line separators": {"body_text": "a\u2028b\u2029c\x85d\n"},
    "big html": {"body_html": "<p>" + "ü" * 200000 + "</p>"},
    "one attachment": {"attachments": [file("report.pdf", os.urandom(3000), "application/pdf")]},
    "unicode file name": {"attachments": [file("Übersicht 日本.pdf", b"%PDF", "application/pdf")]},
    "long file name": {"attachments": [file("n" * 120 + ".bin", b"x" * 57)]},
    "long unicode file name": {"attachments": [file("Ü" * 100 + ".txt", b"x", "text/plain")]},
    "quotes in file name": {"attachments": [file('a"b;c, d.txt', b"x")]},
    "percent in file name": {"attachments": [file("100%25 'utf-8''x.txt", b"x")]},
    "empty lines attachment": {"attachments": [file("e.txt", b"\r\n.\r\n\n\n", "text/plain")]},
    "every byte": {"attachments": [file("b.bin", bytes(range(256)) * 300)]},
    "attached mail": {"attachments": [file("a.eml", b"Subject: x\r\n\r\ny", "message/rfc822")]},
    "ten attachments": {"attachments": [file(f"f{n}.bin", os.urandom(n * 19 + 1)) for n in range(10)]},
    "ten megabytes": {"attachments": [file("big.bin", os.urandom(10 << 20))]},
    "all together": {"subject": "Alles zusammen \U0001f680", "to": ["Ä <a@example.com>", "b@example.com"],
                     "cc": ["Ö <c@example.com>"], "bcc": ["hidden@example.com"],
                     "body_html": "<p>Ü</p>", "attachments": [file("ß.bin", os.urandom(5000))]},
}


@pytest.fixture(scope="module")
def server():
    with MailServer() as server:
        yield server


def plain(name):
    """What is left of a name that looks like an encoded word: readers would decode it."""
    return name.replace("=?", "= ?")


def as_list(value):
    return [value] if isinstance(value, str) else value or []


def addresses(value):
    return [(plain(name), addr) for name, addr in email.utils.getaddresses(as_list(value))]


def header_addresses(message, name):
    header = message[name]
    return [(a.display_name, a.addr_spec) for a in header.addresses] if header else []


def lines(text):
    """A text as its reader gets it: line ends are line feeds, and the last line has one."""
    text = text.replace("\r\n", "\n")
    return text if text.endswith("\n") else text + "\n"


def text_of(message, subtype):
    part = message.get_body((subtype,))
    return None if part is None else part.get_payload(decode=True).decode("utf-8")


def check_texts(message, body):
    for member, subtype in (("body_text", "plain"), ("body_html", "html")):
        wanted, found = body.get(member), text_of(message, subtype)
        if wanted is None:
            assert found is None
        else:
            assert lines(found) == lines(wanted)


def check_attachments(message, body):
    wanted = body.get("attachments") or []
    found = list(message.iter_attachments())
    assert [p.get_filename() for p in found] == [plain(a["filename"]) for a in wanted]
    for part, a in zip(found, wanted):
        assert part.get_payload(decode=True) == base64.b64decode(a["content_base64"])
        if a.get("mime_type") and not a["mime_type"].startswith("message/"):
            assert part.get_content_type() == a["mime_type"]
        assert part.get_content_disposition() == "attachment"


def check_wire(mail):
    """What SMTP asks for: CR LF and nothing alone, short lines, ASCII."""
    assert b"\n" not in mail.content.replace(b"\r\n", b"")
    assert b"\r" not in mail.content.replace(b"\r\n", b"")
    assert max(len(line) for line in mail.content.split(b"\r\n")) <= 998
    if "SMTPUTF8" not in mail.options:
        assert all(byte < 128 for byte in mail.content)


def check(mail, body, message_id):
    m = mail.message
    assert m.defects == [] and all(not m[h].defects for h in m.keys() if hasattr(m[h], "defects"))
    assert str(m["Subject"]) == body["subject"]
    assert header_addresses(m, "From") == [("Acmé, Inc.", "support@acme.example")]
    assert header_addresses(m, "To") == addresses(body["to"])
    assert header_addresses(m, "Cc") == addresses(body.get("cc"))
    assert header_addresses(m, "Reply-To") == addresses(body.get("reply_to"))
    assert m["Bcc"] is None
    for hidden in as_list(body.get("bcc")):
        assert hidden.encode() not in mail.content
    assert m["Message-ID"] == f"<{message_id}@acme.example>"
    assert m["Date"].datetime is not None and m["MIME-Version"] == "1.0"
    everyone = [a for f in ("to", "cc", "bcc") for _, a in addresses(body.get(f))]
    assert mail.recipients == everyone
    check_texts(m, body)
    check_attachments(m, body)
    check_wire(mail)


def sender(server):
    return {"id": "mail", "provider": "smtp", "endpoint": server.endpoint,
            "from": {"address": "support@acme.example", "name": "Acmé, Inc."},
            "options": {"tls": "none", "unsubscribe_url": "https://acme.example/u/{id}",
                        "unsubscribe_address": "u@acme.example"},
            "limits": {"concurrency": 4}, "timeout": "60s"}


def test_mails_are_read_as_they_were_written(stand, server):
    """All cases in one run: a daemon per case would take longer than all of them."""
    stand.start(senders=[sender(server)], job={"max_bytes": "40MiB"})
    sent = {}
    for name, change in CASES.items():
        body = {"to": "a@example.com", "subject": "A subject", "body_text": "Hello.\n"} | change
        body = {k: v for k, v in body.items() if v is not None}
        i = new_id()
        sent[i] = (name, body)
        stand.push({"id": i, "format": "email", "body": body})
    wait_for(lambda: len(stand.messages()) + len(stand.rejected()) >= len(CASES), "all jobs", 60)
    assert [dict(r, raw=r['raw'][:300]) for r in stand.rejected()] == []
    final = stand.wait_final(list(sent), timeout=120)
    refused = {sent[i][0]: m.get("error_message") for i, m in final.items() if m["status"] != "sent"}
    assert not refused
    wait_for(lambda: len(server.mails) >= len(CASES), "all mails", 30)
    wrong = []
    for mail in server.mails:
        i = str(mail.message["Message-ID"])[1:].split("@")[0]
        try:
            check(mail, sent[i][1], i)
        except AssertionError as e:
            wrong.append(f"{sent[i][0]}: {str(e)[:600]}")
    assert not wrong, "\n\n".join(wrong)
    assert len(CASES) >= 30


def test_inline_images_and_unsubscribe(stand, server):
    stand.start(senders=[sender(server)])
    before = len(server.mails)
    i = new_id()
    stand.push({"id": i, "format": "messaging", "body": {
        "message_type": "MARKETING", "message_data": {
            "recipient": "a@example.com", "subject": "Spring", "content": "Text",
            "html_content": "<p>Html</p>"}}})
    stand.wait_final([i])
    server.wait(before + 1)
    m = server.mails[-1].message
    assert m["List-Unsubscribe"] == f"<https://acme.example/u/{i}>, <mailto:u@acme.example>"
    assert m["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert m.get_content_type() == "multipart/alternative"
