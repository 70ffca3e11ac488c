"""Checks recorded requests against the providers' own specifications, where a folder of these
is at hand: $SENDQ_SPECS, or shared/specs beside one of the directories above the project."""
import functools
import json
import os
import re
import urllib.parse

import pytest
from support import ROOT

FOLDERS = [os.environ.get("SENDQ_SPECS", ""), *(p / "shared" / "specs" for p in ROOT.parents)]


@functools.cache
def load(name):
    """The specification as a dict; skips the test where it is not to be had."""
    import yaml

    for folder in FOLDERS:
        path = os.path.join(folder, name)
        if folder and os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                return json.load(file) if name.endswith(".json") else yaml.safe_load(file)
    pytest.skip(f"no folder of specifications with {name}: set SENDQ_SPECS")


def check_schema(document, schema, value):
    jsonschema = pytest.importorskip("jsonschema")
    resolver = jsonschema.RefResolver("", document)
    jsonschema.Draft4Validator(schema, resolver=resolver).validate(value)


def form_of(request):
    pairs = urllib.parse.parse_qsl(request["body"], keep_blank_values=True, strict_parsing=True)
    return dict(pairs)


def check_form(schema, request):
    """Names known, required ones there, enumerations kept: all of a form is text."""
    fields = form_of(request)
    known = schema["properties"]
    assert set(fields) <= set(known), set(fields) - set(known)
    assert set(schema.get("required", [])) <= set(fields)
    for name, value in fields.items():
        allowed = known[name].get("enum")
        assert not allowed or value in map(str, allowed), (name, value)


def check_twilio(request):
    document = load("twilio_messages.json")
    (operations,) = document["paths"].values()
    content = operations["post"]["requestBody"]["content"]
    check_form(content["application/x-www-form-urlencoded"]["schema"], request)


def check_vonage(request):
    check_form(load("vonage_sms.yml")["components"]["schemas"]["NewMessage"], request)


def check_slack(request):
    """The specification is of forms: names and, where it is plain, types of the same in JSON."""
    method = request["path"].rpartition("/api/")[2]
    parameters = load("slack_web_openapi_v2.json")["paths"]["/" + method]["post"]["parameters"]
    known = {p["name"]: p for p in parameters}
    given = json.loads(request["body"])
    assert set(given) <= set(known), set(given) - set(known)
    required = {n for n, p in known.items() if p.get("required")} - {"token"}
    assert required <= set(given)
    for name, value in given.items():
        if known[name]["type"] == "boolean":
            assert isinstance(value, bool), name


TELEGRAM_TYPES = {"String": str, "Integer": int, "Boolean": bool, "ReplyParameters": dict,
                  "InputFile": str}


def check_telegram(request):
    method = request["path"].rpartition("/")[2]
    fields = load("telegram_bot_api.json")["methods"][method]["fields"]
    known = {f["name"]: f for f in fields}
    given = json.loads(request["body"])
    assert set(given) <= set(known), set(given) - set(known)
    assert {n for n, f in known.items() if f["required"]} <= set(given)
    for name, value in given.items():
        types = known[name]["types"]
        allowed = tuple(list if t.startswith("Array") else TELEGRAM_TYPES[t] for t in types)
        assert isinstance(value, allowed), (name, value)


def check_teams(request):
    document = load("botframework_connector.json")
    activity = document["definitions"]["Activity"]
    given = json.loads(request["body"])
    assert set(given) <= set(activity["properties"])
    check_schema(document, activity, given)


WHATSAPP_SCHEMAS = {"text": "TextMessage", "image": "ImageMessage", "template": "TemplateMessage",
                    "document": "DocumentMessage", "audio": "AudioMessage",
                    "video": "VideoMessage"}
# Documented with the messages, left out of the schema.
WHATSAPP_MORE = {"biz_opaque_callback_data": {"type": "string"}}


def check_whatsapp(request):
    """Each message is an allOf of two parts that forbid each other's members: taken as one."""
    document = load("meta_business_messaging_v23.yaml")
    schemas = document["components"]["schemas"]
    given = json.loads(request["body"])
    whole = {"type": "object", "properties": dict(WHATSAPP_MORE), "required": [],
             "additionalProperties": False}
    for part in schemas[WHATSAPP_SCHEMAS[given["type"]]]["allOf"]:
        part = schemas[part["$ref"].rpartition("/")[2]] if "$ref" in part else part
        whole["properties"].update(part["properties"])
        whole["required"] += part.get("required", [])
    check_schema(document, whole, given)


# --- email ---


def check_sendgrid(request):
    document = load("sendgrid_mail_v3.json")
    (content,) = document["components"]["requestBodies"]["PostMailSend"]["content"].values()
    schema = dict(content["schema"])
    schema["properties"] = dict(schema["properties"])
    schema["properties"].pop("custom_args", None)  # called a text there, an object in the pages
    check_schema(document, schema, json.loads(request["body"]))


def check_mailgun(request):
    document = load("mailgun_openapi.yaml")
    schema = document["components"]["schemas"][
        "POST-v3-domain_name-messages-multipart-form-data-RequestBody"]
    body = request["body"]
    body = body.encode() if isinstance(body, str) else body
    names = {n.decode() for n in re.findall(rb'form-data; name="([^"]*)"', body)}
    free = {n for n in names if n.startswith(("h:", "v:", "o:"))}
    assert names - free <= set(schema["properties"]), names
    assert set(schema.get("required", [])) <= names


def check_postmark(request):
    document = load("postmark_server.yml")
    schema = document["definitions"]["SendEmailRequest"]
    given = json.loads(request["body"])
    newer = {"MessageStream", "Metadata"}
    assert set(given) - newer <= set(schema["properties"])
    check_schema(document, schema, given)


def check_resend(request):
    document = load("resend.json")
    given = json.loads(request["body"])
    schema = document["components"]["schemas"]["SendEmailRequest"]
    assert set(given) <= set(schema["properties"])
    check_schema(document, schema, given)


def check_gmail(request):
    properties = load("gmail_v1_discovery.json")["schemas"]["Message"]["properties"]
    given = json.loads(request["body"])
    assert set(given) <= set(properties)
    assert all(isinstance(v, str) for v in given.values())


# Documented since, and so not in the model of April 2025.
SES_NEWER = {"Attachments"}


def check_smithy(shapes, name, value, where=""):
    """A value against a shape of a Smithy model: names, required members, kinds."""
    shape = shapes.get(name, {"type": name.rpartition("#")[2].lower()})
    if shape["type"] == "structure":
        assert isinstance(value, dict), where
        members = shape["members"]
        assert set(value) - SES_NEWER <= set(members), (where, value)
        for member, m in members.items():
            assert member in value or "smithy.api#required" not in m.get("traits", {}), \
                (where, member)
            if member in value:
                check_smithy(shapes, m["target"], value[member], f"{where}.{member}")
    elif shape["type"] == "list":
        for item in value:
            check_smithy(shapes, shape["member"]["target"], item, where + "[]")
    elif shape["type"] == "string":
        assert isinstance(value, str), where


def check_ses(request):
    shapes = load("sesv2.json")["shapes"]
    check_smithy(shapes, "com.amazonaws.sesv2#SendEmailRequest", json.loads(request["body"]))


# A complex type of the CSDL, which the schema made of it leaves out.
GRAPH_UPLOAD = {"attachmentType", "contentId", "contentType", "isInline", "name", "size"}


def check_graph_object(document, name, value):
    """Members known and of their kind; annotations ("@odata.type") are free."""
    definition = document["definitions"][name]
    given = {k: v for k, v in value.items() if not k.startswith("@")}
    assert set(given) <= set(definition["properties"]), (name, value)
    check_schema(document, definition, given)


def check_microsoft(request):
    """The JSON requests of a mail by a draft; a mail as MIME has no description."""
    document = load("msgraph_mail.schema.json")
    action = request["path"].partition("?")[0].rpartition("/")[2]
    given = json.loads(request["body"])
    if action in ("createReply", "createReplyAll", "createForward"):
        assert set(given) <= {"message", "comment"} and isinstance(given["comment"], str)
        check_graph_object(document, "message", given["message"])
    elif action == "attachments":
        assert given["@odata.type"] == "#microsoft.graph.fileAttachment"
        check_graph_object(document, "fileAttachment", given)
    else:
        assert action == "createUploadSession"
        item = given.pop("AttachmentItem")
        assert given == {} and set(item) <= GRAPH_UPLOAD and isinstance(item["size"], int)
