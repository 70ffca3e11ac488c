/* sendqctl's frame: what a noun is, and what all of them work with.
 *
 * A noun is one file ctl_<noun>.c with a const table, and one line in sendqctl.c. Its functions
 * read replies without checking for failure: once a call has failed, all later ones give NULL or 0
 * (which the accessors of redis_reply.h take), and main reports the failure and prints nothing. */
#ifndef SENDQ_DAEMON_CTL_H
#define SENDQ_DAEMON_CTL_H

#include "config.h"
#include "ctl_print.h"
#include "ctl_script.h"
#include "json.h"
#include "keys.h"
#include "redis_reply.h"
#include "redis_sync.h"

/* Exit codes. */
enum ctl_exit {
    CTL_OK = 0,
    CTL_NEGATIVE = 1, /* not found, refused, failed, no answer */
    CTL_USAGE = 2,    /* the command line, the configuration or an input file */
    CTL_REDIS = 3,    /* Redis cannot be reached, or refused */
};

struct ctl;

struct ctl_verb {
    const char *name; /* NULL: the noun itself acts. The first verb is the default */
    const char *args; /* for the usage: "ID..." */
    int min, max;     /* arguments; max -1 = any number */
    enum ctl_exit (*run)(struct ctl *c);
    const char *help;
};

struct ctl_option {
    const char *name;  /* without "--" */
    const char *value; /* what it takes, for the usage; NULL = a switch */
    const char *help;
    const char *verb; /* the one verb it belongs to; NULL = all */
    int64_t min, max; /* max > 0: a number in this range */
};

/* How many a list may show. */
#define CTL_OPTION_COUNT                                                                           \
    {                                                                                              \
        .name = "count", .value = "N", .help = "at most N (50)", .verb = "ls", .min = 1,           \
        .max = 100000                                                                              \
    }

struct ctl_noun {
    const char *name, *help;
    const struct ctl_verb *verbs;     /* end with run NULL */
    const struct ctl_option *options; /* end with name NULL; may be NULL */
};

const struct ctl_noun *ctl_noun_at(size_t i); /* NULL past the end */

#define CTL_OPTIONS_MAX 8

struct ctl {
    const struct ctl_noun *noun;
    const struct ctl_verb *verb;
    char **args; /* after noun and verb */
    int arg_count;
    const char *values[CTL_OPTIONS_MAX]; /* of the noun's options; "" = a switch that was given */
    bool json;
    const char *config_path, *redis_url, *ns_option; /* as given, or NULL */
    struct config *config;
    const char *ns;
    struct paper paper;
    struct redis_sync *redis;
    bool failed;       /* a call failed, and that was said */
    bool lost;         /* ... since the connection broke */
    bool spares_types; /* a key of another type reads as empty; else that call has failed */
    struct redisReply **replies;
    size_t reply_count, reply_cap;
    struct arena arena;
    struct buf out, line; /* not yet printed; the JSON value being built */
};

extern const struct ctl_noun ctl_push, ctl_message, ctl_status, ctl_queue, ctl_rejected, ctl_dead,
    ctl_worker, ctl_sender, ctl_stats, ctl_events, ctl_leads, ctl_template, ctl_validate, ctl_top,
    ctl_completion, ctl_bulk, ctl_fsck, ctl_explain, ctl_limits;

/* --- options --- */

const char *ctl_opt(const struct ctl *c, const char *name); /* NULL if not given */
int64_t ctl_opt_int(const struct ctl *c, const char *name, int64_t fallback);

/* --- saying things --- */

/* One line on stderr, escaped. */
void ctl_error(const char *fmt, ...) SQ_PRINTF(1, 2);
/* The same, and returns CTL_NEGATIVE; silent after a failed call, whose consequence it is. */
enum ctl_exit ctl_negative(const struct ctl *c, const char *fmt, ...) SQ_PRINTF(2, 3);
/* Prints c->out now: for output that follows something. False when nobody reads any more. */
bool ctl_flush(struct ctl *c);
/* Moves c->line, one JSON value, to c->out. */
void ctl_end_line(struct ctl *c);
/* Prints a table to c->out and frees it; `nothing` stands for one without rows. */
void ctl_end_table(struct ctl *c, struct table *t, const char *nothing);

/* --- Redis --- */

/* Runs one command: ctl_call(c, "GET", key). A word that is NULL is empty. The reply belongs to
 * c. */
#define ctl_call(c, ...)                                                                           \
    ctl_call_words((c), (const char *[]){__VA_ARGS__},                                             \
                   sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *))
const struct redisReply *ctl_call_words(struct ctl *c, const char **words, size_t count);
const struct redisReply *ctl_call_args(struct ctl *c, int argc, const char **argv,
                                       const size_t *lens);
enum ctl_exit ctl_connect(struct ctl *c, struct err_text *e); /* not CTL_OK: e says why */
/* Of a live view: tries to connect again, should the connection be lost. False: it is to end, since
 * a call failed for another reason. */
bool ctl_goes_on(struct ctl *c);
int64_t ctl_int(struct ctl *c, const char *command, const char *key); /* LLEN, ZCARD, ... */
/* The script's answer; argv are its arguments from ARGV[4] on. */
const struct redisReply *ctl_script(struct ctl *c, enum ctl_script s, const char *const *argv,
                                    size_t argc);
int64_t ctl_now_ms(struct ctl *c); /* Redis' clock */
/* A key, in c's arena. */
const char *ctl_key(struct ctl *c, enum key_kind kind, const char *part);
const char *ctl_text(struct ctl *c, int64_t v); /* a number as text, in c's arena */
/* Frees replies and the arena: for loops. */
void ctl_forget(struct ctl *c);

/* --- hashes as fields (ctl_fields.c) --- */

/* How a field is written in JSON. */
enum ctl_kind { KIND_TEXT, KIND_INT, KIND_JSON };

struct ctl_field {
    const char *name;
    enum ctl_kind kind;
};

/* The value of one field, in c->line; text where it is not what its kind says. */
void ctl_json_field(struct ctl *c, const struct ctl_field *f, const char *value);
/* The members of a hash (a HGETALL reply): those of `order` (ending with name NULL) first, then
 * others; names that begin with '_' only if `all`. */
void ctl_json_hash(struct ctl *c, const struct redisReply *hash, const struct ctl_field *order,
                   bool all);
void ctl_table_hash(struct table *t, const struct redisReply *hash, const struct ctl_field *order,
                    bool all);

/* --- parts that several nouns show --- */

extern const struct ctl_field ctl_message_fields[];
enum ctl_exit ctl_show_message(struct ctl *c, const struct redisReply *hash, bool all);

struct ctl_depths {
    int64_t jobs[PRIORITY_COUNT], delayed;
    int64_t taken;     /* jobs being accepted by workers */
    int64_t in_flight; /* messages leased by workers */
};
void ctl_read_depths(struct ctl *c, struct ctl_depths *ret);
void ctl_json_depths(struct ctl *c, const struct ctl_depths *d);
/* Why a bulk (its hash) is not sent further now, in words; NULL = nothing holds it up. */
const char *ctl_explain_words(struct ctl *c, const struct redisReply *bulk, int64_t now_ms);
/* Messages, and recipients of bulks, that a worker has leased. */
int64_t ctl_leased(struct ctl *c, const char *worker);
/* How many wait for a sender, by priority. */
void ctl_ready(struct ctl *c, const char *sender, int64_t ret[PRIORITY_COUNT]);

void ctl_json_senders(struct ctl *c); /* an array */
void ctl_table_senders(struct ctl *c, struct table *t);
void ctl_json_workers(struct ctl *c); /* an array */
void ctl_table_workers(struct ctl *c, struct table *t);
/* The ids of all senders ever configured, sorted: an array reply. */
const struct redisReply *ctl_sender_ids(struct ctl *c);

#endif
