"""Jobs that no producer should push: each is refused with its bytes kept, and harms nobody."""
import json

import pytest
from invariants import check_all
from support import body, envelope, wait_for

MIB = 1 << 20
GOOD = json.dumps(body()).encode()


def job(**members):
    """A job's bytes with these members of message_data replaced."""
    return json.dumps(body(**members)).encode()


def outer(**members):
    return json.dumps({"body": body()} | members).encode()


def nested(depth, opening=b"[", closing=b"]"):
    return opening * depth + closing * depth


# Bytes that are no job at all, and well-formed ones that are no good.
REFUSED = {
    # not JSON
    "empty": b"",
    "space": b" \n\t ",
    "words": b"hello world",
    "cut off": GOOD[:-5],
    "cut in a string": b'{"message_data":{"recipient":"a@exam',
    "trailing text": GOOD + b" x",
    "trailing comma": b'{"message_data":{"recipient":"a@example.com",}}',
    "two objects": GOOD + GOOD,
    "single quotes": GOOD.replace(b'"', b"'"),
    "comment": b"/* a */" + GOOD,
    "NaN": b'{"message_data":{"recipient":NaN}}',
    "leading zero": GOOD[:-1] + b',"priority":01}',
    "plus sign": GOOD[:-1] + b',"priority":+1}',
    "only NUL": b"\0",
    "random": bytes(range(256)),
    "PHP": b'a:1:{s:1:"a";i:1;}',
    "RESP": b"*1\r\n$4\r\nPING\r\n",
    "BOM only": b"\xef\xbb\xbf",
    "UTF-16": GOOD.decode().encode("utf-16"),
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
    # JSON, but no object
    "null": b"null",
    "true": b"true",
    "number": b"42",
    "huge number": b"9" * 5000,
    "1e400": b"1e400",
    "string": b'"message_data"',
    "array": b"[" + GOOD + b"]",
    "empty array": b"[]",
    # objects of no known shape
    "empty object": b"{}",
    "unknown shape": b'{"foo":1}',
    "empty body": b'{"body":{}}',
    "body null": b'{"body":null}',
    "body array": b'{"body":[]}',
    "body text": b'{"body":"x"}',
    "envelope in envelope": json.dumps({"body": {"body": body()}}).encode(),
    "message_data null": b'{"message_data":null}',
    "message_data array": b'{"message_data":[]}',
    "message_data text": b'{"message_data":"x"}',
    "message_data empty": b'{"message_data":{}}',
    # missing and wrong members
    "no recipient": b'{"message_data":{"content":"x","subject":"s"}}',
    "recipient null": job(recipient="@x").replace(b'"@x"', b"null"),
    "recipient empty": job(recipient="@").replace(b'"@"', b'""'),
    "recipient number": job(recipient="@x").replace(b'"@x"', b"1"),
    "recipient array": job(recipient="@x").replace(b'"@x"', b'["a@example.com"]'),
    "recipient object": job(recipient="@x").replace(b'"@x"', b"{}"),
    "recipient not an address": job(recipient="nobody"),
    "two recipients": job(recipient="a@example.com,b@example.com"),
    "recipient with a name": job(recipient="A <a@example.com>"),
    "no content": b'{"message_data":{"recipient":"a@example.com","subject":"s"}}',
    "no subject": b'{"message_data":{"recipient":"a@example.com","content":"s"}}',
    "content number": job(content=1),
    "subject array": job(subject=["s"]),
    "html object": job(html_content={}),
    "metadata text": job(metadata="x"),
    "metadata array": job(metadata=[]),
    "misspelt member": job(sendername="x"),
    "misspelt root member": json.dumps(body() | {"prioritiy": "HIGH"}).encode(),
    "unknown message_type": json.dumps(body() | {"message_type": "SPAM"}).encode(),
    "message_type number": json.dumps(body() | {"message_type": 1}).encode(),
    "unknown sender_type": json.dumps(body() | {"sender_type": "pigeon"}).encode(),
    "unknown priority": json.dumps(body() | {"priority": "URGENT"}).encode(),
    "priority 0": json.dumps(body() | {"priority": 0}).encode(),
    "priority 1.5": json.dumps(body() | {"priority": 1.5}).encode(),
    "priority 1e400": GOOD[:-1] + b',"priority":1e400}',
    "priority object": json.dumps(body() | {"priority": {}}).encode(),
    "media_urls text": job(media_urls="https://example.com"),
    "media_urls script": job(media_urls=["javascript:alert(1)"]),
    # the envelope
    "id empty": outer(id=""),
    "id number": outer(id=1),
    "id with a space": outer(id="a b"),
    "id with a line": outer(id="a\nb"),
    "id too long": outer(id="a" * 5000),
    "key empty": outer(idempotency_key=""),
    "key number": outer(idempotency_key=7),
    "key too long": outer(idempotency_key="k" * 5000),
    "format unknown": outer(format="fax"),
    "format number": outer(format=1),
    "reply_to with a line": outer(reply_to="a\r\nb"),
    "sender object": outer(sender={}),
    "scheduled_at words": outer(scheduled_at="tomorrow"),
    "scheduled_at empty": outer(scheduled_at=""),
    "scheduled_at 1e400": outer(scheduled_at=0).replace(b'"scheduled_at": 0',
                                                        b'"scheduled_at": 1e400'),
    "scheduled_at 1e300": outer(scheduled_at=0).replace(b'"scheduled_at": 0',
                                                        b'"scheduled_at": 1e300'),
    "scheduled_at negative": outer(scheduled_at=-5),
    "scheduled_at 30 February": outer(scheduled_at="2027-02-30T10:00:00Z"),
    "scheduled_at without zone": outer(scheduled_at="2027-02-20T10:00:00"),
    "expires_at true": outer(expires_at=True),
    "expires before its time": outer(scheduled_at=2000000000, expires_at=1999999999),
    "uncertain maybe": outer(uncertain="maybe"),
    "metadata number": outer(metadata=1),
    "unknown envelope member": outer(foo=1),
    # duplicates
    "key twice": b'{"message_data":{"recipient":"a@example.com","recipient":"b@example.com",'
                 b'"subject":"s","content":"c"}}',
    "root key twice": GOOD[:-1] + b"," + GOOD[1:],
    "key twice by escape": b'{"message_data":{"recipient":"a@example.com",'
                           b'"\\u0072ecipient":"b@example.com","subject":"s","content":"c"}}',
    "key twice in metadata": job(metadata={"a": 1}).replace(b'{"a": 1}', b'{"a":1,"a":2}'),
    # characters
    "NUL in content": job(content="a\0b").replace(b"\\u0000", b"\0"),
    "escaped NUL in content": job(content="a\0b"),
    "escaped NUL in recipient": job(recipient="a@example.com\0.evil.example"),
    "escaped NUL in a key": GOOD[:-1] + b',"priority\\u0000":"HIGH"}',
    "NUL behind": GOOD + b"\0",
    "NUL before": b"\0" + GOOD,
    "line break in a string": GOOD.replace(b"Hello.", b"a\nb"),
    "tab in a string": GOOD.replace(b"Hello.", b"a\tb"),
    "invalid UTF-8": GOOD.replace(b"Hello.", b"\xff\xfe"),
    "cut UTF-8": GOOD.replace(b"Hello.", b"\xe2\x82"),
    "overlong UTF-8": GOOD.replace(b"Hello.", b"\xc0\xaf"),
    "UTF-8 surrogate": GOOD.replace(b"Hello.", b"\xed\xa0\x80"),
    "UTF-8 beyond Unicode": GOOD.replace(b"Hello.", b"\xf4\x90\x80\x80"),
    "lone high surrogate": GOOD.replace(b"Hello.", b"\\ud800"),
    "lone low surrogate": GOOD.replace(b"Hello.", b"\\udc00x"),
    "surrogates swapped": GOOD.replace(b"Hello.", b"\\udc00\\ud800"),
    "bad escape": GOOD.replace(b"Hello.", b"\\x41"),
    "short escape": GOOD.replace(b"Hello.", b"\\u12"),
    "CRLF in subject": job(subject="Hi\r\nBcc: all@example.com"),
    "LF in subject": job(subject="Hi\nBcc: all@example.com"),
    "CR in subject": job(subject="Hi\rBcc: all@example.com"),
    "CRLF in sender_name": job(sender_name="Me\r\nBcc: all@example.com"),
    "CRLF in recipient": job(recipient="a@example.com\r\nBcc: all@example.com"),
    "LF behind recipient": job(recipient="a@example.com\n"),
    "CRLF in contact_id": job(contact_id="c\r\nd"),
    "space in sender_identifier": json.dumps(body() | {"sender_identifier": "a b"}).encode(),
    # sizes
    "deep arrays": nested(10000),
    "deep objects": nested(10000, b'{"a":', b"}").replace(b":}", b":1}"),
    "deep metadata": job(metadata={"a": 1}).replace(b'{"a": 1}', b'{"a":' + nested(10000) + b"}"),
    "deep and open": b"[" * 100000,
    "long subject": job(subject="s" * 2000),
    "many members": json.dumps({f"k{n}": n for n in range(20000)}).encode(),
}


def surround(stand, bad):
    """Pushes each bad job between two good ones; the ids of the good ones."""
    good = []
    for raw in bad:
        good += stand.push(envelope(), raw, envelope())
    return good


def test_all_of_them_among_good_neighbours(stand, figure):
    stand.start()
    bad = list(REFUSED.values())
    good = surround(stand, bad)
    stand.wait_rejected(len(bad), timeout=60)
    messages = stand.wait_final(good)
    assert {m["status"] for m in messages.values()} == {"sent"}
    entries = stand.rejected()
    assert sorted(e["raw"] for e in entries) == sorted(bad)
    for entry in entries:
        name = next(n for n, raw in REFUSED.items() if raw == entry["raw"])
        assert entry["error_code"] in ("validation_error", "too_large"), name
        assert entry["error_message"], name
        assert entry["at"], name
    assert stand.sandbox.ids("sandbox") == {i: 1 for i in good}
    check_all(stand, good, rejected=len(bad))
    figure(lost=0, refused=len(bad), neighbours_sent=len(good))


@pytest.mark.parametrize("name, field", [
    ("no recipient", "message_data.recipient"),
    ("no content", "message_data.content"),
    ("misspelt member", "message_data.sendername"),
    ("unknown priority", "priority"),
    ("CRLF in subject", "message_data.subject"),
    ("CRLF in sender_name", "message_data.sender_name"),
    ("uncertain maybe", "uncertain"),
    ("scheduled_at 30 February", "scheduled_at"),
])
def test_the_error_names_the_field(stand, name, field):
    stand.start()
    stand.push(REFUSED[name])
    (entry,) = stand.wait_rejected(1)
    assert entry["field"] == field
    assert "\r" not in entry["error_message"] and "\n" not in entry["error_message"]


def test_a_refused_job_is_one_line_in_the_log(stand):
    daemon = stand.start()
    stand.push(job(**{"x\nlevel=error event=forged": 1}), job(**{"\u2028\u202e\x1b[31m": 1}))
    stand.wait_rejected(2)
    text = daemon.log()
    assert "\nlevel=error" not in text
    assert "\x1b" not in text and "\u2028" not in text and "\u202e" not in text
    assert len(daemon.log_lines("event=rejected")) == 2


def test_huge_jobs(stand, figure):
    """20 MB of JSON is within the cap of a job, but not of its content; 45 MB is beyond both."""
    stand.start()
    bad = [job(content="x" * (20 * MIB)), b"\0" * (20 * MIB), job(content="y" * (45 * MIB))]
    good = surround(stand, bad)
    stand.wait_rejected(3, timeout=60)
    stand.wait_final(good)
    entries = {e["raw"]: e["error_code"] for e in stand.rejected()}
    assert [entries.get(raw) for raw in bad] == ["too_large", "validation_error", "too_large"]
    check_all(stand, good, rejected=3)
    figure(lost=0, refused=len(bad), neighbours_sent=len(good))


def test_a_large_job_within_all_caps_is_sent(stand):
    stand.start()
    content = "\u00e9" * (2 * MIB)
    good = stand.push(envelope(), envelope(body(content=content)), envelope())
    stand.wait_final(good)
    sizes = {r["id"]: len(r["body"]) for r in stand.sandbox.requests("sandbox")}
    assert sizes[good[1]] > len(content)
    check_all(stand, good, accepted_by=stand.sandbox.ids("sandbox"))


def test_many_large_jobs_at_once(stand):
    """Ten of 3 MB: more than one call's share of bytes."""
    stand.start(intake={"batch": 64})
    jobs = [envelope(body(content="x" * (3 * MIB))) for _ in range(10)]
    stand.wait_final(stand.push(*jobs), timeout=60)
    check_all(stand, [j["id"] for j in jobs], accepted_by=stand.sandbox.ids("sandbox"))


@pytest.mark.parametrize("depth, good", [(20, True), (200, False)])
def test_depth_of_metadata(stand, depth, good):
    stand.start()
    raw = job(metadata={"a": 1}).replace(b'{"a": 1}', b'{"a":' + nested(depth) + b"}")
    stand.push(raw)
    if good:
        stand.sandbox.wait_accepted(1, "sandbox")
    else:
        assert stand.wait_rejected(1)[0]["raw"] == raw


def test_numbers_in_metadata_keep_their_digits(stand):
    """A 64-bit id or an amount must not come out as another number."""
    stand.start()
    text = b'{"a":12345678901234567890,"b":0.1,"c":1.10,"d":-0,"e":1e21,"f":9007199254740993}'
    stand.push(job(metadata={"a": 1}).replace(b'{"a": 1}', text))
    stand.sandbox.wait_accepted(1, "sandbox")
    (request,) = stand.sandbox.requests("sandbox")
    sent = request["body"].partition('"metadata":')[2]
    for digits in ("12345678901234567890", "0.1", "9007199254740993"):
        assert digits in sent, sent
    ((_, message),) = stand.messages().items()
    assert "9007199254740993" in message["metadata"]


@pytest.mark.parametrize("name, stops", [
    ("jobs:high", True), ("jobs:low", True), ("rejected", True), ("dead", True), ("delayed", True),
    ("events", False), ("reply:r", False), ("timeline:contact:c", False)])
def test_a_key_of_another_type_loses_nothing(stand, figure, name, stops):
    """Somebody wrote a string where a list or stream should be; later it is removed. What is
    only told to others does not stop the work."""
    stand.sandbox.faults([{"match": {"recipient": "bad@*"}, "action": {"status": 400}},
                          {"match": {"recipient": "again@*"}, "times": 1,
                           "action": {"status": 500}}])
    daemon = stand.daemon(stand.config([stand.sender(retry={"base": "1ms"})]))
    daemon.start()
    stand.redis.set(stand.key(name), "oops")
    jobs = [envelope(body(contact_id="c"), reply_to="r"), envelope(body("bad@example.com")),
            envelope(body("again@example.com"), reply_to="r"), envelope(), "{}",
            {"idempotency_key": "k", "body": body()}, "x" * (45 * MIB)]
    good = stand.push(*jobs)
    if stops:
        wait_for(lambda: "WRONGTYPE" in daemon.log(), lambda: "the alarm\n" + daemon.log())
    else:
        stand.wait_final(good)
    stand.redis.delete(stand.key(name))
    stand.wait_final(good)
    wait_for(lambda: len(stand.messages()) == 5, lambda: f"all five: {stand.messages()}")
    stand.wait_final(stand.messages())
    stand.wait_rejected(2)
    check_all(stand, stand.messages(), rejected=2, accepted_by=stand.sandbox.ids("sandbox"))
    if name != "reply:r":
        assert stand.reply("r") != stand.reply("r")
    figure(lost=0, keys=1, alarms=int("WRONGTYPE" in daemon.log()))


def test_a_damaged_message_fails_alone(stand):
    """What is stored of a message was overwritten from outside."""
    daemon = stand.start()
    ids = stand.push(envelope(scheduled_at="2099-01-01T00:00:00Z"), envelope(), envelope())
    stand.wait_status(ids[0], "scheduled")
    stand.wait_final(ids[1:])
    stand.redis.set(stand.key("content", ids[0]), "garbage")
    stand.redis.zadd(stand.key("delayed"), {ids[0]: 1})
    more = stand.push(envelope())
    stand.wait_final(ids + more)
    assert stand.message(ids[0])["status"] == "failed"
    assert daemon.running()
    check_all(stand, ids + more)
