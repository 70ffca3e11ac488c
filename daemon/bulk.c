/* Bulks in use. A recipient's message borrows from its bulk whatever is the same for all. */
#include "bulk.h"

#include "crc32.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const enum msg_text texts[] = {MSG_SUBJECT, MSG_CONTENT, MSG_HTML};

enum sq_err bulk_compile(const struct message *m, struct arena *a, struct letter *ret,
                         struct err_text *e)
{
    return letter_compile(m->text[MSG_SUBJECT], m->text[MSG_CONTENT], m->text[MSG_HTML], a, ret, e);
}

/* A text without places needs no filling: it stays in the message, as the template reads it. */
static void settle_texts(struct bulk *b)
{
    const struct template **parts[] = {&b->letter.subject, &b->letter.content, &b->letter.html};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const struct template *t = *parts[i];

        b->message.text[texts[i]] = t != NULL ? template_text(t) : NULL;
        if (b->message.text[texts[i]] != NULL)
            *parts[i] = NULL;
    }
}

static bool read_content(struct bulk *b, const struct store_bulk *stored)
{
    if (stored->content == NULL)
        return false;
    buf_add(&b->packed, stored->content, stored->content_len);
    if (b->packed.failed ||
        message_unpack(buf_str(&b->packed), b->packed.len, &b->message) != SQ_OK ||
        bulk_compile(&b->message, &b->arena, &b->letter, NULL) != SQ_OK)
        return false;
    settle_texts(b);
    b->message.text[MSG_RECIPIENT] = b->message.text[MSG_TO] = NULL;
    b->message.text[MSG_BULK_ID] = b->id;
    return true;
}

struct bulk *bulk_new(const char *id, const struct store_bulk *stored)
{
    struct bulk *b = mem_zalloc(sizeof(*b));

    b->refs = 1;
    b->packed.max = (size_t)1 << 30;
    b->shards = stored->shards > 0 ? stored->shards : 1;
    snprintf(b->id, sizeof(b->id), "%s", id);
    if (uuid_is_valid(id))
        snprintf(b->space, sizeof(b->space), "%s", id);
    else
        uuid_v5("", id, b->space);
    b->is_readable = read_content(b, stored);
    return b;
}

struct bulk *bulk_ref(struct bulk *b)
{
    b->refs++;
    return b;
}

void bulk_unref(struct bulk *b)
{
    if (b == NULL || --b->refs > 0)
        return;
    message_clear(&b->message);
    arena_free(&b->arena);
    buf_free(&b->packed);
    free(b);
}

void bulk_begin(struct bulk *b, const char *lead, struct attempt *t)
{
    struct message *m = &t->message;

    *m = b->message;
    m->arena = (struct arena){0};
    m->text[MSG_LEAD_ID] = arena_strdup(&m->arena, lead);
    uuid_v5(b->space, lead, m->id);
    t->unreadable = !b->is_readable;
    t->bulk = bulk_ref(b);
    t->sender = config_sender(t->live->config, m->text[MSG_SENDER]);
}

unsigned bulk_shard(const struct bulk *b, const char *lead)
{
    return crc32_of(lead, strlen(lead)) % b->shards;
}
