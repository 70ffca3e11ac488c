"""Mails that are hard to write down: what goes into a job, and what a reader must find of it."""
import base64
import email.utils
import os

from support import new_id, wait_for


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
    "empty text beside html": {"body_text": "", "body_html": "<p>Hi</p>"},
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


def plain(name):
    """What is left of a name that looks like an encoded word: readers would decode it."""
    return name.replace("=?", "= ?")


def as_list(value):
    return [value] if isinstance(value, str) else value or []


def addresses(value):
    return [(plain(name), addr) for name, addr in email.utils.getaddresses(as_list(value))]


def recipients(body):
    return [a for field in ("to", "cc", "bcc") for _, a in addresses(body.get(field))]


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
        wanted, found = body.get(member) or None, text_of(message, subtype)
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
    assert sorted(mail.recipients) == sorted(recipients(body))
    check_texts(m, body)
    check_attachments(m, body)


def push_all(stand):
    """Pushes every case and waits until each is sent; {message id: (its name, its body)}."""
    pushed = {}
    for name, change in CASES.items():
        body = {"to": "a@example.com", "subject": "A subject", "body_text": "Hello.\n"} | change
        i = new_id()
        pushed[i] = (name, {k: v for k, v in body.items() if v is not None})
        stand.push({"id": i, "format": "email", "body": pushed[i][1]})
    wait_for(lambda: len(stand.messages()) + len(stand.rejected()) >= len(CASES), "all jobs", 60)
    assert [dict(r, raw=r["raw"][:300]) for r in stand.rejected()] == []
    final = stand.wait_final(list(pushed), timeout=120)
    refused = {pushed[i][0]: m for i, m in final.items() if m["status"] != "sent"}
    assert not refused
    return pushed


def check_all(mails, pushed):
    """mails: {message id: mail}. Tells of every case that arrived as it should not."""
    assert set(mails) == set(pushed) and len(pushed) >= 30
    wrong = []
    for i, mail in mails.items():
        name, body = pushed[i]
        try:
            check(mail, body, i)
        except AssertionError as e:
            wrong.append(f"{name}: {str(e)[:600]}")
    assert not wrong, "\n\n".join(wrong)
