/* RFC 3339 times: printed by hand (every record has several) and parsed strictly. */
#include "timefmt.h"
#include "civil.h"
#include <stdbool.h>
#include <string.h>

#define MS_LAST 253402300799999 /* 9999-12-31T23:59:59.999Z */

/* Writes v in n digits, returns the end. */
static char *put_digits(char *to, int v, int n)
{
    for (int i = n - 1; i >= 0; i--) {
        to[i] = (char)('0' + v % 10);
        v /= 10;
    }
    return to + n;
}

static char *put_date(char *to, const struct civil *c)
{
    to = put_digits(to, c->year, 4);
    *to++ = '-';
    to = put_digits(to, c->month, 2);
    *to++ = '-';
    return put_digits(to, c->day, 2);
}

static char *put_time(char *to, const struct civil *c)
{
    *to++ = 'T';
    to = put_digits(to, c->hour, 2);
    *to++ = ':';
    to = put_digits(to, c->minute, 2);
    *to++ = ':';
    return put_digits(to, c->second, 2);
}

static void split_clamped(int64_t unix_ms, struct civil *ret)
{
    civil_from_ms(unix_ms < 0 ? 0 : unix_ms > MS_LAST ? MS_LAST : unix_ms, ret);
}

void time_format(int64_t unix_ms, char ret[TIME_TEXT])
{
    struct civil c;
    char *to;

    split_clamped(unix_ms, &c);
    to = put_time(put_date(ret, &c), &c);
    *to++ = '.';
    to = put_digits(to, c.ms, 3);
    *to++ = 'Z';
    *to = '\0';
}

void time_format_seconds(int64_t unix_ms, char ret[TIME_TEXT])
{
    struct civil c;
    char *to;

    split_clamped(unix_ms, &c);
    to = put_time(put_date(ret, &c), &c);
    *to++ = 'Z';
    *to = '\0';
}

void time_format_day(int64_t unix_ms, char ret[11])
{
    struct civil c;

    split_clamped(unix_ms, &c);
    *put_date(ret, &c) = '\0';
}

/* A cursor over the text. Every take_* returns false at the first character that does not fit;
 * the terminating NUL never does, so no step passes it. */
struct cursor {
    const char *at;
};

static bool take_digits(struct cursor *cur, int n, int *ret)
{
    int v = 0;

    for (int i = 0; i < n; i++, cur->at++) {
        if (*cur->at < '0' || *cur->at > '9')
            return false;
        v = v * 10 + (*cur->at - '0');
    }
    *ret = v;
    return true;
}

static bool take_one_of(struct cursor *cur, const char *set)
{
    if (*cur->at == '\0' || !strchr(set, *cur->at))
        return false;
    cur->at++;
    return true;
}

/* ".123456" or nothing; digits past the milliseconds are cut. */
static bool take_fraction(struct cursor *cur, int *ret_ms)
{
    int ms = 0, n = 0;

    *ret_ms = 0;
    if (!take_one_of(cur, "."))
        return true;
    for (; *cur->at >= '0' && *cur->at <= '9'; cur->at++, n++) {
        if (n < 3)
            ms = ms * 10 + (*cur->at - '0');
    }
    for (int i = n; i < 3; i++)
        ms *= 10;
    *ret_ms = ms;
    return n > 0;
}

/* "Z" or "+hh:mm", in minutes east of UTC. */
static bool take_offset(struct cursor *cur, int *ret_minutes)
{
    int sign = *cur->at == '-' ? -1 : 1, hours, minutes;

    if (take_one_of(cur, "Zz")) {
        *ret_minutes = 0;
        return true;
    }
    if (!take_one_of(cur, "+-") || !take_digits(cur, 2, &hours) || !take_one_of(cur, ":") ||
        !take_digits(cur, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ret_minutes = sign * (hours * 60 + minutes);
    return true;
}

static bool take_civil(struct cursor *cur, struct civil *c)
{
    return take_digits(cur, 4, &c->year) && take_one_of(cur, "-") &&
           take_digits(cur, 2, &c->month) && take_one_of(cur, "-") &&
           take_digits(cur, 2, &c->day) && take_one_of(cur, "Tt ") &&
           take_digits(cur, 2, &c->hour) && take_one_of(cur, ":") &&
           take_digits(cur, 2, &c->minute) && take_one_of(cur, ":") &&
           take_digits(cur, 2, &c->second) && take_fraction(cur, &c->ms);
}

enum sq_err time_parse(const char *s, int64_t *ret_unix_ms)
{
    struct cursor cur = {s};
    struct civil c, utc;
    bool leap_second;
    int offset;
    int64_t ms;

    if (!s || !take_civil(&cur, &c) || !take_offset(&cur, &offset) || *cur.at)
        return SQ_ERR_INVALID;
    /* Unix time has no 23:59:60; the last millisecond before it is the nearest that exists. */
    leap_second = c.second == 60;
    if (leap_second) {
        c.second = 59;
        c.ms = 999;
    }
    if (!civil_is_valid(&c))
        return SQ_ERR_INVALID;
    ms = civil_to_ms(&c) - (int64_t)offset * 60000;
    civil_from_ms(ms, &utc);
    if (leap_second && (utc.hour != 23 || utc.minute != 59))
        return SQ_ERR_INVALID;
    *ret_unix_ms = ms;
    return SQ_OK;
}
