"use strict";
/* Shows /status and keeps showing it. Every text is put in as text (textContent), never as markup:
   some of it comes from jobs and from providers. */

const REFRESH_MS = 2000;
const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);

function element(name, text, className) {
    const e = document.createElement(name);
    if (text !== undefined)
        e.textContent = text;
    if (className)
        e.className = className;
    return e;
}

function number(n) {
    return (n ?? 0).toLocaleString("en");
}

/* "2026-11-21T09:10:11.123Z" -> "2026-11-21 09:10:11" */
function time(t) {
    return t ? t.slice(0, 19).replace("T", " ") : "";
}

/* --- parts of a row --- */

const text = (s) => element("td", s ?? "");
const long = (s) => element("td", s ?? "", "long");
const count = (n) => element("td", number(n), "number");

function state(s) {
    const td = element("td");
    td.append(element("span", s ?? "", "state " + (/^\w+$/.test(s ?? "") ? s : "")));
    return td;
}

function bar(value, max, label) {
    const td = element("td"), p = element("progress");
    p.max = max > 0 ? max : 1;
    p.value = Math.min(value, p.max);
    p.setAttribute("aria-label", label);
    td.append(p, " " + label);
    return td;
}

function table(id, heads, rows, nothing) {
    const head = element("tr");
    for (const h of heads)
        head.append(element("th", h.replace(">", ""), h.startsWith(">") ? "number" : ""));
    const lines = rows.map((cells) => {
        const tr = element("tr");
        tr.append(...cells);
        return tr;
    });
    if (!lines.length) {
        const tr = element("tr");
        tr.append(element("td", nothing, "none"));
        byId(id).replaceChildren(tr);
        return;
    }
    byId(id).replaceChildren(head, ...lines);
}

/* --- sections --- */

function chart(id, values) {
    const svg = byId(id), top = Math.max(1, ...values), width = 600 / values.length;
    const base = document.createElementNS(SVG, "line");
    for (const [name, value] of [["x1", 0], ["x2", 600], ["y1", 119.5], ["y2", 119.5]])
        base.setAttribute(name, value);
    const bars = values.map((n, i) => {
        const rect = document.createElementNS(SVG, "rect"), height = n / top * 118;
        const title = document.createElementNS(SVG, "title");
        const ago = values.length - 1 - i;
        title.textContent = `${number(n)}, ${ago ? ago + " min ago" : "this minute"}`;
        for (const [name, value] of [["x", i * width + 1], ["y", 119 - height],
            ["width", width - 2], ["height", height]])
            rect.setAttribute(name, value);
        rect.append(title);
        return rect;
    });
    svg.replaceChildren(base, ...bars);
    svg.setAttribute("aria-label", `by minutes, at most ${number(top)}`);
}

function sum(values) {
    return values.reduce((a, b) => a + b, 0);
}

function showHour(hour) {
    for (const kind of ["sent", "errors"]) {
        const values = hour?.[kind] ?? []; // none while Redis is away
        chart("chart-" + kind, values);
        byId(kind + "-sum").textContent = number(sum(values));
        byId(kind + "-top").textContent = number(Math.max(0, ...values));
    }
}

function showTiles(s) {
    const jobs = s.jobs ? s.jobs.high + s.jobs.normal + s.jobs.low : 0;
    const tiles = [["sent today", s.today?.sent], ["failed today", s.today?.failed],
        ["jobs waiting", jobs], ["messages ready", s.ready], ["in flight", s.in_flight],
        ["delayed", s.delayed], ["dead letters", s.dead], ["rejected jobs", s.rejected]];
    byId("tiles").replaceChildren(...tiles.map(([name, n]) => {
        const div = element("div");
        div.append(element("dt", name), element("dd", number(n)));
        return div;
    }));
}

function showSenders(s) {
    table("senders", ["Sender", "State", ">Waiting", ">In flight", ">Sent today", ">Failed today", "Of its day cap", ""],
        (s.senders ?? []).map((x) => [text(x.id), state(x.state), count(x.waiting),
            count(x.in_flight), count(x.sent), count(x.failed),
            x.day_cap ? bar(x.sent_today, x.day_cap, `${number(x.sent_today)} of ${number(x.day_cap)}`) : text("none"),
            long([x.until && x.state !== "ok" ? "until " + time(x.until) : "", x.error_message].filter(Boolean).join(": "))]),
        "No sender has been configured.");
}

function showBulks(s) {
    table("bulks", ["Bulk", "Status", "Progress", ">Sent", ">Failed", "Since (UTC)"],
        (s.bulks ?? []).map((b) => {
            const done = b.messages_sent + b.messages_failed + b.messages_cancelled;
            return [text(b.id), state(b.status),
                bar(done, b.total_leads, `${number(done)} of ${number(b.total_leads)}`),
                count(b.messages_sent), count(b.messages_failed), text(time(b.created_at))];
        }), "None.");
}

function showFailures(s) {
    table("failures", ["At (UTC)", "Error", "", "Sender", "Channel", ">Attempts", "Message"],
        (s.failures ?? []).map((f) => [text(time(f.failed_at)), text(f.error_code),
            long(f.error_message), text(f.sender), text(f.channel), count(f.attempts), text(f.id)]),
        "None.");
}

function showWorkers(s) {
    table("workers", ["Worker", "State", ">In flight", ">Sent a second", "Version", "Since (UTC)"],
        (s.workers ?? []).map((w) => [text(w.name), state(w.state), count(w.in_flight),
            element("td", w.rate ?? "", "number"), text(w.version), text(time(w.started_at))]),
        "None.");
}

function showState(s) {
    const away = !s.worker.redis;
    byId("namespace").textContent = s.namespace;
    byId("state").textContent = away ? "Redis is away" : s.worker.state;
    byId("state").className = "state " + (away ? "away" : s.worker.state);
    byId("worker").textContent = `${s.worker.name}, ${s.worker.version}, since ${time(s.worker.started_at)} UTC`;
    byId("at").textContent = `As of ${time(s.at)} UTC`;
    document.title = `sendq ${s.namespace}: ${s.worker.state}`;
}

function show(s) {
    showState(s);
    showTiles(s);
    showHour(s.hour);
    showSenders(s);
    showBulks(s);
    showFailures(s);
    showWorkers(s);
}

async function refresh() {
    try {
        const answer = await fetch("status", { cache: "no-store" });
        if (!answer.ok)
            throw new Error("HTTP " + answer.status);
        show(await answer.json());
    } catch (e) {
        byId("state").textContent = "no answer";
        byId("state").className = "state away";
        byId("at").textContent = "These numbers are old: sendqd does not answer.";
    }
    setTimeout(refresh, REFRESH_MS);
}

refresh();
