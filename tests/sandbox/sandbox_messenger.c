/* Facebook Messenger: POST /messenger/v<N>/{page-id|me}/messages with a page's token. */
#include "dialect.h"
#include "graph.h"

#include "text.h"

#include <string.h>

#define TEXT_MAX 2000 /* characters */

static bool text_fits(const char *text)
{
    return text_chars(text) <= TEXT_MAX;
}

static void messenger_answer(struct exchange *x)
{
    static const char *const types[] = {"image", "audio", "video", "file", NULL};
    struct shape_path path;

    if (!graph_begin(x, &path))
        return;
    if (strcmp(path.part[2], "messages") == 0)
        graph_send(x, types, text_fits);
    else
        graph_error(x, 404, 2500, 0, "Unknown path components");
}

const struct dialect dialect_messenger = {
    .name = "messenger",
    .prefix = "/messenger",
    .read = graph_read,
    .answer = messenger_answer,
};
