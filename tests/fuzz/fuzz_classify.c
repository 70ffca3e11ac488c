/* Fuzzes what every provider makes of an answer: any status, any head, any body. */
#include "registry.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reached by a broken promise of an outcome: not a crash of its own, so make it one. */
static void require(bool ok)
{
    if (!ok)
        abort();
}

static void check_outcome(const struct outcome *o)
{
    require((unsigned)o->kind <= OUTCOME_UNKNOWN && (unsigned)o->code < CODE_COUNT);
    require((o->kind == OUTCOME_SENT || o->kind == OUTCOME_NEXT) == (o->code == CODE_NONE));
    require(memchr(o->text, 0, sizeof(o->text)) && !text_has_control(o->text));
    require(text_is_utf8(o->text, strlen(o->text)));
    require(memchr(o->provider_message_id, 0, sizeof(o->provider_message_id)) != NULL);
    require(!text_has_control(o->provider_message_id));
    require(memchr(o->cost, 0, sizeof(o->cost)) != NULL);
    require(o->retry_after_ms >= 0);
    require(o->kind != OUTCOME_NEXT || o->next.step > 0);
}

static void classify(const struct provider *p, unsigned options, const struct response *r)
{
    struct sender sender = {.id = "fuzz", .provider = p, .endpoint = "http://x"};
    struct progress progress = {.step = (options & 1) + (options >> 4 & 3)};
    const char *media[] = {"https://x/a.png", "https://x/b.pdf"};
    struct attachment file = {.filename = "c.png", .content_base64 = "AAAA"};
    struct message m = {.id = "m.1",
                        .channel = options & 64 ? CHANNEL_SMS : CHANNEL_SLACK,
                        .text[MSG_RECIPIENT] = options & 128 ? "U0123" : "C0123",
                        .text[MSG_CONTENT] = "text",
                        .list[MSG_MEDIA] = {.items = media, .count = options & 64 ? 0 : 2},
                        .attachments = &file,
                        .attachment_count = options & 64 ? 0 : 1};
    struct build_ctx ctx = {.sender = &sender,
                            .progress = &progress,
                            .message_id = "m.1",
                            .message = options & 8 ? &m : NULL};
    struct outcome o;

    if (options & 2) {
        sender.values[sender.value_count++] = (struct sender_value){.name = "steps", .value = "2"};
        sender.values[sender.value_count++] =
            (struct sender_value){.name = "id_pointer", .value = "/a/0/b~1"};
        sender.values[sender.value_count++] =
            (struct sender_value){.name = "success", .value = "200,300-310"};
        sender.values[sender.value_count++] =
            (struct sender_value){.name = "auth_token", .value = "token"};
    }
    memset(&o, 0, sizeof(o));
    p->classify(&ctx, r, &o);
    check_outcome(&o);
}

/* Input: status (2 bytes), options, head up to the first NUL, body. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct response r = {.transport = TRANSPORT_OK, .now_ms = INT64_C(1614265330123)};
    char *text;
    size_t head_len;

    if (size < 3)
        return 0;
    text = malloc(size - 3 + 2);
    if (!text)
        return 0;
    memcpy(text, data + 3, size - 3);
    memset(text + size - 3, 0, 2);
    head_len = strlen(text);
    r.status = (data[0] << 8 | data[1]) % 700;
    r.transport = data[2] & 4 ? TRANSPORT_TOO_BIG : TRANSPORT_OK;
    r.head = text;
    r.body = text + head_len + 1;
    r.body_len = size - 3 > head_len ? size - 3 - head_len - 1 : 0;
    for (unsigned i = 0; provider_at(i); i++)
        classify(provider_at(i), data[2], &r);
    free(text);
    return 0;
}
