/* Fuzzes the way of a job: parse, pack, unpack, answer. What is accepted must be whole, and must
 * come back from its stored form as it went in. */
#include "job.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_MS INT64_C(1767225600000)

static const struct job_limits limits = {
    .max_bytes = 1 << 20,
    .max_bulk_bytes = 1 << 20,
    .max_depth = 32,
    .max_subject = 998,
    .max_content = 1 << 20,
    .max_list = 100,
};

/* A broken promise is not a crash of its own, so it is made one. */
static void require(bool ok)
{
    if (!ok)
        abort();
}

static void check_texts(const struct message *m)
{
    for (unsigned i = 0; i < MSG_TEXT_COUNT; i++)
        require(!m->text[i] || text_is_utf8(m->text[i], strlen(m->text[i])));
}

static void check_round_trip(const struct message *m)
{
    struct buf first = {0}, second = {0};
    struct message back = {0};

    message_pack(m, &first);
    require(message_unpack(buf_str(&first), first.len, &back) == SQ_OK);
    message_pack(&back, &second);
    require(first.len == second.len);
    require(memcmp(buf_str(&first), buf_str(&second), first.len) == 0);
    message_clear(&back);
    buf_free(&first);
    buf_free(&second);
}

static void check_answer(const struct message *m, const struct err_text *error)
{
    struct answer_in in = {
        .message = error ? NULL : m,
        .provider = "sandbox",
        .code = error ? CODE_VALIDATION_ERROR : CODE_NONE,
        .error = error,
        .now_ms = NOW_MS,
    };
    struct outcome sent = {.kind = OUTCOME_SENT};
    struct buf out = {0};

    in.outcome = error ? NULL : &sent;
    job_answer(m->text[MSG_FORMAT] ? m->text[MSG_FORMAT] : "", &in, &out);
    require(text_is_utf8(buf_str(&out), out.len));
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct job job = {0};
    struct err_text e = {0};
    enum sq_err err =
        job_parse((const char *)data, size, PRIORITY_NORMAL, NOW_MS, &limits, &job, &e);

    if (err) {
        require(e.text[0] != '\0' && text_is_utf8(e.text, strlen(e.text)));
        check_answer(&job.message, &e);
    } else if (!job.is_bulk) {
        require(job.message.id[0] != '\0' && job.message.text[MSG_RECIPIENT] != NULL);
        check_texts(&job.message);
        check_round_trip(&job.message);
        check_answer(&job.message, NULL);
    }
    job_clear(&job);
    return 0;
}
