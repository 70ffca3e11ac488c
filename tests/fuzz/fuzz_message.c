/* Fuzzes the reading of stored messages: what is accepted packs and unpacks the same. */
#include "message.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct message m = {.id = ""}, back = {.id = ""};
    struct buf packed = {.max = 0}, again = {.max = 0};

    if (message_unpack((const char *)data, size, &m))
        return 0;
    message_pack(&m, &packed);
    check(message_unpack(packed.data, packed.len, &back) == SQ_OK);
    message_pack(&back, &again);
    check(packed.len == again.len && memcmp(packed.data, again.data, packed.len) == 0);
    message_clear(&m);
    message_clear(&back);
    buf_free(&packed);
    buf_free(&again);
    return 0;
}
