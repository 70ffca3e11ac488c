/* Fuzzes the way of a raw job: parse, pack, unpack, answer. */
#include "job.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

/* An accepted job must survive its storage. */
static void check_stored(const struct message *m)
{
    struct message back = {.id = ""};
    struct buf packed = {.max = 0};

    message_pack(m, &packed);
    check(message_unpack(packed.data, packed.len, &back) == SQ_OK);
    check(strcmp(back.id, m->id) == 0);
    for (unsigned f = 0; f < MSG_TEXT_COUNT; f++) {
        check(!m->text[f] == !back.text[f]);
        check(!m->text[f] || strcmp(m->text[f], back.text[f]) == 0);
    }
    message_clear(&back);
    buf_free(&packed);
}

/* An answer is JSON, whatever stood in the job. */
static void check_answer(const struct job *j, enum sq_err err, const struct err_text *e)
{
    struct answer_in in = {
        .message = err ? NULL : &j->message, .error = e, .code = CODE_VALIDATION_ERROR};
    struct json_limits wide = {.max_bytes = (size_t)1 << 20, .max_depth = 8};
    struct buf out = {.max = 0};
    cJSON *json = NULL;

    job_answer(j->message.text[MSG_FORMAT], &in, &out);
    check(json_parse(out.data, out.len, &wide, &json, NULL) == SQ_OK);
    json_free(json);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err_text e = {.text = ""};
    struct job j;
    enum sq_err err =
        job_parse((const char *)data, size, PRIORITY_NORMAL, INT64_C(1795252211123), NULL, &j, &e);

    if (err)
        check(e.text[0] && e.code[0]);
    else
        check_stored(&j.message);
    check_answer(&j, err, &e);
    job_clear(&j);
    return 0;
}
