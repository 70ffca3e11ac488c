/* Fetched files on the way back: the message they are of stands at the head of its queue, so most
 * are asked for within moments. What is not (the message went to another worker, was cancelled, or
 * its sender waits for a day) is dropped, and sooner if others wait for the memory. */
#include "kept.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_MAX 64
#define KEPT_US ((int64_t)600 * 1000000)
#define KEPT_WANTED_US ((int64_t)30 * 1000000)

struct kept {
    struct list node;
    char id[MESSAGE_ID_MAX + 1];
    struct files *files;
    int64_t since_us;
};

static void kept_free(struct kept_files *all, struct kept *k)
{
    list_del(&k->node);
    all->count--;
    if (k->files != NULL)
        all->bytes -= k->files->bytes;
    files_free(k->files);
    free(k);
}

void kept_init(struct kept_files *k)
{
    *k = (struct kept_files){.count = 0};
    list_init(&k->all);
}

void kept_done(struct kept_files *k)
{
    while (!list_is_empty(&k->all))
        kept_free(k, LIST_ENTRY(k->all.next, struct kept, node));
}

void kept_add(struct kept_files *k, const char *id, struct files *files, int64_t now_us)
{
    struct kept *one = mem_zalloc(sizeof(*one));

    snprintf(one->id, sizeof(one->id), "%s", id);
    one->files = files;
    one->since_us = now_us;
    list_add_head(&k->all, &one->node);
    k->count++;
    k->bytes += files->bytes;
}

struct files *kept_take(struct kept_files *k, const char *id)
{
    LIST_EACH(node, &k->all)
    {
        struct kept *one = LIST_ENTRY(node, struct kept, node);
        struct files *files = one->files;

        if (strcmp(one->id, id) != 0)
            continue;
        k->bytes -= files->bytes;
        one->files = NULL;
        kept_free(k, one);
        return files;
    }
    return NULL;
}

void kept_drop_old(struct kept_files *k, bool wanted, int64_t now_us)
{
    int64_t oldest_us = now_us - (wanted ? KEPT_WANTED_US : KEPT_US);

    while (!list_is_empty(&k->all)) {
        struct kept *oldest = LIST_ENTRY(k->all.prev, struct kept, node);

        if (k->count <= KEPT_MAX && oldest->since_us > oldest_us)
            return;
        kept_free(k, oldest);
    }
}
