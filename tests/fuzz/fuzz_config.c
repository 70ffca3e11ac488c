/* Fuzzes the configuration: any text is refused with words, or loads and can be printed. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

static void on_report(bool fatal, const char *line, void *arg)
{
    (void)fatal;
    (void)arg;
    if (!*line)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *env[] = {"SENDQ_LOG__LEVEL=debug", "SENDQ_SENDERS__A__TIMEOUT=1s", "KEY=value",
                         NULL};
    struct config *c;

    c = config_load_text("fuzz", (const char *)data, size, env, on_report, NULL);
    if (c) {
        struct buf out = {0};

        config_print(c, &out);
        if (out.failed)
            abort();
        buf_free(&out);
    }
    config_free(c);
    return 0;
}
