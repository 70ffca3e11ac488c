/* The body of a webhook: a template with {{field}} places, or all fields of the message.
 *
 * Values are put in once and never read again as template, and always encoded for the place they
 * stand in, so that no message can change the shape of the body. */
#include "webhook_body.h"

#include "provider_util.h"
#include "text.h"
#include "timefmt.h"
#include <stdio.h>
#include <string.h>

#define FIELD_NAME_MAX 32

enum field_kind {
    FIELD_TEXT,        /* message text `index` */
    FIELD_JSON,        /* message text `index` that is JSON already */
    FIELD_LIST,        /* message list `index` */
    FIELD_ATTACHMENTS, /* the rest is computed */
    FIELD_ID,
    FIELD_CHANNEL,
    FIELD_TYPE,
    FIELD_PRIORITY,
    FIELD_FROM,
    FIELD_FROM_NAME,
    FIELD_QUEUED_AT,
};

struct field {
    const char *name;
    enum field_kind kind;
    unsigned index;
};

/* In the order in which they stand in the default body. */
static const struct field fields[] = {
    {"id", FIELD_ID, 0},
    {"channel", FIELD_CHANNEL, 0},
    {"message_type", FIELD_TYPE, 0},
    {"priority", FIELD_PRIORITY, 0},
    {"queued_at", FIELD_QUEUED_AT, 0},
    {"sender", FIELD_TEXT, MSG_SENDER},
    {"recipient", FIELD_TEXT, MSG_RECIPIENT},
    {"to", FIELD_TEXT, MSG_TO},
    {"from", FIELD_FROM, 0},
    {"sender_name", FIELD_FROM_NAME, 0},
    {"reply_to", FIELD_TEXT, MSG_REPLY_TO},
    {"cc", FIELD_LIST, MSG_CC},
    {"bcc", FIELD_LIST, MSG_BCC},
    {"subject", FIELD_TEXT, MSG_SUBJECT},
    {"content", FIELD_TEXT, MSG_CONTENT},
    {"html", FIELD_TEXT, MSG_HTML},
    {"media_urls", FIELD_LIST, MSG_MEDIA},
    {"attachments", FIELD_ATTACHMENTS, 0},
    {"thread_id", FIELD_TEXT, MSG_THREAD_ID},
    {"reply_id", FIELD_TEXT, MSG_REPLY_ID},
    {"reply_mode", FIELD_TEXT, MSG_REPLY_MODE},
    {"contact_id", FIELD_TEXT, MSG_CONTACT_ID},
    {"deal_id", FIELD_TEXT, MSG_DEAL_ID},
    {"bulk_id", FIELD_TEXT, MSG_BULK_ID},
    {"lead_id", FIELD_TEXT, MSG_LEAD_ID},
    {"template_id", FIELD_TEXT, MSG_TEMPLATE_ID},
    {"subtype_id", FIELD_TEXT, MSG_SUBTYPE_ID},
    {"appointment_id", FIELD_TEXT, MSG_APPOINTMENT_ID},
    {"tenant", FIELD_TEXT, MSG_TENANT},
    {"timezone", FIELD_TEXT, MSG_TIMEZONE},
    {"metadata", FIELD_JSON, MSG_METADATA},
    {"forward", FIELD_JSON, MSG_FORWARD},
};

#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))

/* Where values come from. */
struct source {
    const struct build_ctx *ctx;
    const struct message *m;
    char queued_at[TIME_TEXT];
};

static void source_init(struct source *s, const struct build_ctx *ctx, const struct message *m)
{
    s->ctx = ctx;
    s->m = m;
    time_format(m->queued_at, s->queued_at);
}

/* A field's text; NULL when absent, or when the field is a list. */
static const char *field_text(const struct source *s, const struct field *f)
{
    const char *text = NULL;

    switch (f->kind) {
    case FIELD_TEXT:
    case FIELD_JSON:
        text = s->m->text[f->index];
        break;
    case FIELD_ID:
        text = s->m->id;
        break;
    case FIELD_CHANNEL:
        text = channel_name(s->m->channel);
        break;
    case FIELD_TYPE:
        text = message_type_name(s->m->type);
        break;
    case FIELD_PRIORITY:
        text = priority_name(s->m->priority);
        break;
    case FIELD_FROM:
        text = provider_from(s->ctx, s->m);
        break;
    case FIELD_FROM_NAME:
        text = provider_from_name(s->ctx, s->m);
        break;
    case FIELD_QUEUED_AT:
        text = s->queued_at;
        break;
    case FIELD_LIST:
    case FIELD_ATTACHMENTS:
        break;
    }
    return text_is_empty(text) ? NULL : text;
}

static bool field_is_present(const struct source *s, const struct field *f)
{
    if (f->kind == FIELD_LIST)
        return s->m->list[f->index].count > 0;
    if (f->kind == FIELD_ATTACHMENTS)
        return s->m->attachment_count > 0;
    return field_text(s, f) != NULL;
}

/* The field as one JSON value. */
static void field_json(const struct source *s, const struct field *f, struct buf *out)
{
    const struct str_list *list;
    const char *text;

    if (f->kind == FIELD_ATTACHMENTS) {
        provider_json_attachments(out, s->m);
    } else if (f->kind == FIELD_LIST) {
        list = &s->m->list[f->index];
        json_open(out, '[');
        for (unsigned i = 0; i < list->count; i++)
            json_val_str(out, list->items[i]);
        json_close(out, ']');
    } else {
        text = field_text(s, f);
        if (text && f->kind == FIELD_JSON)
            json_val_raw(out, text, strlen(text));
        else
            json_val_str(out, text);
    }
}

/* The field as plain text: lists with commas, attachments as their JSON. */
static void field_plain(const struct source *s, const struct field *f, struct buf *out)
{
    const struct str_list *list;

    if (f->kind == FIELD_ATTACHMENTS) {
        if (s->m->attachment_count)
            provider_json_attachments(out, s->m);
    } else if (f->kind == FIELD_LIST) {
        list = &s->m->list[f->index];
        for (unsigned i = 0; i < list->count; i++) {
            if (i)
                buf_addc(out, ',');
            buf_adds(out, list->items[i]);
        }
    } else {
        buf_adds(out, field_text(s, f));
    }
}

static const struct field *find_field(const char *name, size_t len)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (strlen(fields[i].name) == len && memcmp(fields[i].name, name, len) == 0)
            return &fields[i];
    }
    return NULL;
}

/* Reads the place at *p ("{{ name }}") and moves *p behind it; NULL with e set if it is broken. */
static const struct field *read_place(const char **p, struct err_text *e)
{
    const char *name = *p + 2;
    const char *end = strstr(name, "}}");
    const struct field *f;
    size_t len;

    if (!end) {
        err_set_field(e, SQ_ERR_INVALID, "body", "a {{ is not closed by }}");
        return NULL;
    }
    *p = end + 2;
    while (*name == ' ')
        name++;
    while (end > name && end[-1] == ' ')
        end--;
    len = (size_t)(end - name);
    f = find_field(name, len);
    if (!f)
        err_set_field(e, SQ_ERR_INVALID, "body", "unknown field {{%.*s}}",
                      (int)(len < FIELD_NAME_MAX ? len : FIELD_NAME_MAX), name);
    return f;
}

/* Whether text that ends `p..end` is inside a JSON string, given whether its start is. */
static bool ends_in_string(const char *p, const char *end, bool inside)
{
    for (; p < end; p++) {
        if (*p == '"')
            inside = !inside;
        else if (*p == '\\' && inside && p + 1 < end)
            p++;
    }
    return inside;
}

/* Adds a value in its place's encoding. `work` is scratch, empty before and after. */
static void add_value(const struct source *s, const struct field *f, enum body_form form,
                      bool in_string, struct buf *work, struct buf *out)
{
    struct buf quoted = {.max = out->max};

    if (form == BODY_JSON && !in_string) {
        field_json(s, f, work);
        buf_add(out, buf_str(work), work->len);
    } else {
        field_plain(s, f, work);
        if (form == BODY_URLENCODED) {
            text_add_urlencoded(out, buf_str(work));
        } else {
            json_val_strn(&quoted, buf_str(work), work->len);
            if (!quoted.failed)
                buf_add(out, quoted.data + 1, quoted.len - 2);
        }
    }
    out->failed |= work->failed || quoted.failed;
    buf_free(&quoted);
    buf_clear(work);
}

static enum sq_err fill(const char *template, enum body_form form, const struct source *s,
                        struct buf *out, struct err_text *e)
{
    struct buf work = {.max = out->max};
    const struct field *f;
    const char *p = template, *place;
    bool in_string = false;

    while ((place = strstr(p, "{{")) != NULL) {
        buf_add(out, p, (size_t)(place - p));
        in_string = ends_in_string(p, place, in_string);
        p = place;
        f = read_place(&p, e);
        if (!f) {
            buf_free(&work);
            return SQ_ERR_INVALID;
        }
        add_value(s, f, form, in_string, &work, out);
    }
    buf_adds(out, p);
    buf_free(&work);
    return SQ_OK;
}

static bool has_place(const char *template, const char *name)
{
    const struct field *f;
    const char *p = template;

    while ((p = strstr(p, "{{")) != NULL) {
        f = read_place(&p, NULL);
        if (!f || strcmp(f->name, name) == 0)
            return f != NULL;
    }
    return false;
}

/* Files must not vanish without a word because the template has no place for them. */
static enum sq_err check_files(const char *template, const struct message *m, struct err_text *e)
{
    static const char reason[] = "the sender's body template has no place for it";

    for (unsigned i = 0; i < m->attachment_count; i++) {
        if (m->attachments[i].storage_path)
            return err_set(e, SQ_ERR_INVALID,
                           "attachments[%u]: a webhook cannot carry a stored file", i);
    }
    if (template && m->attachment_count && !has_place(template, "attachments"))
        return err_set_field(e, SQ_ERR_INVALID, "attachments", "%s", reason);
    if (template && m->list[MSG_MEDIA].count && !has_place(template, "media_urls"))
        return err_set_field(e, SQ_ERR_INVALID, "media_urls", "%s", reason);
    return SQ_OK;
}

enum sq_err webhook_template_fill(const char *template, enum body_form form,
                                  const struct build_ctx *ctx, const struct message *m,
                                  struct buf *out, struct err_text *e)
{
    struct source s;
    enum sq_err err = check_files(template, m, e);

    if (err)
        return err;
    source_init(&s, ctx, m);
    return fill(template, form, &s, out, e);
}

/* --- all fields --- */

static void form_add(struct buf *out, const char *name, const char *value)
{
    if (out->len)
        buf_addc(out, '&');
    buf_adds(out, name);
    buf_addc(out, '=');
    text_add_urlencoded(out, value);
}

/* A list repeats its name, as forms do. */
static void form_field(const struct source *s, const struct field *f, struct buf *out)
{
    struct buf value = {.max = out->max};

    if (f->kind == FIELD_LIST) {
        for (unsigned i = 0; i < s->m->list[f->index].count; i++)
            form_add(out, f->name, s->m->list[f->index].items[i]);
        return;
    }
    field_plain(s, f, &value);
    form_add(out, f->name, buf_str(&value));
    out->failed |= value.failed;
    buf_free(&value);
}

enum sq_err webhook_all_fields(enum body_form form, const struct build_ctx *ctx,
                               const struct message *m, struct buf *out, struct err_text *e)
{
    struct source s;
    enum sq_err err = check_files(NULL, m, e);

    if (err)
        return err;
    source_init(&s, ctx, m);
    if (form == BODY_JSON)
        json_open(out, '{');
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (!field_is_present(&s, &fields[i]))
            continue;
        if (form == BODY_URLENCODED) {
            form_field(&s, &fields[i], out);
        } else {
            json_key(out, fields[i].name);
            field_json(&s, &fields[i], out);
        }
    }
    if (form == BODY_JSON)
        json_close(out, '}');
    return SQ_OK;
}

/* --- check --- */

/* Whether the template, filled from m, is JSON. */
static enum sq_err check_json(const char *template, const struct message *m, struct err_text *e)
{
    static const struct sender nobody = {.id = "check"};
    const struct build_ctx ctx = {.sender = &nobody};
    static const struct json_limits limits = {.max_bytes = 0};
    struct err_text reason = {.text = ""};
    struct buf out = {.max = 1 << 20};
    struct source s;
    cJSON *json = NULL;
    enum sq_err err;

    source_init(&s, &ctx, m);
    err = fill(template, BODY_JSON, &s, &out, e);
    if (!err && json_parse(buf_str(&out), out.len, &limits, &json, &reason))
        err = err_set_field(e, SQ_ERR_INVALID, "body", "not JSON once filled: %.120s", reason.text);
    json_free(json);
    buf_free(&out);
    return err;
}

/* Filled with nothing, and with a value everywhere: the two ways a place can break JSON. */
enum sq_err webhook_template_check(const char *template, enum body_form form, struct err_text *e)
{
    static const char *item[] = {"a\"b", "c"};
    const char *p = template;
    struct message m = {.id = "id"};
    enum sq_err err;

    while ((p = strstr(p, "{{")) != NULL) {
        if (!read_place(&p, e))
            return SQ_ERR_INVALID;
    }
    if (form != BODY_JSON)
        return SQ_OK;
    err = check_json(template, &m, e);
    for (unsigned i = 0; i < MSG_TEXT_COUNT; i++)
        m.text[i] = "a\"b";
    m.text[MSG_METADATA] = m.text[MSG_FORWARD] = "{\"a\":1}";
    for (unsigned i = 0; i < MSG_LIST_COUNT; i++)
        m.list[i] = (struct str_list){.items = item, .count = 2};
    return err ? err : check_json(template, &m, e);
}
