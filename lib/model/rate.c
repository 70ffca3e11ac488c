/* Rates and day caps as people write them, and the days that day caps count by. */
#include "rate.h"

#include "text.h"
#include "tz.h"
#include <stdio.h>
#include <string.h>

#define RATE_TEXT_MAX 128
#define COUNT_MAX 1000000000
#define DAY_MS 86400000
/* Year 9999: beyond it nothing can be formatted. */
#define UNIX_MS_MAX INT64_C(253402300799999)

/* The words of a setting, split at spaces. */
struct words {
    char text[RATE_TEXT_MAX];
    char *word[5];
    unsigned count;
};

static bool split(const char *s, struct words *w)
{
    char *save = NULL;

    w->count = 0;
    if (!s || strlen(s) >= sizeof w->text)
        return false;
    snprintf(w->text, sizeof w->text, "%s", s);
    for (char *p = strtok_r(w->text, " \t", &save); p; p = strtok_r(NULL, " \t", &save)) {
        if (w->count == sizeof w->word / sizeof w->word[0])
            return false;
        w->word[w->count++] = p;
    }
    return w->count > 0;
}

static const struct {
    const char *name;
    int64_t ms;
} periods[] = {
    {"s", 1000},       {"sec", 1000},  {"second", 1000},  {"min", 60000},
    {"minute", 60000}, {"h", 3600000}, {"hour", 3600000}, {"day", DAY_MS},
};

static int64_t period_ms(const char *name)
{
    for (unsigned i = 0; i < sizeof periods / sizeof periods[0]; i++)
        if (text_ieq(name, periods[i].name))
            return periods[i].ms;
    return 0;
}

static bool count_parse(const char *s, int64_t min, int64_t *ret)
{
    int64_t n;

    if (text_to_i64(s, &n) || n < min || n > COUNT_MAX)
        return false;
    *ret = n;
    return true;
}

enum sq_err rate_parse(const char *s, struct rate *ret, struct err_text *e)
{
    struct rate r = {0};
    struct words w;
    char *slash;

    if (!split(s, &w) || !(slash = strchr(w.word[0], '/')))
        return err_set(e, SQ_ERR_INVALID, "expected a rate like \"10/s\" or \"10/s burst 20\"");
    *slash = 0;
    if (!count_parse(w.word[0], 1, &r.count))
        return err_set(e, SQ_ERR_INVALID, "the count of a rate must be 1 to %d", COUNT_MAX);
    r.period_ms = period_ms(slash + 1);
    if (!r.period_ms)
        return err_set(e, SQ_ERR_INVALID, "the period of a rate must be s, min, h or day");
    if (w.count > 1 && !text_ieq(w.word[1], "burst"))
        return err_set(e, SQ_ERR_INVALID, "after the rate only \"burst <n>\" may follow");
    if (w.count > 1 && (w.count != 3 || !count_parse(w.word[2], 0, &r.burst)))
        return err_set(e, SQ_ERR_INVALID, "burst needs one number from 0 to %d", COUNT_MAX);
    *ret = r;
    return SQ_OK;
}

static enum sq_err day_mode_parse(const struct words *w, struct day_cap *d, struct err_text *e)
{
    if (w->count == 1)
        return SQ_OK;
    if (text_ieq(w->word[1], "rolling")) {
        d->mode = DAY_ROLLING;
        return w->count == 2 ? SQ_OK : err_set(e, SQ_ERR_INVALID, "nothing may follow \"rolling\"");
    }
    if (!text_ieq(w->word[1], "calendar"))
        return err_set(e, SQ_ERR_INVALID, "a day is \"calendar [ZONE]\" or \"rolling\"");
    if (w->count == 2)
        return SQ_OK;
    if (w->count > 3 || !tz_name_is_valid(w->word[2]))
        return err_set(e, SQ_ERR_INVALID, "expected one time zone like Europe/Berlin");
    snprintf(d->zone, sizeof d->zone, "%s", w->word[2]);
    return SQ_OK;
}

enum sq_err day_cap_parse(const char *s, struct day_cap *ret, struct err_text *e)
{
    struct day_cap d = {.mode = DAY_CALENDAR, .zone = "UTC"};
    struct words w;
    enum sq_err err;
    char *slash;

    if (!split(s, &w))
        return err_set(e, SQ_ERR_INVALID,
                       "expected a cap like \"2000/day calendar Europe/Berlin\"");
    slash = strchr(w.word[0], '/');
    if (slash)
        *slash = 0;
    if (slash && !text_ieq(slash + 1, "day"))
        return err_set(e, SQ_ERR_INVALID, "a day cap is per day: \"<n>/day\"");
    if (!count_parse(w.word[0], 1, &d.count))
        return err_set(e, SQ_ERR_INVALID, "the count of a day cap must be 1 to %d", COUNT_MAX);
    err = day_mode_parse(&w, &d, e);
    if (!err)
        *ret = d;
    return err;
}

enum sq_err limit_parse(const char *s, struct limit *io, struct err_text *e)
{
    struct words w;
    int64_t n;

    if (!split(s, &w))
        return err_set(e, SQ_ERR_INVALID, "expected a rate, a day cap or \"concurrency <n>\"");
    if (text_ieq(w.word[0], "concurrency")) {
        if (w.count != 2 || !count_parse(w.word[1], 1, &n))
            return err_set(e, SQ_ERR_INVALID, "concurrency needs one number");
        io->concurrency = (unsigned)n;
        return SQ_OK;
    }
    if (strcasestr(w.word[0], "/day") != NULL && (w.count == 1 || !text_ieq(w.word[1], "burst")))
        return day_cap_parse(s, &io->day, e);
    return rate_parse(s, &io->rate, e);
}

static int64_t floor_day(int64_t local_s)
{
    return local_s >= 0 ? local_s / 86400 : -((86399 - local_s) / 86400);
}

/* The day that holds unix_s. Where the clock goes back over midnight, a date comes twice; the day
 * then begins once, with its first minute. */
static int64_t day_of(const struct tz *z, int64_t unix_s)
{
    int64_t next;
    int64_t day = floor_day(unix_s + tz_offset(z, unix_s, &next));

    return tz_day_start(z, day + 1) <= unix_s ? day + 1 : day;
}

enum sq_err day_bounds(const char *zone, int64_t unix_ms, int64_t bounds[4])
{
    struct tz z;
    enum sq_err err;
    int64_t day, before, at[4];

    if (unix_ms < 0 || unix_ms > UNIX_MS_MAX)
        return SQ_ERR_INVALID;
    err = tz_load(zone, &z);
    if (err)
        return err;
    before = day = day_of(&z, unix_ms / 1000);
    at[1] = tz_day_start(&z, day);
    /* Zones that crossed the date line skipped a date: such an empty day is passed over. */
    do
        at[0] = tz_day_start(&z, --before);
    while (at[0] == at[1]);
    for (unsigned i = 2; i < 4; i++)
        do
            at[i] = tz_day_start(&z, ++day);
        while (at[i] == at[i - 1]);
    tz_free(&z);
    for (unsigned i = 0; i < 4; i++)
        bounds[i] = at[i] * 1000;
    return SQ_OK;
}
