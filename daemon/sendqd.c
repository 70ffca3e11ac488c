/* sendqd: the daemon's main. Options, configuration, signals, systemd; the work is the engine's. */
#include "admin.h"
#include "config.h"
#include "engine.h"
#include "notify.h"
#include "standard_files.h"

#include "text.h"
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* How often STATUS= is refreshed and, at half its interval, the watchdog is fed. */
#define STATUS_US 5000000
/* Descriptors: for Redis, the loop and its signals; and for a transfer, whose name is looked up by
 * a thread with a socket pair of its own, beside the idle connection it may find no use for. */
#define FILES_OWN 24
#define FILES_PER_TRANSFER 4

/* Between a part's last call to Redis and its end: time for the call to leave. */
#define END_US 100000

#define PARTS_MAX 16

/* One namespace: a configuration of its own, with all that follows from it. */
struct part {
    struct daemon *daemon;
    const char *path;      /* NULL: defaults and SENDQ_* variables */
    struct config *config; /* the one in use; the engine owns it */
    char ns[80];
    struct log log;
    struct engine *engine;
    struct admin *admin;
    bool ready, drained;
    bool elsewhere; /* a reload named another Redis: only a restart goes there */
};

struct daemon {
    struct loop *loop;
    struct log log;
    struct part parts[PARTS_MAX];
    unsigned count;
    struct notify notify;
    struct timer *status, *watchdog, *ending;
    struct after *log_flush;
    bool stopping;
};

static void print_usage(FILE *out)
{
    fputs(
        "usage: sendqd [--config FILE]... [--check | --print-config | --reference | --version]\n"
        "  -c, --config FILE    configuration (YAML); without it: defaults and SENDQ_* variables;\n"
        "                       several: as many namespaces in one process\n"
        "      --check          check the configuration and exit (0 = good)\n"
        "      --print-config   print the effective configuration, secrets masked, and exit\n"
        "      --reference      print every setting as Markdown and exit\n"
        "      --version        print the version and exit\n",
        out);
}

/* --- reporting problems of the configuration --- */

static void report_plain(bool fatal, const char *line, void *arg)
{
    (void)arg;
    fprintf(stderr, "%s%s\n", fatal ? "" : "warning: ", line);
}

static void report_log(bool fatal, const char *line, void *arg)
{
    struct part *p = arg;

    log_line(&p->log, fatal ? LOG_LVL_ERROR : LOG_LVL_WARN, "config", "%s", line);
}

/* --- systemd --- */

/* Of all parts; the state is that of the one which is furthest behind. */
static void add_status(const struct engine *e, struct engine_status *sum)
{
    struct engine_status s;

    if (e == NULL)
        return;
    engine_get_status(e, &s);
    if (sum->state == NULL || !s.ready)
        sum->state = s.state;
    sum->in_flight += s.in_flight;
    sum->sent += s.sent;
    sum->failed += s.failed;
    sum->retried += s.retried;
}

static void on_status(void *arg)
{
    struct daemon *d = arg;
    struct engine_status s = {0};

    for (unsigned i = 0; i < d->count; i++)
        add_status(d->parts[i].engine, &s);
    notify_status(&d->notify, "%s: %u in flight, %llu sent, %llu failed, %llu retried", s.state,
                  s.in_flight, (unsigned long long)s.sent, (unsigned long long)s.failed,
                  (unsigned long long)s.retried);
    log_flush(&d->log); /* what its reader had no room for */
    timer_set_us(d->status, STATUS_US);
}

/* Fed from the loop alone: a loop that hangs is what the watchdog is for. */
static void on_watchdog(void *arg)
{
    struct daemon *d = arg;

    notify_watchdog(&d->notify);
    timer_set_us(d->watchdog, d->notify.watchdog_us / 2);
}

static void on_ready(void *arg)
{
    struct part *p = arg;
    struct daemon *d = p->daemon;

    log_line(&p->log, LOG_LVL_INFO, "ready", "namespace %s", p->ns);
    p->ready = true;
    for (unsigned i = 0; i < d->count; i++)
        if (!d->parts[i].ready)
            return;
    notify_ready(&d->notify);
    on_status(d);
}

static void end_part(struct part *p)
{
    if (p->engine != NULL)
        engine_free(p->engine);
    else
        config_free(p->config);
    admin_free(p->admin);
    log_done(&p->log);
    p->engine = NULL;
    p->config = NULL;
    p->admin = NULL;
}

/* --- signals --- */

/* What it has given up is sent by others: it must not go on with it while the rest drain. */
static void on_ending(void *arg)
{
    struct daemon *d = arg;

    for (unsigned i = 0; i < d->count; i++)
        if (d->parts[i].drained)
            end_part(&d->parts[i]);
}

static void on_drained(void *arg)
{
    struct part *p = arg;
    struct daemon *d = p->daemon;

    p->drained = true;
    timer_set_us(d->ending, END_US);
    for (unsigned i = 0; i < d->count; i++)
        if (!d->parts[i].drained)
            return;
    loop_stop(d->loop);
}

static void on_stop(void *arg)
{
    struct daemon *d = arg;

    if (d->stopping)
        return;
    d->stopping = true;
    notify_stopping(&d->notify);
    for (unsigned i = 0; i < d->count; i++)
        engine_drain(d->parts[i].engine);
}

/* What the stages were made with. The lease above all: beats follow the one of the start. */
static void keep_fixed(struct part *p, struct config *fresh)
{
    const struct config *old = p->config;

    if (!text_eq(fresh->ns, old->ns) || !config_same_redis(fresh, old) ||
        !text_eq(fresh->worker_name, old->worker_name) ||
        !text_eq(fresh->tls_ca_file, old->tls_ca_file) || fresh->log_json != old->log_json ||
        fresh->lease_ms != old->lease_ms || fresh->max_in_flight != old->max_in_flight)
        log_line(&p->log, LOG_LVL_WARN, "reload",
                 "namespace, redis, worker, tls and log.format change only with a restart");
    fresh->lease_ms = old->lease_ms;
    fresh->max_in_flight = old->max_in_flight;
}

/* What its Redis asks for may change, and is told with the next connection. */
static void renew_login(struct part *p, const struct config *fresh)
{
    struct redis_addr addr;
    struct err_text e;

    p->elsewhere = p->elsewhere || !config_same_redis(fresh, p->config);
    if (!p->elsewhere && config_redis_addr(fresh, &addr, &e) == SQ_OK) {
        engine_set_login(p->engine, &addr);
        explicit_bzero(&addr, sizeof(addr));
    }
}

/* A file that an editor has emptied and not yet written again is a valid configuration: taking it
 * would fail every message that waits. */
static bool lost_all_senders(struct part *p, const struct config *fresh)
{
    if (fresh->sender_count > 0 || p->config->sender_count == 0)
        return false;
    log_line(&p->log, LOG_LVL_ERROR, "reload", "no senders are left; stop the daemon instead");
    return true;
}

/* A transfer that finds no descriptor fails, and such failures use up a message's attempts. */
static void bound_in_flight(struct part *p, struct config *c)
{
    struct rlimit files;
    rlim_t own, room;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY)
        return;
    own = (rlim_t)FILES_OWN * p->daemon->count;
    room = files.rlim_cur > own ? (files.rlim_cur - own) / FILES_PER_TRANSFER : 0;
    room /= p->daemon->count;
    if (room >= c->max_in_flight)
        return;
    c->max_in_flight = room > 0 ? (unsigned)room : 1;
    log_line(&p->log, LOG_LVL_WARN, "limits",
             "%llu open files (RLIMIT_NOFILE) are enough for worker.in_flight %u only",
             (unsigned long long)files.rlim_cur, c->max_in_flight);
}

static void reload(struct part *p)
{
    struct config *fresh = config_load(p->path, report_log, p);

    if (fresh == NULL || lost_all_senders(p, fresh)) {
        log_line(&p->log, LOG_LVL_ERROR, "reload", "refused; the old configuration stays");
        config_free(fresh);
        return;
    }
    bound_in_flight(p, fresh);
    keep_fixed(p, fresh);
    renew_login(p, fresh);
    p->log.level = fresh->log_level;
    p->config = fresh;
    engine_reload(p->engine, fresh);
    admin_set_config(p->admin, fresh);
    log_line(&p->log, LOG_LVL_INFO, "reload", "done: %u senders", fresh->sender_count);
}

static void on_reload(void *arg)
{
    struct daemon *d = arg;

    if (d->stopping)
        return;
    notify_reloading(&d->notify);
    for (unsigned i = 0; i < d->count; i++)
        reload(&d->parts[i]);
    notify_ready(&d->notify);
}

/* --- start --- */

static void on_log_line(void *arg)
{
    struct daemon *d = arg;

    after_request(d->log_flush);
}

static void on_log_flush(void *arg)
{
    struct daemon *d = arg;

    log_flush(&d->log);
}

/* Batches come and go: their memory stays with the process instead of being given back and faulted
 * in again a thousand times a second. Large blocks (attachments) are mapped and do go back. */
static void tune_malloc(void)
{
    mallopt(M_TRIM_THRESHOLD, 8 << 20);
    mallopt(M_TOP_PAD, 1 << 20);
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
}

/* No core dump may hold a credential, and many transfers need many descriptors. */
static void harden(void)
{
    struct rlimit none = {0, 0}, files;

    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* Two workers of one namespace in one process would take each other's work for nothing. */
static bool is_twice(const struct daemon *d, const struct part *p)
{
    for (const struct part *q = d->parts; q < p; q++) {
        if (text_eq(q->config->ns, p->config->ns) && config_same_redis(q->config, p->config)) {
            fprintf(stderr, "%s: namespace: %s has the same\n", p->path, q->path);
            return true;
        }
    }
    return false;
}

/* False: told why. */
static bool load_parts(struct daemon *d)
{
    for (unsigned i = 0; i < d->count; i++) {
        struct part *p = &d->parts[i];

        p->daemon = d;
        p->config = config_load(p->path, report_plain, NULL);
        if (p->config == NULL || is_twice(d, p))
            return false;
    }
    return true;
}

/* The log of all is the first one's; where there are others, each line tells the namespace. */
static bool start_part(struct daemon *d, struct part *p)
{
    const struct config *c = p->config;
    struct redis_addr addr;
    struct err_text e = {0};

    if (config_redis_addr(c, &addr, &e) != SQ_OK) {
        fprintf(stderr, "%s: redis.url: %s\n", p->path != NULL ? p->path : "environment", e.text);
        return false;
    }
    log_init(&p->log, c->log_level, d->log.json);
    p->log.via = &d->log;
    snprintf(p->ns, sizeof(p->ns), "%s", c->ns); /* a reload may name another, which has to wait */
    p->log.ns = d->count > 1 ? p->ns : NULL;
    bound_in_flight(p, p->config);
    log_line(&p->log, LOG_LVL_INFO, "started", "sendqd %s, %u senders", SENDQ_VERSION,
             c->sender_count);
    p->engine = engine_new(d->loop, &p->log, p->config, &addr, on_ready, on_drained, p);
    p->admin = admin_new(d->loop, &p->log, p->engine);
    admin_set_config(p->admin, c);
    explicit_bzero(&addr, sizeof(addr));
    return true;
}

static bool start_parts(struct daemon *d)
{
    for (unsigned i = 0; i < d->count; i++)
        if (!start_part(d, &d->parts[i]))
            return false;
    return true;
}

static int run(struct daemon *d)
{
    const struct config *first = d->parts[0].config;
    bool started;

    harden();
    tune_malloc();
    log_init(&d->log, first->log_level, first->log_json);
    notify_init(&d->notify);
    d->loop = loop_new();
    d->log_flush = after_new(d->loop, on_log_flush, d);
    d->log.wake = on_log_line;
    d->log.wake_arg = d;
    d->status = timer_new(d->loop, on_status, d);
    d->watchdog = timer_new(d->loop, on_watchdog, d);
    d->ending = timer_new(d->loop, on_ending, d);
    started = start_parts(d);
    if (started) {
        if (d->notify.watchdog_us > 0)
            on_watchdog(d);
        loop_on_signal(d->loop, SIGTERM, on_stop, d);
        loop_on_signal(d->loop, SIGINT, on_stop, d);
        loop_on_signal(d->loop, SIGHUP, on_reload, d);
        loop_run(d->loop);
        log_line(&d->log, LOG_LVL_INFO, "stopped", "bye");
    }
    timer_free(d->status);
    timer_free(d->watchdog);
    timer_free(d->ending);
    for (unsigned i = 0; i < d->count; i++)
        end_part(&d->parts[i]);
    d->log.wake = NULL;
    after_free(d->log_flush);
    loop_free(d->loop);
    notify_done(&d->notify);
    log_done(&d->log);
    return started ? 0 : 1;
}

static void forget_parts(struct daemon *d)
{
    for (unsigned i = 0; i < d->count; i++)
        config_free(d->parts[i].config);
}

static int print_reference(void)
{
    struct buf out = {0};

    config_reference(&out);
    fputs(buf_str(&out), stdout);
    buf_free(&out);
    return 0;
}

static int print_configs(struct daemon *d)
{
    for (unsigned i = 0; i < d->count; i++) {
        struct buf out = {0};

        config_print(d->parts[i].config, &out);
        printf("%s%s", i > 0 ? "---\n" : "", buf_str(&out));
        buf_free(&out);
    }
    forget_parts(d);
    return 0;
}

enum { OPT_CHECK = 256, OPT_PRINT, OPT_REFERENCE, OPT_VERSION };

static const struct option options[] = {
    {"config", required_argument, NULL, 'c'},
    {"check", no_argument, NULL, OPT_CHECK},
    {"print-config", no_argument, NULL, OPT_PRINT},
    {"reference", no_argument, NULL, OPT_REFERENCE},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

int main(int argc, char **argv)
{
    struct daemon d = {0};
    int opt, mode = 0;

    standard_files_hold();
    while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        if (opt == 'c' && d.count == PARTS_MAX)
            return fprintf(stderr, "sendqd: more than %d configurations\n", PARTS_MAX), 2;
        else if (opt == 'c')
            d.parts[d.count++].path = optarg;
        else if (opt == 'h')
            return print_usage(stdout), 0;
        else if (opt == '?')
            return print_usage(stderr), 2;
        else
            mode = opt;
    }
    if (optind != argc)
        return print_usage(stderr), 2;
    if (mode == OPT_VERSION)
        return puts("sendqd " SENDQ_VERSION), 0;
    if (mode == OPT_REFERENCE)
        return print_reference();
    if (d.count == 0)
        d.count = 1;
    if (!load_parts(&d)) {
        forget_parts(&d);
        return 1;
    }
    if (mode == OPT_CHECK) {
        forget_parts(&d);
        return puts("configuration ok"), 0;
    }
    return mode == OPT_PRINT ? print_configs(&d) : run(&d);
}
