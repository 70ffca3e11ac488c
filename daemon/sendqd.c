/* sendqd: the daemon's main. Options, configuration, signals, systemd; the work is the engine's. */
#include "admin.h"
#include "config.h"
#include "engine.h"
#include "notify.h"

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

struct daemon {
    struct loop *loop;
    struct log log;
    struct engine *engine;
    struct admin *admin;
    struct config *config; /* the one in use; the engine owns it */
    const char *path;
    struct notify notify;
    struct timer *status, *watchdog;
    struct after *log_flush;
    bool stopping;
};

static void print_usage(FILE *out)
{
    fputs(
        "usage: sendqd [--config FILE] [--check | --print-config | --reference | --version]\n"
        "  -c, --config FILE    configuration (YAML); without it: defaults and SENDQ_* variables\n"
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
    struct daemon *d = arg;

    log_line(&d->log, fatal ? LOG_LVL_ERROR : LOG_LVL_WARN, "config", "%s", line);
}

/* --- systemd --- */

static void on_status(void *arg)
{
    struct daemon *d = arg;
    struct engine_status s;

    engine_get_status(d->engine, &s);
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
    struct daemon *d = arg;

    log_line(&d->log, LOG_LVL_INFO, "ready", "namespace %s", d->config->ns);
    notify_ready(&d->notify);
    on_status(d);
}

/* --- signals --- */

static void on_drained(void *arg)
{
    struct daemon *d = arg;

    loop_stop(d->loop);
}

static void on_stop(void *arg)
{
    struct daemon *d = arg;

    if (d->stopping)
        return;
    d->stopping = true;
    notify_stopping(&d->notify);
    engine_drain(d->engine);
}

/* What the stages were made with. The lease above all: beats follow the one of the start. */
static void keep_fixed(struct daemon *d, struct config *fresh)
{
    const struct config *old = d->config;

    if (!text_eq(fresh->ns, old->ns) || !config_same_redis(fresh, old) ||
        !text_eq(fresh->worker_name, old->worker_name) ||
        !text_eq(fresh->tls_ca_file, old->tls_ca_file) || fresh->log_json != old->log_json ||
        fresh->lease_ms != old->lease_ms || fresh->max_in_flight != old->max_in_flight)
        log_line(&d->log, LOG_LVL_WARN, "reload",
                 "namespace, redis, worker, tls and log.format change only with a restart");
    fresh->lease_ms = old->lease_ms;
    fresh->max_in_flight = old->max_in_flight;
}

/* A file that an editor has emptied and not yet written again is a valid configuration: taking it
 * would fail every message that waits. */
static bool lost_all_senders(struct daemon *d, const struct config *fresh)
{
    if (fresh->sender_count > 0 || d->config->sender_count == 0)
        return false;
    log_line(&d->log, LOG_LVL_ERROR, "reload", "no senders are left; stop the daemon instead");
    return true;
}

/* A transfer that finds no descriptor fails, and such failures use up a message's attempts. */
static void bound_in_flight(struct daemon *d, struct config *c)
{
    struct rlimit files;
    rlim_t room;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY)
        return;
    room = files.rlim_cur > FILES_OWN ? (files.rlim_cur - FILES_OWN) / FILES_PER_TRANSFER : 0;
    if (room >= c->max_in_flight)
        return;
    c->max_in_flight = room > 0 ? (unsigned)room : 1;
    log_line(&d->log, LOG_LVL_WARN, "limits",
             "%llu open files (RLIMIT_NOFILE) are enough for worker.in_flight %u only",
             (unsigned long long)files.rlim_cur, c->max_in_flight);
}

static void on_reload(void *arg)
{
    struct daemon *d = arg;
    struct config *fresh;

    if (d->stopping)
        return;
    notify_reloading(&d->notify);
    fresh = config_load(d->path, report_log, d);
    if (fresh == NULL || lost_all_senders(d, fresh)) {
        log_line(&d->log, LOG_LVL_ERROR, "reload", "refused; the old configuration stays");
        config_free(fresh);
    } else {
        bound_in_flight(d, fresh);
        keep_fixed(d, fresh);
        d->log.level = fresh->log_level;
        d->config = fresh;
        engine_reload(d->engine, fresh);
        admin_set_config(d->admin, fresh);
        log_line(&d->log, LOG_LVL_INFO, "reload", "done: %u senders", fresh->sender_count);
    }
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

/* Closed standard descriptors would be given to sockets, and be written to as output. */
static void hold_standard_files(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
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

static int run(struct daemon *d)
{
    struct redis_addr addr;
    struct err_text e = {0};

    if (config_redis_addr(d->config, &addr, &e) != SQ_OK) {
        fprintf(stderr, "%s: redis.url: %s\n", d->path != NULL ? d->path : "environment", e.text);
        config_free(d->config);
        return 1;
    }
    harden();
    tune_malloc();
    log_init(&d->log, d->config->log_level, d->config->log_json);
    notify_init(&d->notify);
    bound_in_flight(d, d->config);
    d->loop = loop_new();
    d->log_flush = after_new(d->loop, on_log_flush, d);
    d->log.wake = on_log_line;
    d->log.wake_arg = d;
    d->engine = engine_new(d->loop, &d->log, d->config, &addr, on_ready, on_drained, d);
    d->admin = admin_new(d->loop, &d->log, d->engine);
    d->status = timer_new(d->loop, on_status, d);
    d->watchdog = timer_new(d->loop, on_watchdog, d);
    if (d->notify.watchdog_us > 0)
        on_watchdog(d);
    loop_on_signal(d->loop, SIGTERM, on_stop, d);
    loop_on_signal(d->loop, SIGINT, on_stop, d);
    loop_on_signal(d->loop, SIGHUP, on_reload, d);
    log_line(&d->log, LOG_LVL_INFO, "started", "sendqd %s, %u senders", SENDQ_VERSION,
             d->config->sender_count);
    admin_set_config(d->admin, d->config);
    loop_run(d->loop);
    log_line(&d->log, LOG_LVL_INFO, "stopped", "bye");
    timer_free(d->status);
    timer_free(d->watchdog);
    engine_free(d->engine);
    admin_free(d->admin);
    d->log.wake = NULL;
    after_free(d->log_flush);
    loop_free(d->loop);
    notify_done(&d->notify);
    log_done(&d->log);
    explicit_bzero(&addr, sizeof(addr));
    return 0;
}

static int print_reference(void)
{
    struct buf out = {0};

    config_reference(&out);
    fputs(buf_str(&out), stdout);
    buf_free(&out);
    return 0;
}

static int print_config(struct config *c)
{
    struct buf out = {0};

    config_print(c, &out);
    fputs(buf_str(&out), stdout);
    buf_free(&out);
    config_free(c);
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

    hold_standard_files();
    while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        if (opt == 'c')
            d.path = optarg;
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
    d.config = config_load(d.path, report_plain, NULL);
    if (d.config == NULL)
        return 1;
    if (mode == OPT_CHECK) {
        config_free(d.config);
        return puts("configuration ok"), 0;
    }
    return mode == OPT_PRINT ? print_config(d.config) : run(&d);
}
