/* Instagram messages: POST /instagram/v<N>/{id|me}/messages; texts are counted in bytes. */
#include "dialect.h"
#include "graph.h"

#include <string.h>

#define TEXT_MAX 1000 /* bytes */

static bool text_fits(const char *text)
{
    return strlen(text) <= TEXT_MAX;
}

static void instagram_answer(struct exchange *x)
{
    static const char *const types[] = {"image", "audio", "video", NULL};
    struct shape_path path;

    if (!graph_begin(x, &path))
        return;
    if (strcmp(path.part[2], "messages") == 0)
        graph_send(x, types, text_fits);
    else
        graph_error(x, 404, 2500, 0, "Unknown path components");
}

const struct dialect dialect_instagram = {
    .name = "instagram",
    .prefix = "/instagram",
    .read = graph_read,
    .answer = instagram_answer,
};
