"""sendqctl leads, template and validate."""
import json
import os
import pty
import subprocess

import pytest
from ctl_client import Ctl
from support import body, end_with_parent, envelope


@pytest.fixture
def ctl(stand):
    return Ctl(stand)


def lead(stand, lead_id):
    return stand.redis.hgetall(stand.key("lead", lead_id))


def members(stand, *parts):
    return stand.redis.smembers(stand.key(*parts))


def write(stand, name, text):
    path = stand.directory / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# --- leads import ---


def test_a_csv_becomes_leads(stand, ctl):
    path = write(stand, "leads.csv", '\ufeffContact ID,First Name,E-Mail,Mobile,Owner,Tags,Plan\r\n'
                 '1,"Ana ""B""",a@example.com,+1 415 555 0100,u1,"vip, gold",Pro\r\n'
                 '2,Bo,,,u2,,\r\n')
    assert ctl.json("leads", "import", path) == [
        {"imported": 2, "created": 2, "updated": 0, "bad": 0}]
    assert lead(stand, "1") == {
        "first_name": 'Ana "B"', "email": "a@example.com", "phone": "+1 415 555 0100",
        "assigned_to": "u1", "tags": '["vip","gold"]', "plan": "Pro"}
    assert lead(stand, "2") == {"first_name": "Bo", "assigned_to": "u2"}
    assert members(stand, "leads") == {"1", "2"}
    assert members(stand, "leads", "assignee", "u1") == {"1"}


def test_an_import_changes_only_what_it_names(stand, ctl):
    first = write(stand, "a.csv", "id,name,opted_out,owner\n1,Ana,email,u1\n2,Bo,,u1\n")
    second = write(stand, "b.csv", "id;name;opted_out;owner\n1;Anna;;u2\n3;Cy;;\n")
    ctl.text("leads", "import", first)
    assert ctl.text("leads", "import", second) == (
        "imported 2 leads (1 new, 1 changed), 0 bad rows\n")
    assert lead(stand, "1") == {"name": "Anna", "opted_out": '["email"]', "assigned_to": "u2"}
    assert members(stand, "leads", "assignee", "u1") == {"2"}
    assert members(stand, "leads", "assignee", "u2") == {"1"}
    assert ctl.text("leads", "count") == "3\n"
    assert ctl.json("leads", "count", "--assignee", "u1") == [{"count": 1}]


def test_ndjson_from_standard_input(stand, ctl):
    lines = [{"id": "1", "first_name": "Ana", "tags": ["a"], "score": 1.5, "old": "x"},
             {"id": 2, "email": "b@example.com"}]
    text = "\n\n".join(json.dumps(j) for j in lines).encode()
    ctl.text("leads", "import", "-", "--format", "ndjson", stdin=text)
    ctl.text("leads", "import", "-", "--format=ndjson", stdin=b'{"id":"1","old":null}\n')
    assert lead(stand, "1") == {"first_name": "Ana", "tags": '["a"]', "score": "1.5"}
    assert lead(stand, "2") == {"email": "b@example.com"}


def test_bad_rows_are_told_by_line_and_left_out(stand, ctl):
    stand.redis.set(stand.key("lead", "7"), "x")
    path = write(stand, "leads.csv", b'id,email\n1,a@example.com\n2,nobody\n"3"x,y\n'
                 b'a b,c@example.com\n4\n\n5,"e@\nexample.com"\n6,f@example.com\n7,g@example.com\n'
                 b'8,\xff\n9,"open')
    ctl.text("leads", "import", path, code=1)
    told = [line.removeprefix(f"sendqctl: {path}:") for line in ctl.stderr.splitlines()]
    assert sorted(told) == sorted([
        "3: email: must be an email address", "4: text stands after a closing quote",
        "5: id: must be 1 to 128 letters, digits and . _ : -",
        "6: 1 fields, the first line has 2", "8: email: must be an email address",
        "11: the lead's key holds something else in Redis", "12: email: must be an email address",
        "13: a quote is not closed"])
    assert members(stand, "leads") == {"1", "6"}
    assert stand.redis.get(stand.key("lead", "7")) == "x"


@pytest.mark.parametrize("name, text, error", [
    ("a.csv", "name,email\n", "no column is called id"),
    ("a.csv", 'id,"x"y\n1,2\n', "text stands after a closing quote"),
    ("a.txt", "id,x\n1,2\n", "--format csv or ndjson is needed"),
])
def test_a_file_that_cannot_be_used(stand, ctl, name, text, error):
    ctl.text("leads", "import", write(stand, name, text), code=2)
    assert error in ctl.stderr
    ctl.text("leads", "import", stand.directory / "none.csv", code=2)
    assert "cannot read" in ctl.stderr
    assert members(stand, "leads") == set()


def test_a_dry_run_stores_nothing(stand, ctl):
    path = write(stand, "leads.csv", "number,x\n1,y\n,z\n")
    out = ctl.text("leads", "import", path, "--dry-run", "--id", "Number", code=1)
    assert out == "would import 1 leads, 1 bad rows\n"
    assert stand.redis.keys() == []


def test_many_leads_and_a_progress_line(stand, ctl):
    rows = "".join(f"{i},n{i},u{i % 7}\n" for i in range(30000))
    path = write(stand, "leads.csv", "id,name,owner\n" + rows)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(ctl.argv("leads", "import", path), stderr=theirs,
                               stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=ctl.env(),
                               preexec_fn=end_with_parent)
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(ours, 65536):
            seen += piece
    except OSError:  # the other side was closed
        pass
    out = process.communicate(timeout=60)[0]
    os.close(ours)
    assert process.returncode == 0
    assert out == b"imported 30000 leads (30000 new, 0 changed), 0 bad rows\n"
    assert b" %  " in seen and b" leads, " in seen
    assert seen.endswith(b"\r\x1b[K")
    assert ctl.text("leads", "count") == "30000\n"
    assert len(members(stand, "leads", "assignee", "u3")) == 30000 // 7 + (3 < 30000 % 7)


# --- leads show ---


def test_show_prints_every_field(stand, ctl):
    write_lead = {"first_name": "Ana", "tags": '["a"]', "evil": "\x1b[31m"}
    stand.redis.hset(stand.key("lead", "1"), mapping=write_lead)
    assert ctl.json("leads", "show", "1") == [
        {"id": "1", "first_name": "Ana", "tags": ["a"], "evil": "\x1b[31m"}]
    assert ["first_name", "Ana"] in ctl.rows("leads", "show", "1")
    ctl.text("leads", "show", "2", code=1)
    assert "lead 2: not found" in ctl.stderr


# --- template ---


def test_templates_are_put_shown_and_rendered(stand, ctl):
    html = write(stand, "t.html", "<p>{{first_name}}</p>")
    ctl.text("template", "put", "t1", "--subject", "Hi {{first_name|you}}", "--html", html,
             "--text", "-", stdin=b"Dear {{first_name}},\n")
    stand.redis.hset(stand.key("lead", "1"), "first_name", "A&B")
    assert stand.redis.hgetall(stand.key("template", "t1")) == {
        "subject": "Hi {{first_name|you}}", "text": "Dear {{first_name}},\n",
        "html": "<p>{{first_name}}</p>"}
    assert ctl.json("template", "show", "t1")[0]["subject"] == "Hi {{first_name|you}}"
    assert ctl.json("template", "render", "t1", "1") == [
        {"id": "t1", "subject": "Hi A&B", "text": "Dear A&B,\n", "html": "<p>A&amp;B</p>"}]
    assert "--- html ---\n<p>A&amp;B</p>\n" in ctl.text("template", "render", "t1", "1")
    assert ctl.json("template", "put", "t1", "--subject", "S") == [
        {"id": "t1", "result": "stored"}]
    assert stand.redis.hgetall(stand.key("template", "t1")) == {"subject": "S"}


def test_a_bad_template_is_not_stored(stand, ctl):
    ctl.text("template", "put", "t1", "--subject", "Hi {{first_name", code=2)
    assert "subject: the {{ at character 4 is not closed by }}" in ctl.stderr
    ctl.text("template", "put", "t1", "--subject", "a\nb", code=2)
    ctl.text("template", "put", "t1", code=2)
    ctl.text("template", "put", "t1", "--text", stand.directory / "none", code=2)
    assert stand.redis.keys() == []
    ctl.text("template", "show", "t1", code=1)
    ctl.text("template", "render", "t1", "1", code=1)
    ctl.text("template", "put", "t1", "--subject", "S")
    ctl.text("template", "render", "t1", "1", code=1)
    assert "lead 1: not found" in ctl.stderr


# --- validate ---


def validate(ctl, job, code=0, *options):
    return ctl.json("validate", *options, code=code, stdin=json.dumps(job).encode())


def test_a_good_job_is_shown(stand, ctl):
    stand.server.stop()  # nobody is asked
    try:
        (seen,) = validate(ctl, envelope(body(contact_id="11111111-0001-0001-0001-000000000001"),
                                         priority="HIGH", scheduled_at="2030-01-01T00:00:00Z"))
        assert seen["valid"] is True
        assert seen["format"] == "messaging"
        assert (seen["channel"], seen["sender"], seen["provider"]) == ("email", "mail", "sendgrid")
        assert seen["recipient"] == "a@example.com"
        assert seen["priority"] == "HIGH"
        assert seen["scheduled_at"] == "2030-01-01T00:00:00.000Z"
        assert "looks_up_contact" not in seen
        assert ["valid", "yes"] in ctl.rows("validate", stdin=json.dumps(body()).encode())
    finally:
        stand.server.start()


def test_what_a_job_leaves_to_be_looked_up(ctl):
    (seen,) = validate(ctl, {"type": "Email", "contactId": "c1", "templateId": "t1",
                             "subType": "Email", "status": "pending"})
    assert (seen["looks_up_contact"], seen["looks_up_template"]) == ("c1", "t1")


def test_bad_jobs_say_why(ctl):
    bad = {"message_data": {"recipient": 5, "content": "x"}}
    (seen,) = validate(ctl, bad, 1)
    assert seen["valid"] is False
    assert seen["error_code"] == "validation_error"
    assert seen["field"] == "message_data.recipient"
    (seen,) = validate(ctl, envelope(body(recipient="+14155550100")), 1)
    assert seen["error_code"] == "insufficient_permissions"
    both = validate(ctl, [body(), bad], 1, "--each")
    assert [s["valid"] for s in both] == [True, False]
    ctl.text("validate", code=2)
    assert "there is no job" in ctl.stderr
