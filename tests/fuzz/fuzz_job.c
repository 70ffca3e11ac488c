/* Fuzzes the way of a raw job: parse, pack, unpack, answer. */
#include "address.h"
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

/* True if a segment of the path is "..": a name may well end so. */
static bool leads_up(const char *path)
{
    while (*path) {
        size_t n = strcspn(path, "/");

        if (n == 2 && memcmp(path, "..", 2) == 0)
            return true;
        path += n + (path[n] == '/');
    }
    return false;
}

/* An accepted job has whatever sending it depends on. */
static void check_accepted(const struct job *j)
{
    const struct message *m = &j->message;
    struct err_text e;
    bool mail = m->channel == CHANNEL_EMAIL;

    check(m->channel < CHANNEL_COUNT && m->channel != CHANNEL_GMB);
    check(m->text[MSG_FORMAT] && m->units >= 1);
    check(j->is_bulk == (j->selection != NULL));
    check(j->is_bulk || !m->text[MSG_RECIPIENT] == (j->recipient_contact != NULL));
    check(!j->recipient_contact || j->needs_contact);
    check(mail || !m->text[MSG_RECIPIENT] ||
          address_check(m->channel, m->text[MSG_RECIPIENT], &e) == SQ_OK);
    check(!m->text[MSG_SUBJECT] || !strpbrk(m->text[MSG_SUBJECT], "\r\n"));
    for (unsigned i = 0; i < m->attachment_count; i++) {
        const struct attachment *a = &m->attachments[i];

        check(!!a->content_base64 + !!a->url + !!a->storage_path == 1);
        check(!a->storage_path || (a->storage_path[0] != '/' && !leads_up(a->storage_path)));
    }
}

/* An answer is JSON, whatever stood in the job. */
static void check_answer(const char *format, const struct answer_in *in)
{
    struct json_limits wide = {.max_bytes = (size_t)1 << 20, .max_depth = 40};
    struct buf out = {.max = 0};
    cJSON *json = NULL;

    job_answer(format, in, &out);
    check(json_parse(out.data, out.len, &wide, &json, NULL) == SQ_OK);
    json_free(json);
    buf_free(&out);
}

static void check_answers(const struct job *j, enum sq_err err, const struct err_text *e)
{
    const char *format = j->message.text[MSG_FORMAT];
    struct outcome o = {.provider_message_id = "a,b", .cost = "0.5"};
    struct answer_in in = {
        .message = err ? NULL : &j->message, .error = e, .code = CODE_VALIDATION_ERROR};

    check_answer(format, &in);
    if (err)
        return;
    check_answer(format, &(struct answer_in){.message = &j->message, .outcome = &o});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err_text e = {.text = ""};
    struct job j;
    enum sq_err err =
        job_parse((const char *)data, size, PRIORITY_NORMAL, INT64_C(1795252211123), NULL, &j, &e);

    if (err) {
        check(e.text[0] && e.code[0]);
    } else {
        check_accepted(&j);
        check_stored(&j.message);
    }
    check_answers(&j, err, &e);
    job_clear(&j);
    return 0;
}
