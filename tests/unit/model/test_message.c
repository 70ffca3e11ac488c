/* Packing and unpacking messages: what went in comes out, and garbage never does harm. */
#include "model_test.h"

#include "message.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A message with every field set to something of its own. */
static void fill(struct message *m)
{
    struct attachment *a;

    snprintf(m->id, sizeof m->id, "order.42:confirm_1-x");
    m->channel = CHANNEL_CUSTOM;
    m->type = TYPE_NOTIFICATION;
    m->priority = PRIORITY_LOW;
    m->uncertain = UNCERTAIN_FAIL;
    m->queued_at = INT64_C(1795252211123);
    m->scheduled_at = 1;
    m->expires_at = INT64_MAX;
    m->units = 300;
    for (unsigned f = 0; f < MSG_TEXT_COUNT; f++)
        message_set(m, f, msg_text_name(f));
    for (unsigned l = 0; l < MSG_LIST_COUNT; l++) {
        for (unsigned i = 0; i < 3 + 5 * l; i++) {
            char item[32];

            snprintf(item, sizeof item, "list %u item %u", l, i);
            message_list_add(m, l, item);
        }
    }
    a = message_attachment_add(m);
    a->filename = arena_strdup(&m->arena, "a.pdf");
    a->mime_type = arena_strdup(&m->arena, "application/pdf");
    a->content_base64 = arena_strdup(&m->arena, "aGVsbG8=");
    a = message_attachment_add(m);
    a->filename = arena_strdup(&m->arena, "");
    a->content_id = arena_strdup(&m->arena, "logo");
    a->url = arena_strdup(&m->arena, "https://example.com/x");
    a = message_attachment_add(m);
    a->storage_path = arena_strdup(&m->arena, "x/y.png");
}

static void assert_same_str(const char *a, const char *b)
{
    assert_int_equal(a != NULL, b != NULL);
    if (a)
        assert_string_equal(a, b);
}

static void assert_same(const struct message *a, const struct message *b)
{
    assert_string_equal(a->id, b->id);
    assert_int_equal(a->channel, b->channel);
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->priority, b->priority);
    assert_int_equal(a->uncertain, b->uncertain);
    assert_true(a->queued_at == b->queued_at);
    assert_true(a->scheduled_at == b->scheduled_at);
    assert_true(a->expires_at == b->expires_at);
    assert_int_equal(a->units, b->units);
    for (unsigned f = 0; f < MSG_TEXT_COUNT; f++)
        assert_same_str(a->text[f], b->text[f]);
    for (unsigned l = 0; l < MSG_LIST_COUNT; l++) {
        assert_int_equal(a->list[l].count, b->list[l].count);
        for (unsigned i = 0; i < a->list[l].count; i++)
            assert_string_equal(a->list[l].items[i], b->list[l].items[i]);
    }
    assert_int_equal(a->attachment_count, b->attachment_count);
    for (unsigned i = 0; i < a->attachment_count; i++) {
        assert_same_str(a->attachments[i].filename, b->attachments[i].filename);
        assert_same_str(a->attachments[i].mime_type, b->attachments[i].mime_type);
        assert_same_str(a->attachments[i].content_id, b->attachments[i].content_id);
        assert_same_str(a->attachments[i].content_base64, b->attachments[i].content_base64);
        assert_same_str(a->attachments[i].url, b->attachments[i].url);
        assert_same_str(a->attachments[i].storage_path, b->attachments[i].storage_path);
    }
}

static void test_round_trip_full(void **state)
{
    struct message m = {.id = ""}, back = {.id = ""};
    struct buf packed = {.max = 0};

    (void)state;
    fill(&m);
    m.attempts = 7; /* lives in the hash, not in the packed form */
    m.started = true;
    message_pack(&m, &packed);
    assert_int_equal(message_unpack(packed.data, packed.len, &back), SQ_OK);
    assert_same(&m, &back);
    assert_int_equal(back.attempts, 0);
    assert_false(back.started);
    /* Strings are not copied. */
    assert_true(back.text[MSG_CONTENT] > packed.data &&
                back.text[MSG_CONTENT] < packed.data + packed.len);
    message_clear(&m);
    message_clear(&back);
    buf_free(&packed);
}

static void test_round_trip_smallest(void **state)
{
    struct message m = {.id = "x"}, back = {.id = ""};
    struct buf packed = {.max = 0};

    (void)state;
    message_pack(&m, &packed);
    assert_int_equal(packed.len, 5);
    assert_int_equal(message_unpack(packed.data, packed.len, &back), SQ_OK);
    assert_same(&m, &back);
    message_clear(&back);
    buf_free(&packed);
}

/* Lengths around the places where the length needs another byte. */
static void test_round_trip_lengths(void **state)
{
    static const size_t lengths[] = {0, 1, 126, 127, 128, 16382, 16383, 16384, 2097151, 2097152};

    (void)state;
    for (unsigned i = 0; i < COUNT(lengths); i++) {
        struct message m = {.id = "x"}, back = {.id = ""};
        struct buf packed = {.max = 0};
        char *s = calloc(1, lengths[i] + 1);

        memset(s, 'a', lengths[i]);
        message_set(&m, MSG_CONTENT, s);
        message_attachment_add(&m)->content_base64 = m.text[MSG_CONTENT];
        message_pack(&m, &packed);
        assert_int_equal(message_unpack(packed.data, packed.len, &back), SQ_OK);
        assert_same(&m, &back);
        message_clear(&m);
        message_clear(&back);
        buf_free(&packed);
        free(s);
    }
}

static void test_longest_id(void **state)
{
    struct message m = {.id = ""}, back = {.id = ""};
    struct buf packed = {.max = 0};

    (void)state;
    memset(m.id, 'i', MESSAGE_ID_MAX);
    message_pack(&m, &packed);
    assert_int_equal(message_unpack(packed.data, packed.len, &back), SQ_OK);
    assert_string_equal(back.id, m.id);
    buf_free(&packed);
}

#define RAW(s) (s), sizeof(s) - 1

static const struct {
    const char *what;
    const char *data;
    size_t len;
    enum sq_err err;
} raw_cases[] = {
    {"empty", RAW(""), SQ_ERR_INVALID},
    {"version alone", RAW("\1"), SQ_ERR_INVALID},
    {"other version", RAW("\2\1\2x\0"), SQ_ERR_INVALID},
    {"an id", RAW("\1\1\2x\0"), SQ_OK},
    {"tag without length", RAW("\1\1\2x\0\2"), SQ_ERR_INVALID},
    {"length without bytes", RAW("\1\1\2x\0\2\1"), SQ_ERR_INVALID},
    {"id without NUL", RAW("\1\1\1x"), SQ_ERR_INVALID},
    {"id with a NUL inside", RAW("\1\1\3x\0\0"), SQ_ERR_INVALID},
    {"empty id", RAW("\1\1\1\0"), SQ_ERR_INVALID},
    {"unknown tag", RAW("\1\1\2x\0\310\3abc"), SQ_OK},
    {"unknown empty tag", RAW("\1\310\0\1\2x\0"), SQ_OK},
    {"endless length", RAW("\1\1\2x\0\310\200\200\200\200\200\200\200\200\200\200\200"),
     SQ_ERR_INVALID},
    {"huge length", RAW("\1\1\2x\0\310\377\377\377\377\377\377\377\377\177"), SQ_ERR_INVALID},
    {"channel", RAW("\1\1\2x\0\2\1\3"), SQ_OK},
    {"channel over the end", RAW("\1\1\2x\0\2\1\15"), SQ_ERR_INVALID},
    {"type over the end", RAW("\1\1\2x\0\3\1\3"), SQ_ERR_INVALID},
    {"priority over the end", RAW("\1\1\2x\0\4\1\3"), SQ_ERR_INVALID},
    {"uncertain over the end", RAW("\1\1\2x\0\5\1\3"), SQ_ERR_INVALID},
    {"number of nine bytes", RAW("\1\1\2x\0\6\11\1\0\0\0\0\0\0\0\0"), SQ_ERR_INVALID},
    {"negative time", RAW("\1\1\2x\0\6\10\0\0\0\0\0\0\0\200"), SQ_ERR_INVALID},
    {"units over 32 bits", RAW("\1\1\2x\0\11\5\0\0\0\0\1"), SQ_ERR_INVALID},
    {"text without NUL", RAW("\1\1\2x\0\41\1a"), SQ_ERR_INVALID},
    {"text of no bytes", RAW("\1\1\2x\0\41\0"), SQ_ERR_INVALID},
    {"list item without NUL", RAW("\1\1\2x\0\20\1a"), SQ_ERR_INVALID},
    {"empty attachment", RAW("\1\1\2x\0\12\0"), SQ_OK},
    {"attachment cut short", RAW("\1\1\2x\0\12\3\1\5a"), SQ_ERR_INVALID},
    {"attachment of a newer field", RAW("\1\1\2x\0\12\3\110\1a"), SQ_OK},
    {"attachment name without NUL", RAW("\1\1\2x\0\12\3\1\1a"), SQ_ERR_INVALID},
};

static void test_unpack_raw(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(raw_cases); i++) {
        struct message m = {.id = "before"};
        /* On the heap without a byte to spare: reading past the end is found. */
        char *data = malloc(raw_cases[i].len ? raw_cases[i].len : 1);

        memcpy(data, raw_cases[i].data, raw_cases[i].len);
        if (message_unpack(data, raw_cases[i].len, &m) != raw_cases[i].err)
            fail_msg("%s", raw_cases[i].what);
        assert_string_equal(m.id, raw_cases[i].err ? "before" : "x");
        message_clear(&m);
        free(data);
    }
}

/* Every prefix and every flipped byte of a full message: an answer, never a crash. */
static void test_unpack_damaged(void **state)
{
    struct message m = {.id = ""};
    struct buf packed = {.max = 0};

    (void)state;
    fill(&m);
    message_pack(&m, &packed);
    for (size_t len = 0; len < packed.len; len++) {
        struct message back = {.id = ""};
        char *data = malloc(len ? len : 1);

        memcpy(data, packed.data, len);
        if (message_unpack(data, len, &back) == SQ_OK)
            message_clear(&back);
        free(data);
    }
    for (size_t at = 0; at < packed.len; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            struct message back = {.id = ""};

            packed.data[at] = (char)(packed.data[at] ^ (1 << bit));
            if (message_unpack(packed.data, packed.len, &back) == SQ_OK)
                message_clear(&back);
            packed.data[at] = (char)(packed.data[at] ^ (1 << bit));
        }
    }
    message_clear(&m);
    buf_free(&packed);
}

static void test_list_cap(void **state)
{
    struct message m = {.id = "x"}, back = {.id = ""};
    struct buf packed = {.max = 0};

    (void)state;
    for (unsigned i = 0; i < MESSAGE_LIST_MAX; i++)
        message_list_add(&m, MSG_CC, "a@b");
    message_pack(&m, &packed);
    assert_int_equal(message_unpack(packed.data, packed.len, &back), SQ_OK);
    assert_int_equal(back.list[MSG_CC].count, MESSAGE_LIST_MAX);
    message_clear(&back);
    message_list_add(&m, MSG_CC, "a@b");
    buf_clear(&packed);
    message_pack(&m, &packed);
    assert_int_equal(message_unpack(packed.data, packed.len, &back), SQ_ERR_INVALID);
    message_clear(&m);
    buf_free(&packed);
}

static void test_set_clears_and_copies(void **state)
{
    struct message m = {.id = "x"};
    char text[] = "hello";

    (void)state;
    message_set(&m, MSG_SUBJECT, text);
    text[0] = 'j';
    assert_string_equal(m.text[MSG_SUBJECT], "hello");
    message_set(&m, MSG_SUBJECT, NULL);
    assert_null(m.text[MSG_SUBJECT]);
    message_clear(&m);
    assert_string_equal(m.id, "");
    message_clear(NULL);
}

static void test_names_are_unique(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MSG_TEXT_COUNT; i++) {
        assert_non_null(msg_text_name(i));
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(msg_text_name(i), msg_text_name(j));
    }
    assert_string_equal(msg_text_name(MSG_CONTACT_ID), "contact_id");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip_full),    cmocka_unit_test(test_round_trip_smallest),
        cmocka_unit_test(test_round_trip_lengths), cmocka_unit_test(test_longest_id),
        cmocka_unit_test(test_unpack_raw),         cmocka_unit_test(test_unpack_damaged),
        cmocka_unit_test(test_list_cap),           cmocka_unit_test(test_set_clears_and_copies),
        cmocka_unit_test(test_names_are_unique),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
