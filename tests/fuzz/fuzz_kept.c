/* Fuzzes jobs whose text Redis keeps: read in place they mean what they mean when copied, and the
 * contents that they refer to are found in the text again, wherever a piece of it ends. */
#include "fuzz.h"
#include "job.h"
#include "stored.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
enum sq_err __wrap_store_text(struct store *s, const char *id, size_t offset, store_text_cb cb,
                              void *arg);

#define LONG_MARK 1 /* in the input: a string's worth of base64 that is not copied */
#define LONG_MAX 4
#define NOW_MS INT64_C(1795252211123)

/* Plays Redis: one answer waits at a time. */
static struct {
    const struct buf *text;
    size_t piece, offset;
    store_text_cb cb;
    void *arg;
} redis;

enum sq_err __wrap_store_text(struct store *s, const char *id, size_t offset, store_text_cb cb,
                              void *arg)
{
    (void)s;
    (void)id;
    redis.offset = offset;
    redis.cb = cb;
    redis.arg = arg;
    return SQ_OK;
}

static void answer(void)
{
    size_t left = redis.offset < redis.text->len ? redis.text->len - redis.offset : 0;
    size_t len = left < redis.piece ? left : redis.piece;
    char *piece = malloc(len + 1); /* its own block: no byte behind it may be read */
    store_text_cb cb = redis.cb;

    check(piece != NULL);
    if (len)
        memcpy(piece, redis.text->data + redis.offset, len);
    redis.cb = NULL;
    cb(STORE_OK, piece, len, redis.arg);
    free(piece);
}

static void on_read(enum store_status st, bool whole, void *arg)
{
    check(st == STORE_OK && whole);
    *(bool *)arg = true;
}

static void check_content(const char *ref, const char *content)
{
    struct buf into = {.max = 0};
    bool done = false;

    check(stored_size(ref) == strlen(content));
    check(stored_read(NULL, "m1", ref, &into, on_read, &done) == SQ_OK);
    while (redis.cb)
        answer();
    check(done && strcmp(buf_str(&into), content) == 0);
    buf_free(&into);
}

static void check_attachment(const struct attachment *kept, const struct attachment *copied)
{
    if (kept->stored) {
        check(!kept->content_base64 && copied->content_base64);
        check_content(kept->stored, copied->content_base64);
    } else {
        check(!kept->content_base64 == !copied->content_base64);
        check(!kept->content_base64 || !strcmp(kept->content_base64, copied->content_base64));
    }
}

static void check_same(const struct job *kept, const struct job *copied)
{
    const struct message *a = &kept->message, *b = &copied->message;

    for (unsigned f = 0; f < MSG_TEXT_COUNT; f++) {
        check(!a->text[f] == !b->text[f]);
        check(!a->text[f] || strcmp(a->text[f], b->text[f]) == 0);
    }
    check(strcmp(kept->body_hash, copied->body_hash) == 0);
    check(a->attachment_count == b->attachment_count);
    for (unsigned i = 0; i < a->attachment_count; i++)
        check_attachment(&a->attachments[i], &b->attachments[i]);
}

static void expand(const uint8_t *data, size_t size, struct buf *out)
{
    static const char unit[] = "QUJDREVG\\/\\u0041QQ";
    unsigned marks = 0;

    for (size_t i = 0; i < size; i++) {
        if (data[i] != LONG_MARK) {
            buf_addc(out, (char)data[i]);
        } else if (marks++ < LONG_MAX) {
            for (size_t n = 0; n < JSON_LONG; n += 12)
                buf_adds(out, unit);
        }
    }
}

/* Input: the size of a piece (1 byte), the job. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf text = {.max = 0}, spoilt = {.max = 0};
    struct err_text e = {.text = ""}, e_copied = {.text = ""};
    struct job kept, copied;
    enum sq_err err, err_copied;

    if (size < 2)
        return 0;
    expand(data + 1, size - 1, &text);
    buf_add(&spoilt, text.data, text.len);
    redis.text = &text;
    redis.piece = 7 + (size_t)data[0] * 997; /* an escape is 6 bytes */
    err = job_parse_kept(spoilt.data, spoilt.len, PRIORITY_NORMAL, NOW_MS, NULL, &kept, &e);
    err_copied = job_parse(text.data, text.len, PRIORITY_NORMAL, NOW_MS, NULL, &copied, &e_copied);
    check(err == err_copied && strcmp(e.text, e_copied.text) == 0);
    if (!err)
        check_same(&kept, &copied);
    job_clear(&kept);
    job_clear(&copied);
    buf_free(&text);
    buf_free(&spoilt);
    return 0;
}
