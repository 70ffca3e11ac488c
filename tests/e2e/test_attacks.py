"""Attacks by whoever may push jobs or owns what they name: none reaches beyond its own message."""
import json
import os
import re
import socket
import threading

import pytest
from support import body, envelope, wait_for
from test_attachments import mail, start
from test_bulk import job as bulk_job
from test_bulk import put_leads, wait_bulk

CANARY = "canary-d41c"


# --- keys ---

NAMES = [
    "../x", "a/b", "a b", "a\tb", "a\nb", "a\r\nb", "a\0b", "{a}b", "a{", "*", "a*", "a?", "[a]",
    "@a", "a@b", "a'b", 'a"b', "a\\b", "a|b", "a,b", "a;b", "%s%n", "$(id)", "\u00e9", "\u202ea",
    "a" * 300, "",
]
# Where a job names something that becomes a part of a key.
PLACES = {
    "id": lambda name: envelope(id=name),
    "reply_to": lambda name: envelope(reply_to=name),
    "sender": lambda name: envelope(sender=name),
    "tenant": lambda name: envelope(tenant=name),
    "contact_id": lambda name: envelope(body(contact_id=name)),
    "deal_id": lambda name: envelope(body(deal_id=name)),
    "bulk": lambda name: bulk_job({"search_keyword": "a"}) | {"id": name},
    "lead_ids": lambda name: bulk_job({"lead_ids": [name]}),
    "assignees": lambda name: bulk_job({"assignees": [name]}),
}
# Absent is not wrong, so an empty one is none.
OPTIONAL = ("contact_id", "deal_id")


def test_no_name_leaves_its_place(stand, figure):
    """Every name in every place of a job: what is refused leaves nothing but its bytes."""
    stand.start([stand.sender(), stand.sender("texts", ("sms",))])
    jobs = [json.dumps(make(name)) for place, make in PLACES.items() for name in NAMES
            if name or place not in OPTIONAL]
    before = set(stand.redis.scan_iter())
    stand.push(*jobs)
    found = stand.wait_rejected(len(jobs), timeout=60)
    assert sorted(e["raw"].decode() for e in found) == sorted(jobs)
    own = {stand.key("rejected"), stand.key("events")}
    left = {k for k in set(stand.redis.scan_iter()) - before - own
            if not k.startswith((stand.key("worker"), stand.key("minutes:"), stand.key("claimed:"),
                                 stand.key("lease:"), stand.key("healed")))}
    assert not left
    assert not stand.messages()
    figure(names=len(jobs), keys_outside=len(left))


@pytest.mark.parametrize("name", ["a:b", "jobs", "..", "-", "mail:2", "a:1:ledger:0"])
def test_a_name_that_looks_like_a_key_is_but_a_name(stand, name):
    stand.start()
    stand.push(envelope(id=name, reply_to=name, idempotency_key=f"{{x}}/*:{name}", tenant=name[:64],
                        body=body(contact_id=name, deal_id=name)))
    message = stand.wait_final([name])[name]
    assert message["status"] == "sent" and message["contact_id"] == name
    assert stand.reply(name)["message_id"] == name
    assert stand.redis.llen(stand.key("jobs")) == 0


@pytest.mark.parametrize("part", ["ids", "content", "held", "ledger:0", "seen:0"])
def test_a_bulk_is_no_part_of_another(stand, part):
    """`bulk:a:ids` is a list of the bulk `a`: no other bulk may be there."""
    stand.start()
    put_leads(stand, {"l1": {"email": "l1@example.com"}})
    first = bulk_job({"lead_ids": ["l1"]}) | {"id": f"a:{part}"}
    second = bulk_job({"lead_ids": ["l1"]}) | {"id": "a"}
    stand.push(first, second)
    assert stand.wait_rejected(1)[0]["field"] == "id"
    assert wait_bulk(stand, "a")["messages_sent"] == "1"


# --- lines: headers, logs ---

LINE = f"x\r\nInjected: {CANARY}\nlevel=error event=forged {CANARY}\x1b[31m\u2028"
FIELDS = ["recipient", "subject", "sender_name", "contact_id", "cc", "bcc", "reply_to", "thread_id"]
FILES = ["filename", "mime_type", "content_id", "url", "storage_path"]


def with_lines():
    """Jobs with line breaks wherever a text may end up in a line of its own."""
    for field in FIELDS:
        yield envelope({"channel": "email", "recipient": "a@example.com", "subject": "S",
                        "message": "m"} | {field: LINE})
        yield envelope(body(**{field: LINE}))
    for field in FILES:
        yield mail({"filename": "a", "content_base64": "QUJD"} | {field: LINE})
        yield envelope({"to": "a@example.com", "subject": "S", "body_text": "m", "attachments": [
            {"filename": "a", "content_base64": "QUJD"} | {field: LINE}]})
    for field in ("to", "cc", "bcc", "subject", "from_name", "reply_to", "in_reply_to"):
        yield envelope({"to": "a@example.com", "subject": "S", "body_text": "m"} | {field: LINE})
    yield envelope(metadata={LINE: LINE})
    yield envelope(body(metadata={LINE: LINE}))


@pytest.mark.parametrize("dialect, credentials", [
    ("sandbox", {}), ("postmark", {"server_token": "t"}), ("sendgrid", {"api_key": "k"})])
def test_no_line_is_added_to_a_header_or_the_log(stand, figure, dialect, credentials):
    daemon = stand.start([stand.sender(dialect=dialect, credentials=credentials)],
                         log={"level": "debug"})
    jobs = list(with_lines())
    stand.push(*jobs)
    wait_for(lambda: len(stand.rejected()) + sum(
        m["status"] in ("sent", "failed") for m in stand.messages().values()) == len(jobs),
        stand.logs, timeout=60)
    assert len(stand.rejected()) >= len(jobs) - 2  # metadata may hold anything
    for request in stand.sandbox.requests(dialect):
        assert "injected" not in {name.lower() for name in request["headers"]}
    check_log(daemon)
    figure(fields=len(jobs), lines_added=0)


def check_log(daemon):
    assert not [x for x in daemon.log().splitlines() if x.startswith(("level=", "Injected"))]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u0080-\u009f\u2028-\u202e]", daemon.log())


def test_no_line_is_added_to_the_log_by_a_provider(stand):
    stand.sandbox.faults([{"action": {"status": 400, "headers": {"X-Words": CANARY}, "body": {
        "error": {"code": "x\n", "message": LINE}, "errors": [{"message": LINE}]}}}])
    daemon = stand.start([stand.sender(dialect="sendgrid", credentials={"api_key": "k"})],
                         log={"level": "debug"})
    ids = stand.push(*[envelope() for _ in range(3)])
    for message in stand.wait_final(ids).values():
        assert message["status"] == "failed"
        assert not re.search("[\x00-\x1f\x7f]", message["error_message"])
    check_log(daemon)


# --- templates ---


def test_what_a_lead_holds_is_text(stand):
    """A lead's fields are neither templates nor html nor lines."""
    stand.start()
    put_leads(stand, {"l1": {
        "email": "l1@example.com", "secret": CANARY, "company": "<script>x</script>\"'&",
        "first_name": "{{secret}}{{contact.secret}}\r\nInjected: x"}})
    job = bulk_job({"lead_ids": ["l1"]}, data={
        "html_content": "<p title=\"{{company}}\">{{company}} {{first_name}}</p>"})
    stand.push(job)
    assert wait_bulk(stand, job["id"])["messages_sent"] == "1"
    (request,) = stand.sandbox.requests("sandbox")
    assert CANARY not in request["body"]
    sent = json.loads(request["body"])
    assert "<script" not in json.dumps(sent["html_content"])
    assert not re.search(r"[\r\n]", sent["subject"])
    assert "{{secret}}" in sent["subject"]


# --- files ---

PATHS = [
    "/etc/passwd", "../secret", "a/../../secret", "a/..", "..", ".", "./secret", "a/./b", "a//b",
    "a/", "/", "//etc/passwd", "..\\secret", "a\\..\\..\\secret", "C:\\secret",
    "a\0/../../secret", "a/../", "....//x", "a\n/../secret",
]
# Names like any other, of what is not there or is no file (test_no_path_leads_out_of_the_root).
ODD_PATHS = ["%2e%2e/secret", "..%2fsecret", "~/secret", "~root", "...", "\uff0e\uff0e/secret",
             "..\u2215secret", "$HOME/secret", "secret%00.txt", "up/secret", "abs/etc/passwd",
             "a/self", "pipe", "socket", "a"]


def stored_at(path):
    return envelope({"to": "a@example.com", "subject": "S", "body_text": "m", "attachments": [
        {"filename": "f", "storage_path": path}]})


def test_no_path_leads_out_of_the_root(stand, tmp_path):
    root = tmp_path / "store"
    (root / "a").mkdir(parents=True)
    (tmp_path / "secret").write_text(CANARY)
    (root / "up").symlink_to("..")
    (root / "abs").symlink_to("/")
    (root / "a" / "self").symlink_to("self")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket"))
    start(stand, attachments={"root": str(root)})
    stand.push(*[stored_at(path) for path in PATHS])
    assert len(stand.wait_rejected(len(PATHS))) == len(PATHS)
    ids = stand.push(*[stored_at(path) for path in ODD_PATHS])
    for m in stand.wait_final(ids).values():
        assert (m["status"], m["error_code"]) == ("failed", "validation_error"), m
        assert CANARY not in str(m)
    assert not stand.sandbox.requests("sendgrid")


# --- addresses ---

# PORT is that of a listener on every address of this host.
URLS = [
    "http://127.0.0.1:PORT/", "http://127.1:PORT/", "http://0x7f.1:PORT/",
    "http://2130706433:PORT/", "http://017700000001:PORT/", "http://0177.0.0.01:PORT/",
    "http://127.000.000.001:PORT/", "http://0:PORT/", "http://0.0.0.0:PORT/",
    "http://127.0.0.1.:PORT/", "http://localhost:PORT/", "http://LocalHost.:PORT/",
    "http://a.localhost:PORT/", "http://ip6-localhost:PORT/", "http://[::1]:PORT/",
    "http://[::]:PORT/", "http://[0:0:0:0:0:0:0:1]:PORT/", "http://[::127.0.0.1]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/", "http://[::ffff:7f00:1]:PORT/",
    "http://[::ffff:0:7f00:1]:PORT/", "http://[64:ff9b::127.0.0.1]:PORT/",
    "http://[64:ff9b:1::7f00:1]:PORT/", "http://[2002:7f00:1::]:PORT/", "http://[fe80::1]:PORT/",
    "http://[fe80::1%25lo]:PORT/", "http://[fc00::1]:PORT/", "http://[localhost]:PORT/",
    "http://10.0.0.1:PORT/", "http://172.16.0.1:PORT/", "http://192.168.0.1:PORT/",
    "http://100.64.0.1:PORT/", "http://169.254.169.254/latest/meta-data/", "http://0xa9fea9fe/",
    "http://2852039166/", "http://168.63.129.16/", "http://224.0.0.1:PORT/",
    "http://255.255.255.255:PORT/", "http://u@127.0.0.1:PORT/", "http://u:p@8.8.8.8:PORT/",
    "http://8.8.8.8@127.0.0.1:PORT/", "http://8.8.8.8:80@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT#@8.8.8.8/", "http://127.0.0.1:PORT?@8.8.8.8/",
    "http://8.8.8.8\\@127.0.0.1:PORT/", "http://127.0.0.1:PORT\\@8.8.8.8/",
    "http:\\\\127.0.0.1:PORT/", "http://127.0.0.1:PORT/\r\nX: y", "http://127.0.0.1\t:PORT/",
    "http://127.0.0.1 :PORT/", "http://127.0.0.1\0.example:PORT/",
    "http://%31%32%37.0.0.1:PORT/", "http://%6c%6f%63%61%6c%68%6f%73%74:PORT/",
    "http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460:PORT/",
    "http://\uff11\uff12\uff17.0.0.1:PORT/", "http://127\u30020\u30020\u30021:PORT/",
    "http://\u24db\u24de\u24d2\u24d0lhost:PORT/", "http:127.0.0.1:PORT/",
    "http:/127.0.0.1:PORT/", "http:///127.0.0.1:PORT/", "//127.0.0.1:PORT/", "127.0.0.1:PORT/",
    "https://127.0.0.1:PORT/", "HTTP://127.0.0.1:PORT/", "gopher://127.0.0.1:PORT/_x",
    "dict://127.0.0.1:PORT/x", "ftp://127.0.0.1:PORT/", "ldap://127.0.0.1:PORT/",
    "file:///etc/passwd", "file://localhost/etc/passwd", "data:,x",
    "jar:http://127.0.0.1:PORT/!/", "unix:///run/x", "http+unix://x/", "http://127.0.0.1:0PORT/",
]


class Listener:
    """Counts who connects to any address of this host."""

    def __init__(self):
        self.socket = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.port = self.socket.getsockname()[1]
        self.count = 0
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while True:
            peer, _ = self.socket.accept()
            with peer:
                if peer.recv(4, socket.MSG_WAITALL) == b"STOP":
                    return
            self.count += 1

    def close(self):
        with socket.create_connection(("127.0.0.1", self.port)) as peer:
            peer.sendall(b"STOP")
        self.thread.join()
        self.socket.close()


@pytest.fixture
def listener():
    found = Listener()
    yield found
    found.close()


def test_no_spelling_reaches_a_private_address(stand, figure, listener):
    sender = stand.sender(dialect="sendgrid", credentials={"api_key": "k"}, retry={"attempts": 1})
    daemon = start(stand, senders=[sender], log={"level": "debug"})
    jobs = [mail({"url": url.replace("PORT", str(listener.port)), "filename": "f"}) for url in URLS]
    stand.push(*jobs)
    wait_for(lambda: len(stand.rejected()) + sum(
        m["status"] == "failed" for m in stand.messages().values()) == len(jobs),
        lambda: f"{len(stand.rejected())} {stand.messages()}", timeout=60)
    assert listener.count == 0
    assert not stand.sandbox.requests("sendgrid")
    check_log(daemon)
    for m in stand.messages().values():  # a name that is not there is tried again, all else is not
        assert m["error_code"] in ("validation_error", "provider_error"), m
        assert str(listener.port) not in m["error_message"]
    figure(spellings=len(jobs), connections=listener.count)


# --- secrets ---


def test_a_crash_leaves_no_memory_behind(stand):
    daemon = stand.start()
    with open(f"/proc/{daemon.pid}/limits", encoding="ascii") as limits:
        assert re.search(r"Max core file size\s+0\s+0\s", limits.read())
