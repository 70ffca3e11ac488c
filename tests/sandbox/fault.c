/* Choosing faults. Counters and a seeded generator per rule: the same requests in the same order
 * meet the same faults, whatever other rules there are. */
#include "fault.h"

#include "fault_parse.h"
#include "json.h"

#include <fnmatch.h>
#include <stdlib.h>

static void rule_clear(struct fault_rule *r)
{
    free(r->dialect);
    free(r->recipient);
    free(r->id);
    free(r->method);
    free(r->path);
    free(r->action.body);
}

void fault_set_clear(struct fault_set *s)
{
    for (size_t i = 0; i < s->count; i++)
        rule_clear(&s->rules[i]);
    free(s->rules);
    *s = (struct fault_set){0};
}

enum sq_err fault_set_load(struct fault_set *s, const cJSON *list, struct err_text *e)
{
    struct fault_set fresh = {.rules = mem_zalloc(FAULT_RULES_MAX * sizeof(*fresh.rules))};
    enum sq_err err = fault_parse(list, &fresh, e);

    if (err) {
        fault_set_clear(&fresh);
        return err;
    }
    fault_set_clear(s);
    *s = fresh;
    return SQ_OK;
}

static bool match(const char *pattern, const char *text)
{
    return !pattern || fnmatch(pattern, text ? text : "", 0) == 0;
}

/* splitmix64: small, and good enough to choose requests by. In [0, 1). */
static double draw(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static bool fires(struct fault_rule *r)
{
    r->matched++;
    if (r->times > 0 && r->fired >= r->times)
        return false;
    if (r->every > 0 && r->matched % r->every != 0)
        return false;
    if (r->probability < 1 && draw(&r->rng) >= r->probability)
        return false;
    r->fired++;
    return true;
}

const struct fault_action *fault_set_pick(struct fault_set *s, const char *dialect,
                                          const char *path, const struct record *r)
{
    for (size_t i = 0; i < s->count; i++) {
        struct fault_rule *rule = &s->rules[i];

        if (match(rule->dialect, dialect) && match(rule->recipient, r->recipient) &&
            match(rule->id, r->id) && match(rule->method, r->method) && match(rule->path, path) &&
            fires(rule))
            return &rule->action;
    }
    return NULL;
}

void fault_set_print(const struct fault_set *s, struct buf *out)
{
    json_open(out, '[');
    for (size_t i = 0; i < s->count; i++) {
        const struct fault_rule *r = &s->rules[i];

        json_open(out, '{');
        json_opt_str(out, "dialect", r->dialect);
        json_key_str(out, "kind", fault_kind_name(r->action.kind));
        json_key_int(out, "matched", (int64_t)r->matched);
        json_key_int(out, "fired", (int64_t)r->fired);
        json_close(out, '}');
    }
    json_close(out, ']');
}
