/* sendqctl: the operator's tool. The command line and the table of nouns; each noun is a file. */
#include "ctl_bulk.h"
#include "standard_files.h"

#include "text.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CONFIG_DEFAULT "/etc/sendq/sendqd.yaml"

#define OUTPUT_MAX ((size_t)1 << 30) /* a rejected job of the largest size, every byte escaped */

static const struct ctl_noun *const nouns[] = {
    &ctl_push,     &ctl_validate, &ctl_message,  &ctl_status, &ctl_queue,
    &ctl_rejected, &ctl_dead,     &ctl_worker,   &ctl_sender, &ctl_stats,
    &ctl_events,   &ctl_leads,    &ctl_template, &ctl_top,    &ctl_completion,
    &ctl_bulk,     &ctl_fsck,     &ctl_explain,  &ctl_limits,
};

#define NOUNS (sizeof(nouns) / sizeof(nouns[0]))

const struct ctl_noun *ctl_noun_at(size_t i)
{
    return i < NOUNS ? nouns[i] : NULL;
}

/* --- help --- */

static const char global_help[] =
    "  -c, --config FILE    sendqd's configuration (" CONFIG_DEFAULT ", if it is there)\n"
    "      --redis URL      Redis, instead of what the configuration says\n"
    "      --namespace NS   prefix of all keys, likewise\n"
    "      --json           one JSON object a line\n"
    "  -h, --help           this, or what a noun can do\n";

static void print_usage(void)
{
    puts("usage: sendqctl [OPTIONS] NOUN [VERB] [ARGUMENTS]\n\nnouns:");
    for (size_t i = 0; i < NOUNS; i++)
        printf("  %-10s %s\n", nouns[i]->name, nouns[i]->help);
    printf("\noptions, before or after the noun:\n%s      --version        the version\n\n"
           "SENDQ_* variables override the configuration as they do for sendqd.\n"
           "exit codes: 0 done, 1 not found or refused, 2 usage, 3 no Redis\n",
           global_help);
}

static void print_verb(const struct ctl_noun *noun, const struct ctl_verb *v)
{
    char usage[128];

    snprintf(usage, sizeof(usage), "sendqctl %s%s%s%s%s", noun->name, v->name ? " " : "",
             v->name ? v->name : "", v->args ? " " : "", v->args ? v->args : "");
    printf("  %-40s %s\n", usage, v->help);
}

static void print_noun_usage(const struct ctl_noun *noun)
{
    printf("%s\n\nusage:\n", noun->help);
    for (const struct ctl_verb *v = noun->verbs; v->run; v++)
        print_verb(noun, v);
    puts("\noptions:");
    for (const struct ctl_option *o = noun->options; o && o->name; o++) {
        char usage[64];

        snprintf(usage, sizeof(usage), "--%s%s%s", o->name, o->value ? " " : "",
                 o->value ? o->value : "");
        printf("      %-16s %s%s%s\n", usage, o->verb ? o->verb : "", o->verb ? ": " : "", o->help);
    }
    fputs(global_help, stdout);
}

/* --- the command line --- */

/* Arguments still to be read. */
struct line {
    char **argv;
    int argc, at;
    bool literal; /* after "--" */
};

/* The value of an option: "--name=VALUE" or the next argument; NULL (and said so) if there is
 * none. */
static const char *take_value(struct line *l, const char *option, const char *equals)
{
    if (equals)
        return equals + 1;
    if (l->at < l->argc)
        return l->argv[l->at++];
    ctl_error("%s needs a value", option);
    return NULL;
}

static bool is_named(const char *text, const char *name)
{
    size_t len = strlen(name);

    return strncmp(text, name, len) == 0 && (text[len] == '\0' || text[len] == '=');
}

static bool check_number(const struct ctl_option *o, const char *value)
{
    int64_t n;

    if (o->max == 0 || (text_to_i64(value, &n) == SQ_OK && n >= o->min && n <= o->max))
        return true;
    ctl_error("--%s: expected a number from %lld to %lld", o->name, (long long)o->min,
              (long long)o->max);
    return false;
}

static bool take_noun_option(struct ctl *c, struct line *l, const char *text)
{
    const struct ctl_option *options = c->noun ? c->noun->options : NULL;
    const char *equals = strchr(text, '=');

    for (int i = 0; options && options[i].name; i++) {
        if (!is_named(text + 2, options[i].name))
            continue;
        if (!options[i].value && equals) {
            ctl_error("--%s takes no value", options[i].name);
            return false;
        }
        c->values[i] = options[i].value ? take_value(l, text, equals) : "";
        return c->values[i] && check_number(&options[i], c->values[i]);
    }
    ctl_error("unknown option %s (see sendqctl %s%s--help)", text, c->noun ? c->noun->name : "",
              c->noun ? " " : "");
    return false;
}

static bool take_option(struct ctl *c, struct line *l, const char *text)
{
    const struct {
        const char *name;
        const char **ret;
    } known[] = {
        {"--config", &c->config_path}, {"--redis", &c->redis_url}, {"--namespace", &c->ns_option}};

    if (strcmp(text, "-c") == 0)
        return (c->config_path = take_value(l, text, NULL)) != NULL;
    if (strcmp(text, "--json") == 0)
        return c->json = true;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (is_named(text, known[i].name))
            return (*known[i].ret = take_value(l, known[i].name, strchr(text, '='))) != NULL;
    return take_noun_option(c, l, text);
}

static bool take_noun(struct ctl *c, const char *name)
{
    for (size_t i = 0; i < NOUNS; i++)
        if (strcmp(nouns[i]->name, name) == 0)
            c->noun = nouns[i];
    if (c->noun == NULL)
        ctl_error("unknown noun %s (see sendqctl --help)", name);
    return c->noun != NULL;
}

static bool take_argument(struct ctl *c, char *text)
{
    if (c->noun == NULL)
        return take_noun(c, text);
    c->args[c->arg_count++] = text;
    return true;
}

/* True when the whole line was read. help is set where -h or --help stands on it. */
static bool read_line(struct ctl *c, struct line *l, bool *help, bool *version)
{
    bool good = true;

    while (good && l->at < l->argc) {
        char *text = l->argv[l->at++];

        if (l->literal || text[0] != '-' || text[1] == '\0')
            good = take_argument(c, text);
        else if (strcmp(text, "--") == 0)
            l->literal = true;
        else if (strcmp(text, "-h") == 0 || strcmp(text, "--help") == 0)
            *help = true;
        else if (strcmp(text, "--version") == 0)
            *version = true;
        else
            good = take_option(c, l, text);
    }
    return good;
}

/* The first word names the verb where the noun has several; without any word it is the first. */
static bool find_verb(struct ctl *c)
{
    const struct ctl_verb *v = c->noun->verbs;

    if (v->name && c->arg_count > 0) {
        while (v->run && strcmp(v->name, c->args[0]) != 0)
            v++;
        if (v->run == NULL) {
            ctl_error("unknown verb %s %s (see sendqctl %s --help)", c->noun->name, c->args[0],
                      c->noun->name);
            return false;
        }
        c->args++;
        c->arg_count--;
    }
    c->verb = v;
    return true;
}

static bool check_verb(const struct ctl *c)
{
    const struct ctl_verb *v = c->verb;
    const struct ctl_option *options = c->noun->options;

    if (c->arg_count < v->min || (v->max >= 0 && c->arg_count > v->max)) {
        ctl_error("expected: sendqctl %s%s%s%s%s", c->noun->name, v->name ? " " : "",
                  v->name ? v->name : "", v->args ? " " : "", v->args ? v->args : "");
        return false;
    }
    for (int i = 0; options && options[i].name; i++) {
        if (c->values[i] && options[i].verb && !text_eq(options[i].verb, v->name)) {
            ctl_error("--%s belongs to: sendqctl %s %s", options[i].name, c->noun->name,
                      options[i].verb);
            return false;
        }
    }
    return true;
}

/* --- set-up --- */

struct report {
    const struct ctl *ctl;
    bool told;
};

/* Options are given as variables (load_config): their faults are told as theirs. */
static void tell_report(const struct ctl *c, const char *line)
{
    const char *rest = strchr(line, ':');

    if (c->redis_url != NULL && text_starts(line, "SENDQ_REDIS__URL:"))
        ctl_error("--redis%s", rest);
    else if (c->ns_option != NULL && text_starts(line, "SENDQ_NAMESPACE:"))
        ctl_error("--namespace%s", rest);
    else
        ctl_error("%s", line);
}

/* One line is enough here: sendqd --check tells them all. Warnings are its business too. */
static void on_report(bool fatal, const char *line, void *arg)
{
    struct report *r = arg;

    if (fatal && !r->told)
        tell_report(r->ctl, line);
    r->told = r->told || fatal;
}

/* Needs neither configuration nor Redis. */
static bool is_alone(const struct ctl *c)
{
    return c->noun == &ctl_completion;
}

/* validate asks nobody, and needs the senders, if not their secrets. */
static bool is_offline(const struct ctl *c)
{
    return c->noun == &ctl_validate;
}

/* Who carries a job is asked of the configuration. */
static bool needs_senders(const struct ctl *c)
{
    return is_offline(c) || c->verb->run == ctl_bulk_preview;
}

/* The options are overrides like the variables, and pass the same checks. */
static bool load_config(struct ctl *c)
{
    struct report report = {c, false};

    if (c->config_path == NULL && c->redis_url == NULL && access(CONFIG_DEFAULT, F_OK) == 0)
        c->config_path = CONFIG_DEFAULT;
    if ((c->redis_url && setenv("SENDQ_REDIS__URL", c->redis_url, 1) != 0) ||
        (c->ns_option && setenv("SENDQ_NAMESPACE", c->ns_option, 1) != 0))
        return false;
    c->config = config_load_opts(c->config_path,
                                 needs_senders(c) ? CONFIG_WITHOUT_SECRETS : CONFIG_WITHOUT_SENDERS,
                                 on_report, &report);
    if (c->config)
        c->ns = c->config->ns;
    return c->config != NULL;
}

/* A pipe takes lines as long as they are; $COLUMNS decides for both. */
static void look_at_paper(struct paper *p)
{
    const char *columns = getenv("COLUMNS");
    struct winsize size = {0};
    int64_t width;

    p->colour = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
    if (columns && text_to_i64(columns, &width) == SQ_OK && width > 0 && width < 10000)
        p->width = (unsigned)width;
    else if (isatty(STDOUT_FILENO))
        p->width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

static enum ctl_exit run(struct ctl *c)
{
    enum ctl_exit status = CTL_OK;
    struct err_text e = {0};

    if (!find_verb(c) || !check_verb(c) || (!is_alone(c) && !load_config(c)))
        return CTL_USAGE;
    look_at_paper(&c->paper);
    if (!is_alone(c) && !is_offline(c) && (status = ctl_connect(c, &e)) != CTL_OK)
        ctl_error("%s", e.text);
    if (status == CTL_OK)
        status = c->verb->run(c);
    if (c->failed)
        return CTL_REDIS;
    if (c->out.failed || c->line.failed)
        return ctl_negative(c, "the output would be too large");
    if (!ctl_flush(c))
        return errno == EPIPE ? CTL_NEGATIVE : ctl_negative(c, "cannot write: %s", strerror(errno));
    return status;
}

static void ctl_done(struct ctl *c)
{
    ctl_forget(c);
    free(c->replies);
    arena_free(&c->arena);
    buf_free(&c->out);
    buf_free(&c->line);
    redis_sync_close(c->redis);
    config_free(c->config);
}

int main(int argc, char **argv)
{
    struct line line = {.argv = argv, .argc = argc, .at = 1};
    char **args = mem_alloc(((size_t)argc + 1) * sizeof(*args));
    struct ctl c = {.args = args, .out.max = OUTPUT_MAX, .line.max = OUTPUT_MAX};
    bool help = false, version = false;
    enum ctl_exit status = CTL_OK;

    standard_files_hold();
    signal(SIGPIPE, SIG_IGN);
    if (!read_line(&c, &line, &help, &version))
        status = CTL_USAGE;
    else if (version)
        puts("sendqctl " SENDQ_VERSION);
    else if (help && c.noun)
        print_noun_usage(c.noun);
    else if (help)
        print_usage();
    else if (c.noun == NULL) {
        ctl_error("expected a noun (see sendqctl --help)");
        status = CTL_USAGE;
    } else
        status = run(&c);
    ctl_done(&c);
    free(args);
    return (int)status;
}
