"""The filter language, a second time: written from the documentation, to compare with. Leads are
dicts of texts (lists of texts for tags); a seeded generator makes leads and filters."""
import datetime
import random
import re

NUMBER = re.compile(r"[-.\d][-+.\deE]*$")
TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?$")


def number(text):
    try:
        return float(text) if NUMBER.match(text) else None
    except ValueError:
        return None


def moment(text):
    if not TIME.match(text.upper()):
        return None
    try:
        text = text.upper().replace("Z", "+00:00")
        if len(text) == 10:
            text += "T00:00:00+00:00"
        return datetime.datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def equal(a, b):
    x, y = number(a), number(b)
    return a == b or (x is not None and y is not None and x == y)


def order(a, b):
    """-1, 0, 1, or None where the two cannot be compared."""
    for read in (number, moment):
        x, y = read(a), read(b)
        if x is not None and y is not None:
            return (x > y) - (x < y)
    if any(read(t) is not None for read in (number, moment) for t in (a, b)):
        return None
    x, y = a.encode(), b.encode()
    return (x > y) - (x < y)


def values_of(value):
    found = value if isinstance(value, list) else [value]
    return [str(v).casefold() for v in found]


POSITIVE = {
    "equals": lambda has, want, element: equal(has, want),
    "in": lambda has, want, element: equal(has, want),
    "contains": lambda has, want, element: equal(has, want) if element else want in has,
    "starts_with": lambda has, want, element: has.startswith(want),
    "ends_with": lambda has, want, element: has.endswith(want),
    "gt": lambda has, want, element: order(has, want) == 1,
    "gte": lambda has, want, element: order(has, want) in (0, 1),
    "lt": lambda has, want, element: order(has, want) == -1,
    "lte": lambda has, want, element: order(has, want) in (0, -1),
    "after": lambda has, want, element: order(has, want) == 1,
    "before": lambda has, want, element: order(has, want) == -1,
}
NEGATIVE = {"not_equals": "equals", "not_contains": "contains", "not_in": "in"}


def condition(cond, lead):
    has, op = lead.get(cond["field"]), cond["operator"]
    texts = has if isinstance(has, list) else [has] if has else []
    if op in ("is_empty", "is_not_empty"):
        return (not texts) == (op == "is_empty")
    wanted, element = values_of(cond["value"]), isinstance(has, list)

    def meets(text):
        text = text.casefold()
        if op == "between":
            return order(text, wanted[0]) in (0, 1) and order(text, wanted[1]) in (0, -1)
        test = POSITIVE[NEGATIVE.get(op, op)]
        return any(test(text, want, element) for want in wanted)

    return any(meets(t) for t in texts) != (op in NEGATIVE)


def matches(node, lead):
    if "field" in node:
        return condition(node, lead)
    join = any if node.get("logic", "AND").upper() == "OR" else all
    return join(matches(m, lead) for m in node["conditions"])


def searched(keyword, lead):
    fields = ("name", "first_name", "last_name", "email", "company", "phone")
    return any(keyword.casefold() in lead[f].casefold() for f in fields if lead.get(f))


def selects(settings, lead_id, lead):
    """Whether bulk_settings mean this lead."""
    return (("lead_ids" not in settings or lead_id in settings["lead_ids"])
            and ("filters" not in settings or matches(settings["filters"], lead))
            and ("search_keyword" not in settings or searched(settings["search_keyword"], lead))
            and ("assignees" not in settings or lead.get("assigned_to") in settings["assignees"]))


# --- generators ---

FIRST = ["Stefan", "Anna", "Östen", "Kristin", "ŁUKASZ", "Bo", "Stéphane", "ΣΟΦΙΑ", "straße"]
LAST = ["Meyer", "Smith", "O'Neil", "de Vries", "Иванов"]
COMPANY = ["Acme GmbH", "Enterprise Customers Ltd", "ÅNGSTRÖM AB", "acme inc", "Foo & Bar"]
TAGS = ["Import 10/05/25", "VIP", "vip gold", "newsletter", "Ärger", "7"]
DATES = ["2025-01-31", "2024-12-01T10:30:00Z", "2025-06-15T00:00:00+02:00", "soon"]


def make_lead(rng, n):
    lead = {"email": f"a{n}@example.com"}
    for field, choices, share in (("first_name", FIRST, 0.9), ("last_name", LAST, 0.8),
                                  ("company", COMPANY, 0.7), ("created", DATES, 0.6)):
        if rng.random() < share:
            lead[field] = rng.choice(choices)
    if rng.random() < 0.6:
        lead["tags"] = rng.sample(TAGS, rng.randint(0, 3))
    if rng.random() < 0.7:
        lead["score"] = rng.choice([str(rng.randint(-5, 20)), "7.0", "1e1", "many", "007"])
    if rng.random() < 0.3:
        lead["assigned_to"] = f"user-uuid-{rng.randint(1, 4)}"
    return lead


def make_leads(seed, count):
    rng = random.Random(seed)
    return {f"lead-{n}": make_lead(rng, n) for n in range(count)}


def some_value(rng, field):
    pools = {"first_name": FIRST, "last_name": LAST, "company": COMPANY, "tags": TAGS,
             "created": DATES, "score": ["7", "0", "-3", "10", "many", "12.5"],
             "missing": ["x", ""], "email": ["a1", "EXAMPLE.com", "a22@example.com"]}
    text = rng.choice(pools[field])
    if rng.random() < 0.4 and len(text) > 2:
        start = rng.randrange(len(text) - 1)
        text = text[start:start + rng.randint(1, 4)]
    return rng.choice([text.upper(), text.lower(), text]) or "x"


def make_condition(rng, n):
    field = rng.choice(["first_name", "last_name", "company", "tags", "created", "score", "email",
                        "missing"])
    op = rng.choice([*POSITIVE, *NEGATIVE, "between", "is_empty", "is_not_empty"])
    cond = {"id": f"c{n}", "field": field, "operator": op}
    if op == "between":
        cond["value"] = [some_value(rng, field), some_value(rng, field)]
    elif op in ("before", "after"):
        cond["value"] = rng.choice(DATES[:3])
    elif not op.startswith("is_"):
        cond["value"] = some_value(rng, field)
        if op not in ("gt", "gte", "lt", "lte") and rng.random() < 0.3:
            cond["value"] = [some_value(rng, field) for _ in range(rng.randint(1, 3))]
    return cond


def make_filter(rng, depth=3):
    group = {"id": f"g{rng.randrange(1000)}", "conditions": [
        make_filter(rng, depth - 1) if depth > 1 and rng.random() < 0.4
        else make_condition(rng, rng.randrange(1000)) for _ in range(rng.randint(1, 3))]}
    if rng.random() < 0.4:
        group["logic"] = rng.choice(["OR", "and", "or"])
    return group
