/* Quoted replies and forwarded mails. */
#include "quote.h"

#include "quote_html.h"
#include "text.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define DATE_SIZE 40
#define CITE                                                                                       \
    "<blockquote type=\"cite\" style=\"margin:0 0 0 .8ex;border-left:1px solid #ccc;"              \
    "padding-left:1ex\">"

/* --- lines --- */

/* As in a mail's Date, which everyone can read. */
static void write_date(int64_t ms, char ret[DATE_SIZE])
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = ms / 1000;
    struct tm tm = {0};

    gmtime_r(&seconds, &tm);
    snprintf(ret, DATE_SIZE, "%s, %d %s %d %02d:%02d +0000", days[tm.tm_wday], tm.tm_mday,
             months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min);
}

static size_t line_end(const char *s)
{
    return strcspn(s, "\r\n");
}

static const char *next_line(const char *s)
{
    s += line_end(s);
    if (s[0] == '\r' && s[1] == '\n')
        s++;
    return *s ? s + 1 : s;
}

/* --- what stands above the original --- */

static void reply_head(const struct quote_original *o, struct buf *out)
{
    const char *name = text_is_empty(o->from.name) ? o->from.addr : o->from.name;
    char date[DATE_SIZE];

    write_date(o->date_ms, date);
    buf_addf(out, "On %s", date);
    if (name) {
        buf_adds(out, ", ");
        text_add_line(out, name);
    }
    buf_adds(out, name ? " wrote:\n" : ":\n");
}

static void head_line(const char *name, const char *value, struct buf *out)
{
    if (text_is_empty(value))
        return;
    buf_addf(out, "%s: ", name);
    text_add_line(out, value);
    buf_addc(out, '\n');
}

static void forward_head(const struct quote_original *o, struct buf *out)
{
    struct buf from = {0};
    char date[DATE_SIZE];

    if (o->from.addr)
        address_print(&o->from, &from);
    write_date(o->date_ms, date);
    buf_adds(out, "---------- Forwarded message ---------\n");
    head_line("From", buf_str(&from), out);
    head_line("Date", date, out);
    head_line("Subject", o->subject, out);
    head_line("To", o->to, out);
    buf_free(&from);
}

/* --- the parts --- */

struct work {
    const struct quote_original *o;
    const char *text, *html; /* the new ones */
    bool is_reply;
    struct buf head;
};

static void add_cited(const char *text, struct buf *out)
{
    for (; *text; text = next_line(text)) {
        buf_adds(out, *text == '>' ? ">" : "> ");
        buf_add(out, text, line_end(text));
        buf_addc(out, '\n');
    }
}

static void write_text(const struct work *w, struct buf *out)
{
    const char *original = w->o->text ? w->o->text : "";

    if (w->text) {
        buf_adds(out, w->text);
        buf_adds(out, "\n\n");
    }
    buf_add(out, w->head.data, w->head.len);
    if (w->is_reply) {
        add_cited(original, out);
    } else {
        buf_addc(out, '\n');
        buf_adds(out, original);
    }
}

/* A text as html shows it. */
static void add_shown(const char *text, struct buf *out)
{
    while (text && *text) {
        size_t end = line_end(text);
        const char *next = next_line(text);

        text_add_html(out, text, end);
        if (next != text + end)
            buf_adds(out, "<br>\n");
        text = next;
    }
}

static void add_original(const struct work *w, struct buf *out)
{
    buf_adds(out, "<br>\n<div>");
    add_shown(buf_str(&w->head), out);
    buf_adds(out, w->is_reply ? "</div>\n" CITE : "</div>\n<br>\n<div>");
    if (w->o->html)
        quote_html_add(w->o->html, w->is_reply, out);
    else
        add_shown(w->o->text, out);
    buf_adds(out, w->is_reply ? "</blockquote>\n" : "</div>\n");
}

/* Where a document's body ends; its end where nothing says so. */
static size_t body_end(const char *html)
{
    static const char close[] = "</body";
    size_t len = strlen(html), at = len;

    for (size_t i = len; i-- > 0;)
        if (html[i] == '<' && strncasecmp(html + i, close, sizeof(close) - 1) == 0) {
            at = i;
            break;
        }
    return at;
}

static void write_html(const struct work *w, struct buf *out)
{
    const char *rest = "";

    if (w->html) {
        rest = w->html + body_end(w->html);
        buf_add(out, w->html, (size_t)(rest - w->html));
    } else if (w->text) {
        buf_adds(out, "<div>");
        add_shown(w->text, out);
        buf_adds(out, "</div>\n");
    }
    add_original(w, out);
    buf_adds(out, rest);
}

static enum sq_err write_parts(struct work *w, size_t max, struct quote_body *ret)
{
    const struct quote_original *o = w->o;

    *ret = (struct quote_body){.text = {.max = max}, .html = {.max = max}};
    if ((w->text || !w->html) && (o->text || !o->html))
        write_text(w, &ret->text);
    if (w->html || o->html)
        write_html(w, &ret->html);
    if (!w->head.failed && !ret->text.failed && !ret->html.failed)
        return SQ_OK;
    quote_clear(ret);
    return SQ_ERR_TOO_LARGE;
}

/* --- interface --- */

static const char *given(const char *s)
{
    return text_is_empty(s) ? NULL : s;
}

static enum sq_err quote(const struct quote_original *original, const char *text, const char *html,
                         bool is_reply, size_t max, struct quote_body *ret)
{
    struct quote_original o = *original;
    struct work w = {.o = &o, .text = given(text), .html = given(html), .is_reply = is_reply};
    enum sq_err err;

    o.text = given(o.text);
    o.html = given(o.html);
    w.head.max = max;
    if (is_reply)
        reply_head(&o, &w.head);
    else
        forward_head(&o, &w.head);
    err = write_parts(&w, max, ret);
    buf_free(&w.head);
    return err;
}

enum sq_err quote_reply(const struct quote_original *o, const char *text, const char *html,
                        size_t max, struct quote_body *ret)
{
    return quote(o, text, html, true, max, ret);
}

enum sq_err quote_forward(const struct quote_original *o, const char *text, const char *html,
                          size_t max, struct quote_body *ret)
{
    return quote(o, text, html, false, max, ret);
}

void quote_subject(const char *prefix, const char *subject, size_t max, struct buf *out)
{
    struct buf whole = {0};

    if (strncasecmp(subject, prefix, strlen(prefix)) != 0)
        buf_addf(&whole, "%s ", prefix);
    text_add_line(&whole, subject);
    buf_add(out, buf_str(&whole), text_cut(buf_str(&whole), max));
    buf_free(&whole);
}

void quote_clear(struct quote_body *body)
{
    buf_free(&body->text);
    buf_free(&body->html);
}
