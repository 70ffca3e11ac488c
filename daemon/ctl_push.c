/* sendqctl push: jobs from a file or standard input, byte for byte as they are. */
#include "ctl.h"

#include "ctl_input.h"
#include "text.h"
#include "timefmt.h"
#include "uuid.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

struct push {
    struct ctl *c;
    struct buf list_key, reply_key; /* not in the arena: they outlive ctl_forget */
    char reply_to[40];              /* "" = nobody waits */
    int64_t pushed;
    enum ctl_exit status;
};

/* --- asking for an answer --- */

static bool refuse(struct push *p, const char *why)
{
    ctl_error("push: %s", why);
    p->status = CTL_USAGE;
    return false;
}

/* Puts reply_to into an envelope, or an envelope around a body; all other bytes stay. */
static bool add_reply_to(struct push *p, const char *raw, size_t len, struct buf *out)
{
    const struct json_limits limits = {.max_bytes = len + 1};
    const char *brace = memchr(raw, '{', len);
    struct err_text e;
    cJSON *j;
    bool is_envelope, taken;

    if (json_parse(raw, len, &limits, &j, &e) != SQ_OK)
        return refuse(p, "--wait needs a job that is valid JSON");
    is_envelope = cJSON_IsObject(json_get(j, "body"));
    taken = is_envelope && json_get(j, "reply_to");
    if (!cJSON_IsObject(j) || taken) {
        json_free(j);
        return refuse(p, taken ? "the job has a reply_to of its own: wait there, without --wait"
                               : "--wait needs a job that is a JSON object");
    }
    json_free(j);
    buf_addf(out, "{\"reply_to\":\"%s\",", p->reply_to);
    if (is_envelope) {
        buf_add(out, brace + 1, (size_t)(raw + len - brace) - 1);
    } else {
        buf_adds(out, "\"body\":");
        buf_add(out, raw, len);
        buf_addc(out, '}');
    }
    return true;
}

/* --- pushing --- */

static void send(struct push *p, const char *raw, size_t len)
{
    const char *argv[] = {"LPUSH", buf_str(&p->list_key), raw};
    const size_t lens[] = {5, p->list_key.len, len};

    if (ctl_call_args(p->c, 3, argv, lens))
        p->pushed++;
    ctl_forget(p->c);
}

static bool on_job(const char *raw, size_t len, void *arg)
{
    struct push *p = arg;
    struct buf wrapped = {.max = len + 256};

    if (p->reply_to[0] == '\0')
        send(p, raw, len);
    else if (add_reply_to(p, raw, len, &wrapped))
        send(p, wrapped.data, wrapped.len);
    buf_free(&wrapped);
    return p->status == CTL_OK && !p->c->failed;
}

/* --- waiting --- */

static bool is_bad_answer(const cJSON *j)
{
    const cJSON *code = json_get(j, "status_code");

    return cJSON_IsFalse(json_get(j, "success")) ||
           (cJSON_IsNumber(code) && code->valuedouble >= 400);
}

static void show_answer(struct push *p, const char *text, size_t len)
{
    struct ctl *c = p->c;
    struct err_text e;
    cJSON *j;

    if (json_parse(text, len, NULL, &j, &e) != SQ_OK) {
        json_val_strn(&c->line, text, len);
        p->status = CTL_NEGATIVE;
    } else {
        json_print(j, &c->line);
        if (is_bad_answer(j))
            p->status = CTL_NEGATIVE;
        json_free(j);
    }
    ctl_end_line(c);
    ctl_flush(c);
}

/* Blocks in short steps: a step may not outlast redis.timeout. An answer that comes between two of
 * them is in the list. */
static void wait_answers(struct push *p, int64_t seconds)
{
    struct ctl *c = p->c;
    int64_t end = clock_mono_us() + seconds * 1000000, step = c->config->redis_timeout_ms * 500;
    int64_t answers = 0, left;

    while (!c->failed && answers < p->pushed && (left = end - clock_mono_us()) > 1000) {
        const struct redisReply *r;
        const char *text;
        size_t len;

        left = left < step ? left : step;
        left = left < 1000000 ? left : 1000000;
        r = ctl_call(c, "BRPOP", buf_str(&p->reply_key),
                     arena_printf(&c->arena, "%.3f", (double)left / 1e6));
        text = reply_str(reply_at(r, 1), &len);
        if (text) {
            show_answer(p, text, len);
            answers++;
        }
        ctl_forget(c);
    }
    if (answers < p->pushed)
        p->status = ctl_negative(c, "push: %lld of %lld answers came within %lld s",
                                 (long long)answers, (long long)p->pushed, (long long)seconds);
}

/* --- the verb --- */

static bool choose_list(struct push *p)
{
    const char *name = ctl_opt(p->c, "list");
    enum priority priority = PRIORITY_NORMAL;

    if (name && !priority_parse(name, &priority))
        return refuse(p, "--list: expected high, normal or low");
    key_make(&p->list_key, p->c->ns, key_jobs(priority), NULL);
    return true;
}

static void report(const struct push *p)
{
    struct ctl *c = p->c;

    if (c->json) {
        json_open(&c->line, '{');
        json_key_int(&c->line, "pushed", p->pushed);
        json_key_str(&c->line, "list", buf_str(&p->list_key));
        json_close(&c->line, '}');
        ctl_end_line(c);
    } else {
        buf_addf(&c->out, "pushed %lld to %s\n", (long long)p->pushed, buf_str(&p->list_key));
    }
}

static void push_all(struct push *p)
{
    struct ctl *c = p->c;
    const struct input_opts opts = {
        .path = c->arg_count > 0 ? c->args[0] : "-",
        .each = ctl_opt(c, "each") != NULL,
        .max_job = c->config->job.max_bytes,
    };
    struct err_text e;

    if (input_each_job(&opts, on_job, p, &e) != SQ_OK)
        refuse(p, e.text);
    /* What went before a failure stays pushed, and whoever repeats the call must know. */
    if (p->pushed > 0 && (c->failed || p->status != CTL_OK))
        ctl_error("push: %lld jobs were pushed before that", (long long)p->pushed);
}

static enum ctl_exit run(struct ctl *c)
{
    struct push p = {.c = c, .status = CTL_OK};
    int64_t seconds = ctl_opt_int(c, "wait", 0);

    if (seconds > 0) {
        memcpy(p.reply_to, "ctl-", 4);
        random_hex(16, p.reply_to + 4);
        key_make(&p.reply_key, c->ns, KEY_REPLY, p.reply_to);
    }
    if (choose_list(&p))
        push_all(&p);
    if (p.status == CTL_OK && seconds > 0)
        wait_answers(&p, seconds);
    else if (p.status == CTL_OK)
        report(&p);
    buf_free(&p.list_key);
    buf_free(&p.reply_key);
    return p.status;
}

static const struct ctl_verb verbs[] = {
    {NULL, "[FILE|-]", 0, 1, run, "one job, untouched; - or nothing: standard input"},
    {.run = NULL},
};

static const struct ctl_option options[] = {
    {.name = "list", .value = "LIST", .help = "high, normal (default) or low"},
    {.name = "each", .help = "FILE holds many: one JSON value a line, or one array of them"},
    {.name = "wait",
     .value = "SECONDS",
     .help = "print the answer; exit code 1 if it is bad or "
             "does not come",
     .min = 1,
     .max = 86400},
    {.name = NULL},
};

const struct ctl_noun ctl_push = {"push", "jobs into the queue", verbs, options};
