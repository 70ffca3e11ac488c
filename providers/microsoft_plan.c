/* The way of a mail through Graph follows from the message alone, so that every step finds its
 * place by its number. */
#include "microsoft_plan.h"

#include "crypto.h"
#include "text.h"
#include <stdio.h>
#include <string.h>

#define MAIL_MAX 2600000             /* in one request: 4 MB when it is MIME in base64 */
#define ATTACH_MAX ((size_t)3 << 20) /* bytes; above, an upload session */

/* --- what it is --- */

static bool is_rfc_id(const char *s)
{
    return s && strchr(s, '@') != NULL;
}

/* A Message-ID alone is a header; a mode asks for Graph's own reply. */
static enum graph_draft draft_of(const struct message *m)
{
    const char *reply = m->text[MSG_REPLY_ID], *mode = m->text[MSG_REPLY_MODE];
    bool answers = !text_is_empty(m->text[MSG_THREAD_ID]);

    if (!text_is_empty(reply))
        answers = !is_rfc_id(reply) || !text_is_empty(mode);
    if (!answers)
        return GRAPH_NEW;
    return text_eq(mode, "reply_all") ? GRAPH_REPLY_ALL : GRAPH_REPLY;
}

void graph_target(const struct message *m, struct graph_target *ret)
{
    struct graph_target t = {.draft = GRAPH_FORWARD};
    char id[GRAPH_ID_SIZE] = "";

    if (!mail_forward_id(m, id, sizeof(id))) {
        t.draft = draft_of(m);
        if (t.draft != GRAPH_NEW && !text_is_empty(m->text[MSG_REPLY_ID]))
            snprintf(id, sizeof(id), "%s", m->text[MSG_REPLY_ID]);
    }
    if (is_rfc_id(id))
        memcpy(t.find, id, sizeof(id));
    else
        memcpy(t.parent, id, sizeof(id));
    if (t.draft != GRAPH_NEW && !*id) {
        snprintf(t.find, sizeof(t.find), "%s", m->text[MSG_THREAD_ID]);
        t.by_conversation = true;
    }
    *ret = t;
}

static size_t attachment_bytes(const struct attachment *a)
{
    size_t bytes = 0;

    if (a->content_base64)
        base64_check(a->content_base64, strlen(a->content_base64), &bytes);
    return bytes;
}

static size_t weight(const struct message *m)
{
    size_t n = 0;

    for (unsigned i = 0; i < m->attachment_count; i++)
        n += m->attachments[i].content_base64 ? strlen(m->attachments[i].content_base64) : 0;
    for (int f = MSG_CONTENT; f <= MSG_HTML; f++)
        n += m->text[f] ? strlen(m->text[f]) : 0;
    return n;
}

static bool is_short(const struct sender *s, const struct message *m)
{
    struct graph_target t;

    graph_target(m, &t);
    return t.draft == GRAPH_NEW && weight(m) <= MAIL_MAX &&
           !text_eq(sender_value(s, "drafts"), "true");
}

bool graph_attaches_later(const struct message *m)
{
    struct graph_target t;

    graph_target(m, &t);
    return m->attachment_count > 0 && (t.draft != GRAPH_NEW || weight(m) > MAIL_MAX);
}

/* --- where a step is --- */

/* Takes n off *left if the step is not among these; true if it is. */
static bool is_here(unsigned *left, size_t n)
{
    if (*left < n)
        return true;
    *left -= (unsigned)n;
    return false;
}

static bool in_attachment(const struct message *m, unsigned i, unsigned *left,
                          struct graph_place *p)
{
    p->attachment = i;
    p->size = attachment_bytes(&m->attachments[i]);
    p->phase = p->size < ATTACH_MAX ? GRAPH_ATTACH : GRAPH_SESSION;
    if (is_here(left, 1))
        return true;
    if (p->phase == GRAPH_ATTACH)
        return false;
    p->phase = GRAPH_CHUNK_PUT;
    p->offset = *left * GRAPH_CHUNK;
    return is_here(left, (p->size + GRAPH_CHUNK - 1) / GRAPH_CHUNK);
}

struct graph_place graph_place(const struct sender *s, const struct message *m, unsigned step)
{
    struct graph_place p = {.phase = GRAPH_SEND_MAIL};
    struct graph_target t;
    unsigned later;

    if (!m || is_short(s, m))
        return p;
    graph_target(m, &t);
    later = graph_attaches_later(m) ? m->attachment_count : 0;
    p.phase = GRAPH_FIND;
    if (*t.find && is_here(&step, 1))
        return p;
    p.phase = GRAPH_DRAFT;
    if (is_here(&step, 1))
        return p;
    for (unsigned i = 0; i < later; i++) {
        p = (struct graph_place){.attachment = 0};
        if (in_attachment(m, i, &step, &p))
            return p;
    }
    return (struct graph_place){.phase = GRAPH_SEND};
}

/* --- what steps carry --- */

enum { VALUE_IDS, VALUE_URL, VALUE_END = 4 };

void graph_keep_ids(struct progress *p, const char *id, const char *conversation)
{
    char ids[PROGRESS_SIZE];

    snprintf(ids, sizeof(ids), "%s\n%s", id, conversation);
    progress_set(p, VALUE_IDS, ids);
}

void graph_read_ids(const struct progress *p, char *ret_id, char *ret_conversation, size_t size)
{
    const char *ids = progress_get(p, VALUE_IDS);
    size_t len = strcspn(ids, "\n");

    snprintf(ret_id, size, "%.*s", (int)len, ids);
    snprintf(ret_conversation, size, "%s", ids + len + (ids[len] == '\n'));
}

void graph_keep_url(struct progress *p, const char *url)
{
    for (unsigned i = VALUE_URL; i < VALUE_END; i++) {
        char part[PROGRESS_SIZE];

        snprintf(part, sizeof(part), "%s", url);
        progress_set(p, i, part);
        url += strlen(part);
    }
}

void graph_add_url(const struct progress *p, struct buf *out)
{
    for (unsigned i = VALUE_URL; i < VALUE_END; i++)
        buf_adds(out, progress_get(p, i));
}
