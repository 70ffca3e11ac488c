/* What the files of the configuration share. Nothing outside daemon/config*.c includes this.
 *
 * The way of a setting: YAML -> cell (raw text, config_schema.c) -> environment override of the
 * cell (config_env.c) -> typed field (config_value.c, config_sender.c) -> checks across fields
 * (config_check.c). One table (config_table.c) says for each what it is called, means and takes;
 * the provider registry adds the names under credentials and options. */
#ifndef SENDQ_DAEMON_CONFIG_IMPL_H
#define SENDQ_DAEMON_CONFIG_IMPL_H

#include "config.h"
#include "config_pool.h"
#include "map.h"
#include "provider.h"

enum setting_type {
    SETTING_TEXT,
    SETTING_NAME, /* [A-Za-z0-9._-]{1,64} */
    SETTING_NAMESPACE,
    SETTING_LISTEN,
    SETTING_REDIS,  /* a Redis URL, or a reference to one */
    SETTING_SECRET, /* text, or a reference to it; masked when printed */
    SETTING_URL,    /* "" or a base URL */
    SETTING_DIR,
    SETTING_FILE,
    SETTING_INT,
    SETTING_SIZE,
    SETTING_DURATION,
    SETTING_BOOL,
    SETTING_WORD, /* one of `words`; stored as its index + min */
    SETTING_RATE,
    SETTING_DAY,
    SETTING_HOURS,
    SETTING_ZONE,
    SETTING_LIST,     /* texts */
    SETTING_CHANNELS, /* list of channel names */
    SETTING_HEADERS,  /* list of "Name: value" */
    SETTING_PROVIDER,
    SETTING_VALUE, /* under credentials or options: belongs to the sender's provider */
    SETTING_TYPE_COUNT
};

/* One line of the settings table. */
struct setting {
    const char *path;     /* "redis.url"; within a sender "limits.rate" */
    const char *fallback; /* default as text; NULL = none */
    const char *help;     /* what it does, and why the default is what it is */
    const char *words;    /* SETTING_WORD: "error|warn|info" */
    size_t offset;        /* of the field in struct config or struct sender */
    size_t count_offset;  /* lists: of the field that counts */
    size_t width;         /* of the field in bytes */
    int64_t min, max;     /* of numbers, in ms or bytes where it is a duration or size */
    enum setting_type type;
    bool required;
};

/* The settings of one kind of struct: their order is the order of the cells. */
struct scope {
    const struct setting *settings;
    unsigned count;
};

/* The raw text of one setting, as libcyaml (or the environment) left it. */
struct cell {
    union {
        char *text; /* NULL = not given */
        char **list;
    };
    uint64_t count;     /* of list */
    const char *origin; /* the environment variable that set it, or NULL */
};

#define CONFIG_TEXT_MAX ((size_t)64 << 10) /* bytes of one value */
#define CONFIG_FILE_MAX ((size_t)4 << 20)  /* bytes: 10,000 senders have some 3 MiB */
#define CONFIG_LIST_MAX 256                /* items of a list */
#define CONFIG_SENDERS_MAX 10000
#define CONFIG_ERRORS_MAX 100 /* lines reported: after that many one has lost the reader */

struct config_impl {
    struct pool pool; /* owns all that the configuration points to */
    struct scope root, sender;
    struct cell *cells;   /* root.count, then one that holds the list of senders */
    struct cell *senders; /* sender.count for each sender */
    struct map ids;       /* id -> struct sender */
    const struct sender *defaults[CHANNEL_COUNT];
};

struct doc; /* the YAML tree with its line numbers: config_doc.c */

/* One run of config_load. */
struct load {
    struct config *config;
    struct config_impl *impl;
    const char *name; /* of the file, for error lines */
    const struct doc *doc;
    const char *const *env;
    unsigned flags; /* of config_load_opts */
    config_report report;
    void *arg;
    unsigned fatal_count;
};

/* Reports "<place>: <path>: <text>": place is the variable `origin`, or the file and line of
 * path (of what of it is there). */
void load_error(struct load *l, const char *origin, const char *path, const char *fmt, ...)
    SQ_PRINTF(4, 5);
void load_warning(struct load *l, const char *origin, const char *path, const char *fmt, ...)
    SQ_PRINTF(4, 5);
/* The same at a line given (0 = none). */
void load_error_at(struct load *l, size_t line, const char *path, const char *fmt, ...)
    SQ_PRINTF(4, 5);

/* config_table.c */
struct scope scope_root(void);
struct scope scope_sender(struct pool *p); /* with credentials.* and options.* of all providers */
bool setting_is_list(const struct setting *s);
/* The index of a path in a scope, or scope->count. */
unsigned scope_index(const struct scope *s, const char *path);
const char *setting_type_name(enum setting_type type); /* for the reference */
/* The name below "credentials." or "options.", or NULL. *ret_credential says which. */
const char *setting_value_name(const struct setting *s, bool *ret_credential);
const struct provider_setting *provider_setting_find(const struct provider *p, const char *name);

/* config_doc.c */
struct doc *doc_parse(struct load *l, const char *text, size_t len); /* NULL: reported */
void doc_free(struct doc *d);
/* The line of a path such as "senders[1].limits.rate", or of its nearest parent there is. */
size_t doc_line(const struct doc *d, const char *path);

/* config_schema.c */
/* Checks the document's structure and reads it into impl->cells and impl->senders. */
bool schema_load(struct load *l, const char *text, size_t len);

/* config_structure.c: all unknown names and wrong kinds of value. libcyaml stops at the first. */
struct cyaml_schema_value;
bool structure_check(struct load *l, const struct doc *d, const struct cyaml_schema_value *root);

/* config_env.c */
void env_apply(struct load *l);

/* config_value.c */
/* Text -> the field at base + s->offset. Texts may be stored as pointers: they must stay. */
enum sq_err setting_store(const struct setting *s, const char *text, void *base,
                          struct err_text *e) SQ_MUST_CHECK;
/* "expected ..." of a setting, with its range. */
void setting_expected(const struct setting *s, struct buf *out);
void setting_range(const struct setting *s, struct buf *out); /* ", from 1s to 1h" */

/* config.c */
/* Fills in the default, then stores the cell's text or list in its field of base; reports under
 * path. Types with a store of their own (channels, headers, provider, value) are left alone. */
void setting_load(struct load *l, const struct setting *s, struct cell *cell, void *base,
                  const char *path);

/* config_sender.c */
struct cell *sender_cells(const struct load *l, unsigned index);
void sender_load(struct load *l, unsigned index, struct sender *s);

/* config_limits.c: limits in lists of words. */
void limits_load(struct load *l);
void sender_load_account(struct load *l, unsigned index, struct sender *s);

/* config_account.c: what depends on the sender's provider; s->provider is set. */
void sender_load_values(struct load *l, unsigned index, struct sender *s);
void sender_load_headers(struct load *l, unsigned index, struct sender *s);

/* config_check.c */
void check_all(struct load *l);

/* config_print.c */
/* Appends a URL with the password in it as "***". */
void add_masked_url(struct buf *out, const char *url);
bool url_has_password(const char *url);

/* doc access for config_structure.c */
struct yaml_document_s;
struct yaml_document_s *doc_yaml(const struct doc *d);

#endif
