/* Letters. */
#include "letter.h"

#include "outcome.h"
#include "text.h"
#include <stdio.h>
#include <string.h>

/* --- compiling --- */

static enum sq_err compile(const char *name, const char *text, enum template_kind kind,
                           struct arena *a, const struct template **ret, struct err_text *e)
{
    struct err_text why;

    *ret = NULL;
    if (!text || template_compile(text, kind, a, ret, &why) == SQ_OK)
        return SQ_OK;
    return err_set_field(e, SQ_ERR_INVALID, name, "%s", why.text);
}

enum sq_err letter_compile(const char *subject, const char *content, const char *html,
                           struct arena *a, struct letter *ret, struct err_text *e)
{
    struct letter l = {NULL};
    enum sq_err err = compile("subject", subject, TEMPLATE_LINE, a, &l.subject, e);

    if (!err)
        err = compile("text", content, TEMPLATE_TEXT, a, &l.content, e);
    if (!err)
        err = compile("html", html, TEMPLATE_HTML, a, &l.html, e);
    if (!err)
        *ret = l;
    return err;
}

/* --- filling --- */

static enum sq_err fail(struct err_text *e, enum error_code code, enum sq_err err, const char *name,
                        const char *why)
{
    err_set_field(e, err, name, "%s", why);
    if (e)
        snprintf(e->code, sizeof e->code, "%s", error_code_name(code));
    return err;
}

static enum sq_err check_subject(const char *s, const struct job_limits *limits, struct err_text *e)
{
    char why[64];

    if (text_chars(s) <= limits->max_subject)
        return SQ_OK;
    snprintf(why, sizeof why, "longer than %zu characters when filled", limits->max_subject);
    return fail(e, CODE_TOO_LARGE, SQ_ERR_TOO_LARGE, "subject", why);
}

/* Fills one text of m that it lacks. */
static enum sq_err fill(const struct template *t, const struct filter_lead *lead,
                        enum template_missing missing, size_t max, struct message *m,
                        enum msg_text into, struct err_text *e)
{
    const char *name = into == MSG_CONTENT ? "text" : msg_text_name(into);
    struct buf out = {.max = max + 1}; /* and a NUL */
    struct err_text why = {.text = ""};
    enum sq_err err;

    if (!t || m->text[into])
        return SQ_OK;
    err = template_render(t, lead, missing, &out, &why);
    if (!err && out.len > max)
        err = err_set(&why, SQ_ERR_TOO_LARGE, "the filled text is too large");
    if (err == SQ_ERR_TOO_LARGE)
        err = fail(e, CODE_TOO_LARGE, err, name, why.text);
    else if (err)
        err = fail(e, CODE_TEMPLATE_ERROR, err, name, why.text);
    else if (out.len) /* an empty text is none */
        message_set(m, into, buf_str(&out));
    buf_free(&out);
    return err;
}

/* What has a subject can have html: a mail, and what a custom channel's receiver makes of it. */
static bool is_mail(const struct message *m)
{
    return m->channel == CHANNEL_EMAIL || m->channel == CHANNEL_CUSTOM;
}

enum sq_err letter_fill(const struct letter *l, const struct filter_lead *lead,
                        enum template_missing missing, const struct job_limits *limits,
                        struct message *m, struct err_text *e)
{
    size_t max = limits->max_content;
    enum sq_err err = fill(l->content, lead, missing, max, m, MSG_CONTENT, e);

    if (err || !is_mail(m))
        return err;
    err = fill(l->html, lead, missing, max, m, MSG_HTML, e);
    if (!err)
        err = fill(l->subject, lead, missing, max, m, MSG_SUBJECT, e);
    if (!err && m->text[MSG_SUBJECT])
        err = check_subject(m->text[MSG_SUBJECT], limits, e);
    return err;
}
