/* Messages: their memory, and the form they are stored in.
 *
 * Stored form: one version byte, then fields of <tag> <length as LEB128> <bytes>. Strings are
 * stored with their NUL, so that reading one back is a pointer, not a copy. Numbers are little
 * endian without leading zero bytes; a zero is left out. An attachment is a field whose bytes are
 * fields again. Tags are fixed for ever, apart from the enums: two versions of the daemon may read
 * the same Redis, so a tag is never given a second meaning. */
#include "message.h"

#include <string.h>

#define PACK_VERSION 1

enum tag {
    TAG_ID = 1,
    TAG_CHANNEL = 2,
    TAG_TYPE = 3,
    TAG_PRIORITY = 4,
    TAG_UNCERTAIN = 5,
    TAG_QUEUED_AT = 6,
    TAG_SCHEDULED_AT = 7,
    TAG_EXPIRES_AT = 8,
    TAG_UNITS = 9,
    TAG_ATTACHMENT = 10,
    TAG_CC = 16,
    TAG_BCC = 17,
    TAG_MEDIA = 18,
};

static const struct text_field {
    const char *name;
    unsigned char tag;
} text_fields[MSG_TEXT_COUNT] = {
    [MSG_SENDER] = {"sender", 32},
    [MSG_RECIPIENT] = {"recipient", 33},
    [MSG_SUBJECT] = {"subject", 34},
    [MSG_CONTENT] = {"content", 35},
    [MSG_HTML] = {"html", 36},
    [MSG_FROM] = {"from", 37},
    [MSG_FROM_NAME] = {"from_name", 38},
    [MSG_REPLY_TO] = {"reply_to", 39},
    [MSG_THREAD_ID] = {"thread_id", 40},
    [MSG_REPLY_ID] = {"reply_id", 41},
    [MSG_REPLY_MODE] = {"reply_mode", 42},
    [MSG_CONTACT_ID] = {"contact_id", 43},
    [MSG_DEAL_ID] = {"deal_id", 44},
    [MSG_BULK_ID] = {"bulk_id", 45},
    [MSG_LEAD_ID] = {"lead_id", 46},
    [MSG_TEMPLATE_ID] = {"template_id", 47},
    [MSG_SUBTYPE_ID] = {"subtype_id", 48},
    [MSG_TENANT] = {"tenant", 49},
    [MSG_TIMEZONE] = {"timezone", 50},
    [MSG_METADATA] = {"metadata", 51},
    [MSG_FORWARD] = {"forward", 52},
    [MSG_REPLY_QUEUE] = {"reply_queue", 53},
    [MSG_FORMAT] = {"format", 54},
    [MSG_TO] = {"to", 55},
    [MSG_APPOINTMENT_ID] = {"appointment_id", 56},
    [MSG_REFUSAL] = {"refusal", 57},
    [MSG_QUOTED] = {"quoted", 58},
    [MSG_ORIGIN] = {"origin", 59},
};

static const unsigned char list_tags[MSG_LIST_COUNT] = {
    [MSG_CC] = TAG_CC,
    [MSG_BCC] = TAG_BCC,
    [MSG_MEDIA] = TAG_MEDIA,
};

/* An attachment's strings by their tag inside it. */
static const struct attachment_field {
    unsigned char tag;
    size_t offset;
} attachment_fields[] = {
    {1, offsetof(struct attachment, filename)},   {2, offsetof(struct attachment, mime_type)},
    {3, offsetof(struct attachment, content_id)}, {4, offsetof(struct attachment, content_base64)},
    {5, offsetof(struct attachment, url)},        {6, offsetof(struct attachment, storage_path)},
    {7, offsetof(struct attachment, stored)},
};

#define ATTACHMENT_FIELDS (sizeof attachment_fields / sizeof attachment_fields[0])

const char *msg_text_name(enum msg_text f)
{
    return (unsigned)f < MSG_TEXT_COUNT ? text_fields[f].name : "";
}

/* --- memory --- */

void message_set(struct message *m, enum msg_text f, const char *s)
{
    m->text[f] = arena_strdup(&m->arena, s);
}

/* Arrays grow by doubling whenever count reaches a power of two (from 4 on), so that no capacity
 * has to be kept; what is outgrown stays in the arena until the message goes. */
static void *array_grow(struct arena *a, void *items, unsigned count, size_t size)
{
    void *grown;

    if (count && (count < 4 || (count & (count - 1))))
        return items;
    grown = arena_alloc(a, (count ? (size_t)count * 2 : 4) * size);
    if (count)
        memcpy(grown, items, count * size);
    return grown;
}

static void list_append(struct message *m, enum msg_list l, const char *s)
{
    struct str_list *list = &m->list[l];

    list->items = array_grow(&m->arena, list->items, list->count, sizeof *list->items);
    list->items[list->count++] = s;
}

void message_list_add(struct message *m, enum msg_list l, const char *s)
{
    list_append(m, l, arena_strdup(&m->arena, s));
}

struct attachment *message_attachment_add(struct message *m)
{
    struct attachment *a;

    m->attachments = array_grow(&m->arena, m->attachments, m->attachment_count, sizeof *a);
    a = &m->attachments[m->attachment_count++];
    memset(a, 0, sizeof *a);
    return a;
}

void message_clear(struct message *m)
{
    if (!m)
        return;
    arena_free(&m->arena);
    memset(m, 0, sizeof *m);
}

/* --- pack --- */

static void put_head(struct buf *out, unsigned char tag, size_t len)
{
    unsigned char head[1 + 10];
    unsigned n = 0;

    head[n++] = tag;
    for (; len >= 0x80; len >>= 7)
        head[n++] = (unsigned char)(len | 0x80);
    head[n++] = (unsigned char)len;
    buf_add(out, head, n);
}

static void put_str(struct buf *out, unsigned char tag, const char *s)
{
    size_t len;

    if (!s)
        return;
    len = strlen(s) + 1;
    put_head(out, tag, len);
    buf_add(out, s, len);
}

static void put_num(struct buf *out, unsigned char tag, uint64_t v)
{
    unsigned char bytes[8];
    unsigned n = 0;

    if (!v)
        return;
    for (; v; v >>= 8)
        bytes[n++] = (unsigned char)v;
    put_head(out, tag, n);
    buf_add(out, bytes, n);
}

static const char **attachment_str(struct attachment *a, unsigned i)
{
    return (const char **)(void *)((char *)a + attachment_fields[i].offset);
}

static size_t len_size(size_t len)
{
    size_t n = 1;

    for (; len >= 0x80; len >>= 7)
        n++;
    return n;
}

static void put_attachment(struct buf *out, const struct attachment *attachment)
{
    struct attachment a = *attachment;
    size_t total = 0;

    for (unsigned i = 0; i < ATTACHMENT_FIELDS; i++) {
        const char *s = *attachment_str(&a, i);

        if (s)
            total += 1 + len_size(strlen(s) + 1) + strlen(s) + 1;
    }
    put_head(out, TAG_ATTACHMENT, total);
    for (unsigned i = 0; i < ATTACHMENT_FIELDS; i++)
        put_str(out, attachment_fields[i].tag, *attachment_str(&a, i));
}

void message_pack(const struct message *m, struct buf *out)
{
    buf_addc(out, PACK_VERSION);
    put_str(out, TAG_ID, m->id);
    put_num(out, TAG_CHANNEL, m->channel);
    put_num(out, TAG_TYPE, m->type);
    put_num(out, TAG_PRIORITY, m->priority);
    put_num(out, TAG_UNCERTAIN, m->uncertain);
    put_num(out, TAG_QUEUED_AT, (uint64_t)m->queued_at);
    put_num(out, TAG_SCHEDULED_AT, (uint64_t)m->scheduled_at);
    put_num(out, TAG_EXPIRES_AT, (uint64_t)m->expires_at);
    put_num(out, TAG_UNITS, m->units);
    for (unsigned f = 0; f < MSG_TEXT_COUNT; f++)
        put_str(out, text_fields[f].tag, m->text[f]);
    for (unsigned l = 0; l < MSG_LIST_COUNT; l++)
        for (unsigned i = 0; i < m->list[l].count; i++)
            put_str(out, list_tags[l], m->list[l].items[i]);
    for (unsigned i = 0; i < m->attachment_count; i++)
        put_attachment(out, &m->attachments[i]);
}

/* --- unpack --- */

/* What is left to read. */
struct reader {
    const unsigned char *p, *end;
};

struct packed_field {
    unsigned char tag;
    const unsigned char *bytes;
    size_t len;
};

static bool read_len(struct reader *r, size_t *ret)
{
    uint64_t len = 0;

    for (unsigned shift = 0; shift < 63; shift += 7) {
        unsigned char c;

        if (r->p == r->end)
            return false;
        c = *r->p++;
        len |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80)) {
            *ret = (size_t)len;
            return true;
        }
    }
    return false;
}

static bool read_field(struct reader *r, struct packed_field *ret)
{
    ret->tag = *r->p++;
    if (!read_len(r, &ret->len) || ret->len > (size_t)(r->end - r->p))
        return false;
    ret->bytes = r->p;
    r->p += ret->len;
    return true;
}

/* The string of a field, or NULL if it is not one: it must end with its only NUL. */
static const char *field_str(const struct packed_field *f)
{
    const char *s = (const char *)f->bytes;

    return f->len && memchr(s, 0, f->len) == s + f->len - 1 ? s : NULL;
}

static bool field_num(const struct packed_field *f, uint64_t max, uint64_t *ret)
{
    uint64_t v = 0;

    if (f->len > 8)
        return false;
    for (size_t i = f->len; i-- > 0;)
        v = v << 8 | f->bytes[i];
    if (v > max)
        return false;
    *ret = v;
    return true;
}

static bool take_id(struct message *m, const struct packed_field *f)
{
    if (!field_str(f) || f->len < 2 || f->len > sizeof m->id)
        return false;
    memcpy(m->id, f->bytes, f->len);
    return true;
}

static bool take_time(const struct packed_field *f, int64_t *ret)
{
    uint64_t v;

    if (!field_num(f, INT64_MAX, &v))
        return false;
    *ret = (int64_t)v;
    return true;
}

static bool take_attachment(struct message *m, const struct packed_field *f)
{
    struct reader r = {f->bytes, f->bytes + f->len};
    struct attachment *a;

    if (m->attachment_count >= MESSAGE_LIST_MAX)
        return false;
    a = message_attachment_add(m);
    while (r.p < r.end) {
        struct packed_field sub;

        if (!read_field(&r, &sub))
            return false;
        for (unsigned i = 0; i < ATTACHMENT_FIELDS; i++) {
            if (attachment_fields[i].tag != sub.tag)
                continue;
            *attachment_str(a, i) = field_str(&sub);
            if (!*attachment_str(a, i))
                return false;
        }
    }
    return true;
}

/* Texts and lists; a tag that is neither is a newer version's and passes. */
static bool take_string(struct message *m, const struct packed_field *f)
{
    for (unsigned i = 0; i < MSG_TEXT_COUNT; i++) {
        if (text_fields[i].tag == f->tag) {
            m->text[i] = field_str(f);
            return m->text[i] != NULL;
        }
    }
    for (unsigned l = 0; l < MSG_LIST_COUNT; l++) {
        if (list_tags[l] == f->tag) {
            if (!field_str(f) || m->list[l].count >= MESSAGE_LIST_MAX)
                return false;
            list_append(m, (enum msg_list)l, field_str(f));
        }
    }
    return true;
}

static bool take_enum(struct message *m, const struct packed_field *f)
{
    uint64_t v;

    switch (f->tag) {
    case TAG_CHANNEL:
        if (!field_num(f, CHANNEL_COUNT - 1, &v))
            return false;
        m->channel = (enum channel)v;
        return true;
    case TAG_TYPE:
        if (!field_num(f, TYPE_COUNT - 1, &v))
            return false;
        m->type = (enum message_type)v;
        return true;
    case TAG_PRIORITY:
        if (!field_num(f, PRIORITY_COUNT - 1, &v))
            return false;
        m->priority = (enum priority)v;
        return true;
    default:
        if (!field_num(f, UNCERTAIN_FAIL, &v))
            return false;
        m->uncertain = (enum uncertain)v;
        return true;
    }
}

static bool take_units(struct message *m, const struct packed_field *f)
{
    uint64_t v;

    if (!field_num(f, UINT32_MAX, &v))
        return false;
    m->units = (unsigned)v;
    return true;
}

static bool take_field(struct message *m, const struct packed_field *f)
{
    switch (f->tag) {
    case TAG_ID:
        return take_id(m, f);
    case TAG_CHANNEL:
    case TAG_TYPE:
    case TAG_PRIORITY:
    case TAG_UNCERTAIN:
        return take_enum(m, f);
    case TAG_QUEUED_AT:
        return take_time(f, &m->queued_at);
    case TAG_SCHEDULED_AT:
        return take_time(f, &m->scheduled_at);
    case TAG_EXPIRES_AT:
        return take_time(f, &m->expires_at);
    case TAG_UNITS:
        return take_units(m, f);
    case TAG_ATTACHMENT:
        return take_attachment(m, f);
    default:
        return take_string(m, f);
    }
}

enum sq_err message_unpack(const char *data, size_t len, struct message *ret)
{
    struct reader r = {(const unsigned char *)data, (const unsigned char *)data + len};
    struct message m = {.id = ""};
    struct packed_field f;

    if (!len || *r.p++ != PACK_VERSION)
        return SQ_ERR_INVALID;
    while (r.p < r.end) {
        if (!read_field(&r, &f) || !take_field(&m, &f)) {
            message_clear(&m);
            return SQ_ERR_INVALID;
        }
    }
    if (!m.id[0]) {
        message_clear(&m);
        return SQ_ERR_INVALID;
    }
    *ret = m;
    return SQ_OK;
}
