/* sendqctl leads count: how many leads there are, or how many a filter means. Pages of ids, then
 * their leads: only the ids of those that meet it are kept. */
#include "ctl_leads.h"

#include "map.h"
#include "selection.h"
#include "text.h"
#include <stdio.h>
#include <string.h>

#define PAGE "500"
#define FILTER_FILE_MAX ((size_t)1 << 20)

/* The text of --filter: itself, or with '@' in front the file that it names. */
static bool read_text(const char *option, struct buf *out)
{
    FILE *f;
    char block[4096];
    size_t n;

    if (option[0] != '@') {
        buf_adds(out, option);
        return true;
    }
    f = fopen(option + 1, "rb");
    if (f == NULL)
        return false;
    while ((n = fread(block, 1, sizeof(block), f)) > 0)
        buf_add(out, block, n);
    n = ferror(f) == 0;
    fclose(f);
    return n && !out->failed;
}

/* Before it is wrapped: a fault is at the byte that the operator counts. */
static bool is_json(struct ctl *c, const struct buf *text, struct err_text *e)
{
    const struct json_limits caps = {.max_bytes = FILTER_FILE_MAX,
                                     .max_depth = c->config->job.max_depth};
    cJSON *root = NULL;
    bool good = json_parse(buf_str(text), text->len, &caps, &root, e) == SQ_OK;

    json_free(root);
    return good;
}

/* Reads --filter as `filters` of a bulk would be. */
static bool read_filter(struct ctl *c, const char *option, struct arena *a, struct selection *ret)
{
    struct buf text = {.max = FILTER_FILE_MAX}, settings = {.max = 2 * FILTER_FILE_MAX};
    struct err_text e = {.text = "it cannot be read"};
    bool good = read_text(option, &text) && is_json(c, &text, &e);

    json_open(&settings, '{');
    json_key(&settings, "filters");
    json_val_raw(&settings, buf_str(&text), text.len);
    json_close(&settings, '}');
    good = good &&
           selection_parse(buf_str(&settings), settings.len, &c->config->job, a, ret, &e) == SQ_OK;
    if (!good)
        ctl_error("--filter: %s", e.text);
    buf_free(&text);
    buf_free(&settings);
    return good;
}

enum sq_err ctl_lead_read(struct ctl *c, const char *id, struct lead *l, struct err_text *e)
{
    const struct redisReply *hash = ctl_call(c, "HGETALL", ctl_key(c, KEY_LEAD, id));
    size_t n = reply_count(hash);
    enum sq_err err = n > 0 ? SQ_OK : err_set(e, SQ_ERR_NOT_FOUND, "not found");

    lead_begin(l, id);
    for (size_t i = 0; i + 1 < n && err == SQ_OK; i += 2) {
        const char *name = reply_str(reply_at(hash, i), NULL);
        const char *value = reply_str(reply_at(hash, i + 1), NULL);

        err = lead_add(l, name ? name : "", value ? value : "", e);
    }
    return err;
}

/* A lead that cannot be used meets nothing, as in a bulk. */
static bool is_met(struct ctl *c, const struct selection *s, const char *id, struct lead *lead)
{
    struct filter_lead view;

    if (ctl_lead_read(c, id, lead, NULL) != SQ_OK)
        return false;
    view = lead_view(lead);
    return selection_match(s, &view);
}

/* Each lead once, although a scan may name one twice: by a map of those met. */
static int64_t count_met(struct ctl *c, const struct selection *s, const char *key)
{
    struct map seen = {0};
    struct lead lead = {.id = NULL};
    char cursor[32] = "0";
    int64_t met;

    do {
        const struct redisReply *page = ctl_call(c, "SSCAN", key, cursor, "COUNT", PAGE);
        const struct redisReply *ids = reply_at(page, 1);
        const char *next = reply_str(reply_at(page, 0), NULL);

        for (size_t i = 0; i < reply_count(ids); i++) {
            const char *id = reply_str(reply_at(ids, i), NULL);

            if (id != NULL && is_met(c, s, id, &lead))
                map_set(&seen, id, &seen);
        }
        snprintf(cursor, sizeof(cursor), "%s", next != NULL ? next : "0");
        ctl_forget(c);
    } while (!text_eq(cursor, "0") && !c->failed);
    met = (int64_t)seen.count;
    lead_free(&lead);
    map_free(&seen);
    return met;
}

enum ctl_exit ctl_leads_count(struct ctl *c)
{
    const char *assignee = ctl_opt(c, "assignee"), *filter = ctl_opt(c, "filter");
    struct buf key = {0};
    struct arena arena = {0};
    struct selection s = {.filter = NULL};
    int64_t n = 0;
    bool good = filter == NULL || read_filter(c, filter, &arena, &s);

    key_make(&key, c->ns, assignee ? KEY_ASSIGNEE : KEY_LEADS, assignee);
    if (good)
        n = filter ? count_met(c, &s, buf_str(&key)) : ctl_int(c, "SCARD", buf_str(&key));
    buf_free(&key);
    arena_free(&arena);
    if (!good)
        return CTL_USAGE;
    if (c->json) {
        json_open(&c->line, '{');
        json_key_int(&c->line, "count", n);
        json_close(&c->line, '}');
        ctl_end_line(c);
    } else {
        buf_addf(&c->out, "%lld\n", (long long)n);
    }
    return CTL_OK;
}
