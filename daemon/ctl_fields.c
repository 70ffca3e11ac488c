/* Hashes shown as fields: the order, kinds and hiding of names. */
#include "ctl.h"

#include "text.h"
#include <string.h>

/* --- one value --- */

/* JSON is taken over as it stands (numbers lose nothing), unless it has several lines. */
static bool add_parsed(struct ctl *c, const char *value)
{
    struct err_text e;
    cJSON *j;

    if (json_parse(value, strlen(value), NULL, &j, &e) != SQ_OK)
        return false;
    if (text_has_control(value))
        json_print(j, &c->line);
    else
        json_val_raw(&c->line, value, strlen(value));
    json_free(j);
    return true;
}

void ctl_json_field(struct ctl *c, const struct ctl_field *f, const char *value)
{
    int64_t n;

    json_key(&c->line, f->name);
    if (f->kind == KIND_INT && value && text_to_i64(value, &n) == SQ_OK)
        json_val_int(&c->line, n);
    else if (f->kind != KIND_JSON || !value || !add_parsed(c, value))
        json_val_str(&c->line, value);
}

/* --- hashes --- */

static bool is_ordered(const struct ctl_field *order, const char *name)
{
    for (; order->name; order++)
        if (strcmp(order->name, name) == 0)
            return true;
    return false;
}

/* What to do with one member of a hash. */
typedef void (*on_member)(void *arg, const struct ctl_field *f, const char *value);

static void each_member(const struct redisReply *hash, const struct ctl_field *order, bool all,
                        on_member fn, void *arg)
{
    for (const struct ctl_field *f = order; f->name; f++) {
        const char *value = reply_field(hash, f->name);

        if (value)
            fn(arg, f, value);
    }
    for (size_t i = 0; i + 1 < reply_count(hash); i += 2) {
        struct ctl_field f = {reply_str(reply_at(hash, i), NULL), KIND_TEXT};
        const char *value = reply_str(reply_at(hash, i + 1), NULL);

        if (f.name && value && (all || f.name[0] != '_') && !is_ordered(order, f.name))
            fn(arg, &f, value);
    }
}

static void on_json(void *arg, const struct ctl_field *f, const char *value)
{
    ctl_json_field(arg, f, value);
}

static void on_row(void *arg, const struct ctl_field *f, const char *value)
{
    table_add(arg, f->name);
    table_add(arg, value);
}

void ctl_json_hash(struct ctl *c, const struct redisReply *hash, const struct ctl_field *order,
                   bool all)
{
    each_member(hash, order, all, on_json, c);
}

void ctl_table_hash(struct table *t, const struct redisReply *hash, const struct ctl_field *order,
                    bool all)
{
    each_member(hash, order, all, on_row, t);
}
