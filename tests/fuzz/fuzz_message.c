/* Fuzzes the stored form of a message: Redis is only half trusted. */
#include "message.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct message m = {0}, again = {0};
    struct buf out = {0};

    if (message_unpack((const char *)data, size, &m))
        return 0;
    message_pack(&m, &out);
    if (message_unpack(buf_str(&out), out.len, &again))
        abort();
    message_clear(&again);
    message_clear(&m);
    buf_free(&out);
    return 0;
}
