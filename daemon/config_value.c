/* From a setting's text to its typed field, and the words for what was expected instead. */
#include "config_impl.h"

#include "credential.h"
#include "text.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define URL_MAX 4096

static const char name_chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                 "._-";

/* Integers of all widths that fields have; ranges in the table keep them in bounds. */
static void store_int(const struct setting *s, void *base, int64_t n)
{
    char *field = (char *)base + s->offset;

    if (s->width == sizeof(bool))
        *(bool *)field = n != 0;
    else if (s->width == sizeof(unsigned))
        *(unsigned *)field = (unsigned)n;
    else
        *(int64_t *)field = n;
}

static bool in_range(const struct setting *s, int64_t n)
{
    return n >= s->min && n <= s->max;
}

static bool store_number(const struct setting *s, const char *text, void *base, struct err_text *e)
{
    int64_t n;

    (void)e;
    if (text_to_i64(text, &n) || !in_range(s, n))
        return false;
    store_int(s, base, n);
    return true;
}

static bool store_size(const struct setting *s, const char *text, void *base, struct err_text *e)
{
    uint64_t n;

    (void)e;
    if (text_to_size(text, &n) || n > INT64_MAX || !in_range(s, (int64_t)n))
        return false;
    store_int(s, base, (int64_t)n);
    return true;
}

static bool store_duration(const struct setting *s, const char *text, void *base,
                           struct err_text *e)
{
    int64_t ms;

    (void)e;
    if (text_to_duration(text, &ms) || !in_range(s, ms))
        return false;
    store_int(s, base, ms);
    return true;
}

static bool store_bool(const struct setting *s, const char *text, void *base, struct err_text *e)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};

    (void)e;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (text_ieq(text, words[i])) {
            store_int(s, base, i % 2);
            return true;
        }
    }
    return false;
}

static bool store_word(const struct setting *s, const char *text, void *base, struct err_text *e)
{
    const char *word = s->words;

    (void)e;
    for (int64_t i = 0;; i++) {
        size_t len = strcspn(word, "|");

        if (strlen(text) == len && strncasecmp(text, word, len) == 0) {
            store_int(s, base, s->min + i);
            return true;
        }
        if (!word[len])
            return false;
        word += len + 1;
    }
}

static bool store_pointer(const struct setting *s, const char *text, void *base)
{
    *(const char **)((char *)base + s->offset) = text;
    return true;
}

/* For fields whose absence is NULL: `tenant: ""` says that there is none. */
static bool store_optional(const struct setting *s, const char *text, void *base)
{
    return store_pointer(s, *text ? text : NULL, base);
}

static bool store_text(const struct setting *s, const char *text, void *base, struct err_text *e)
{
    (void)e;
    return !text_has_control(text) && store_optional(s, text, base);
}

static bool store_name(const struct setting *s, const char *text, void *base, struct err_text *e)
{
    size_t len = strlen(text);

    (void)e;
    return len <= SENDER_ID_MAX && strspn(text, name_chars) == len && (len || !s->required) &&
           store_pointer(s, text, base);
}

/* At most one pair of braces, with something between: what Redis Cluster hashes by. */
static bool is_hash_tagged(const char *text)
{
    const char *open = strchr(text, '{'), *close = strchr(text, '}');

    if (!open && !close)
        return true;
    return open && close && close > open + 1 && !strchr(open + 1, '{') && !strchr(close + 1, '}');
}

static bool store_namespace(const struct setting *s, const char *text, void *base,
                            struct err_text *e)
{
    size_t len = strlen(text);

    (void)e;
    for (size_t i = 0; i < len; i++)
        if (!strchr(name_chars, text[i]) && !strchr(":{}", text[i]))
            return false;
    return len >= 1 && len <= 64 && is_hash_tagged(text) && store_pointer(s, text, base);
}

static bool store_listen(const struct setting *s, const char *text, void *base, struct err_text *e)
{
    const char *colon = strrchr(text, ':');
    int64_t port;

    (void)e;
    if (text_has_control(text))
        return false;
    if (*text && text_starts(text, "unix:")) {
        if (text[5] != '/' || strlen(text + 5) > 107) /* sockaddr_un */
            return false;
    } else if (*text) {
        if (!colon || colon == text || text_to_i64(colon + 1, &port) || port < 0 || port > 65535)
            return false;
        if (*text != '[' && strchr(text, ':') != colon)
            return false;
    }
    return store_pointer(s, text, base);
}

/* True for "<scheme>something" in plain characters; schemes end with NULL. A host is not empty, but
 * a user may be: ":password@host". */
static bool is_url(const char *text, const char *const *schemes)
{
    if (strlen(text) > URL_MAX || text_has_control(text) || strchr(text, ' '))
        return false;
    for (; *schemes; schemes++)
        if (text_starts(text, *schemes))
            return text[strlen(*schemes)] && (text[strlen(*schemes)] != ':' || strchr(text, '@'));
    return false;
}

static bool store_redis(const struct setting *s, const char *text, void *base, struct err_text *e)
{
    static const char *const schemes[] = {"redis://",    "rediss://",    "unix:///",
                                          "sentinel://", "sentinels://", NULL};

    (void)e;
    return is_url(text, schemes) && store_pointer(s, text, base);
}

/* Which of these schemes a provider speaks is the sender's check. */
static bool store_url(const struct setting *s, const char *text, void *base, struct err_text *e)
{
    static const char *const schemes[] = {"http://", "https://", "smtp://", "smtps://", NULL};

    (void)e;
    return (!*text || (is_url(text, schemes) && !strchr(text, '#'))) &&
           store_optional(s, text, base);
}

static bool store_dir(const struct setting *s, const char *text, void *base, struct err_text *e)
{
    (void)e;
    return (!*text || *text == '/') && !text_has_control(text) && store_optional(s, text, base);
}

static bool store_file(const struct setting *s, const char *text, void *base, struct err_text *e)
{
    struct stat st;

    (void)e;
    if (*text && (stat(text, &st) < 0 || !S_ISREG(st.st_mode) || access(text, R_OK) < 0))
        return false;
    return store_optional(s, text, base);
}

static bool store_rate(const struct setting *s, const char *text, void *base, struct err_text *e)
{
    struct rate *field = (struct rate *)((char *)base + s->offset);

    if (*text)
        return rate_parse(text, field, e) == SQ_OK;
    *field = (struct rate){0};
    return true;
}

/* A zone counts as known if its days can be computed; any day will do. */
static bool store_day(const struct setting *s, const char *text, void *base, struct err_text *e)
{
    struct day_cap *field = (struct day_cap *)((char *)base + s->offset);
    int64_t bounds[4];

    if (!*text) {
        *field = (struct day_cap){0};
        return true;
    }
    if (day_cap_parse(text, field, e))
        return false;
    if (field->mode == DAY_CALENDAR && day_bounds(field->zone, 0, bounds)) {
        (void)err_set(e, SQ_ERR_NOT_FOUND, "this system knows no such time zone");
        return false;
    }
    return true;
}

static bool store_hours(const struct setting *s, const char *text, void *base, struct err_text *e)
{
    struct quiet_hours *field = (struct quiet_hours *)((char *)base + s->offset);

    if (*text)
        return quiet_parse(text, field, e) == SQ_OK;
    *field = (struct quiet_hours){0};
    return true;
}

static bool store_zone(const struct setting *s, const char *text, void *base, struct err_text *e)
{
    int64_t bounds[4];

    (void)e;
    return day_bounds(text, 0, bounds) == SQ_OK && store_pointer(s, text, base);
}

/* SETTING_LIST and the types after it have stores of their own (config_sender.c, config.c). */
static const struct {
    const char *expected;
    bool (*store)(const struct setting *s, const char *text, void *base, struct err_text *e);
} types[SETTING_TYPE_COUNT] = {
    [SETTING_TEXT] = {"text without line ends or control characters", store_text},
    [SETTING_NAME] = {"a name of at most 64 letters, digits, '.', '_' or '-'", store_name},
    [SETTING_NAMESPACE] = {"1 to 64 letters, digits, '.', '_', '-' or ':', with at most one {hash "
                           "tag}",
                           store_namespace},
    [SETTING_LISTEN] = {"an address such as 127.0.0.1:9108 or unix:/run/sendq/admin.sock, or \"\"",
                        store_listen},
    [SETTING_REDIS] =
        {"redis://host:port, unix:///path, sentinel://host,host/primary, or a reference to it "
         "(file:, env:, credential:)",
         store_redis},
    [SETTING_SECRET] = {"text without line ends or control characters, or a reference to it "
                        "(file:, env:, credential:)",
                        store_text},
    [SETTING_URL] = {"a URL such as https://host or http://host:port/path, or \"\"", store_url},
    [SETTING_DIR] = {"the absolute path of a directory, or \"\"", store_dir},
    [SETTING_FILE] = {"the path of a readable file, or \"\"", store_file},
    [SETTING_INT] = {"a whole number", store_number},
    [SETTING_SIZE] = {"a size such as 64KiB or 25MiB", store_size},
    [SETTING_DURATION] = {"a duration such as 250ms, 30s, 10m, 24h or 7d", store_duration},
    [SETTING_BOOL] = {"true or false", store_bool},
    [SETTING_WORD] = {"one of", store_word},
    [SETTING_RATE] = {"a rate such as 10/s or 100/min burst 20, or \"\"", store_rate},
    [SETTING_DAY] = {"a cap such as 2000/day calendar Europe/Berlin or 2000/day rolling, or \"\"",
                     store_day},
    [SETTING_HOURS] = {"hours such as 21:00-08:00, or \"\"", store_hours},
    [SETTING_ZONE] = {"a time zone that this system knows, such as Europe/Berlin", store_zone},
};

static void add_duration(struct buf *out, int64_t ms)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
    size_t i = 0;

    while (i < 4 && (ms == 0 || ms % units[i].ms != 0))
        i++;
    buf_addf(out, "%lld%s", (long long)(ms / units[i].ms), units[i].name);
}

static void add_size(struct buf *out, int64_t n)
{
    static const char *const units[] = {"", "KiB", "MiB", "GiB"};
    size_t i = 0;

    while (i < 3 && n >= 1024 && n % 1024 == 0) {
        n /= 1024;
        i++;
    }
    buf_addf(out, "%lld%s", (long long)n, units[i]);
}

void setting_range(const struct setting *s, struct buf *out)
{
    void (*add)(struct buf *, int64_t) = s->type == SETTING_DURATION ? add_duration
                                         : s->type == SETTING_SIZE   ? add_size
                                                                     : buf_add_i64;

    buf_adds(out, s->type == SETTING_INT ? " from " : ", from ");
    add(out, s->min);
    buf_adds(out, " to ");
    add(out, s->max);
}

void setting_expected(const struct setting *s, struct buf *out)
{
    buf_addf(out, "expected %s", types[s->type].expected);
    if (s->type == SETTING_WORD) {
        buf_addc(out, ' ');
        for (const char *c = s->words; *c; c++)
            buf_adds(out, *c == '|' ? ", " : (char[]){*c, '\0'});
    }
    if (s->max)
        setting_range(s, out);
}

enum sq_err setting_store(const struct setting *s, const char *text, void *base, struct err_text *e)
{
    struct err_text why = {0};
    struct buf expected = {0};

    if (types[s->type].store(s, text, base, &why))
        return SQ_OK;
    setting_expected(s, &expected);
    (void)err_set(e, SQ_ERR_INVALID, "%s%s%s%s", buf_str(&expected), *why.text ? " (" : "",
                  why.text, *why.text ? ")" : "");
    buf_free(&expected);
    return SQ_ERR_INVALID;
}
