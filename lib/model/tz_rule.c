/* POSIX TZ rules: "CET-1CEST,M3.5.0,M10.5.0/3", with RFC 8536's wider hours. */
#include "tz_rule.h"

#include <string.h>

#define DAY_S 86400

/* --- parsing: every function moves *s past what it read and returns false on a fault --- */

static bool read_int(const char **s, int min, int max, int *ret)
{
    int v = 0;
    unsigned digits = 0;

    for (; **s >= '0' && **s <= '9' && digits < 4; digits++)
        v = v * 10 + (*(*s)++ - '0');
    if (!digits || v < min || v > max)
        return false;
    *ret = v;
    return true;
}

static bool read_name(const char **s)
{
    const char *start = *s;

    if (**s == '<') {
        *s += strcspn(*s, ">");
        return *(*s)++ == '>';
    }
    while ((**s >= 'a' && **s <= 'z') || (**s >= 'A' && **s <= 'Z'))
        (*s)++;
    return *s - start >= 3;
}

/* [+-]hh[:mm[:ss]] as seconds. */
static bool read_time(const char **s, int max_hours, int *ret)
{
    int sign = **s == '-' ? -1 : 1;
    int part[3] = {0};

    if (**s == '-' || **s == '+')
        (*s)++;
    for (unsigned i = 0; i < 3; i++) {
        if (i && **s != ':')
            break;
        *s += i > 0;
        if (!read_int(s, 0, i ? 59 : max_hours, &part[i]))
            return false;
    }
    *ret = sign * (part[0] * 3600 + part[1] * 60 + part[2]);
    return true;
}

static bool read_day(const char **s, struct tz_date *d)
{
    if (**s == 'J') {
        (*s)++;
        d->kind = TZ_DAY_JULIAN;
        return read_int(s, 1, 365, &d->day);
    }
    if (**s != 'M') {
        d->kind = TZ_DAY_ZERO;
        return read_int(s, 0, 365, &d->day);
    }
    (*s)++;
    d->kind = TZ_DAY_MONTH;
    return read_int(s, 1, 12, &d->month) && *(*s)++ == '.' && read_int(s, 1, 5, &d->week) &&
           *(*s)++ == '.' && read_int(s, 0, 6, &d->day);
}

static bool read_date(const char **s, struct tz_date *ret)
{
    struct tz_date d = {.time = 2 * 3600};

    if (*(*s)++ != ',' || !read_day(s, &d))
        return false;
    if (**s == '/') {
        (*s)++;
        if (!read_time(s, 167, &d.time))
            return false;
    }
    *ret = d;
    return true;
}

bool tz_rule_parse(const char *s, struct tz *z)
{
    int west;

    if (!read_name(&s) || !read_time(&s, 24, &west))
        return false;
    z->std_offset = -west; /* POSIX counts west of Greenwich */
    z->has_dst = *s != 0;
    z->dst_offset = z->std_offset + 3600;
    if (!*s)
        return true;
    if (!read_name(&s))
        return false;
    if (*s != ',') {
        if (!read_time(&s, 24, &west))
            return false;
        z->dst_offset = -west;
    }
    return read_date(&s, &z->dst_start) && read_date(&s, &z->dst_end) && !*s;
}

/* --- arithmetic --- */

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1970-01-01 to January 1 of a year. */
static int64_t year_day(int64_t year)
{
    int64_t y = year - 1;

    /* Whole 400-year cycles first: the divisions must round down before the year 1 as well. */
    int64_t cycle = y >= 0 ? y / 400 : -((399 - y) / 400);

    y -= cycle * 400;
    return cycle * 146097 + y * 365 + y / 4 - y / 100 + y / 400 - 719162;
}

static int64_t year_of(int64_t unix_s)
{
    int64_t day = unix_s / DAY_S;
    int64_t year = 1970 + day / 366;

    while (year_day(year) > day)
        year--;
    while (year_day(year + 1) <= day)
        year++;
    return year;
}

static int month_length(int month, bool leap)
{
    static const signed char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && leap);
}

/* Days from January 1 to the week-th weekday of the month (5 = the last one). */
static int64_t month_rule_day(const struct tz_date *d, int64_t year)
{
    bool leap = is_leap(year);
    int64_t first = year_day(year); /* 1970-01-01 was a Thursday (4) */
    int64_t day = 0;
    int weekday, in_month;

    for (int m = 1; m < d->month; m++)
        day += month_length(m, leap);
    weekday = (int)(((first + day + 4) % 7 + 7) % 7);
    in_month = (d->day - weekday + 7) % 7 + (d->week - 1) * 7;
    while (in_month >= month_length(d->month, leap))
        in_month -= 7;
    return day + in_month;
}

/* Local seconds since 1970 at which the rule's date falls in a year. */
static int64_t date_at(const struct tz_date *d, int64_t year)
{
    int64_t day = d->day;

    if (d->kind == TZ_DAY_MONTH)
        day = month_rule_day(d, year);
    else if (d->kind == TZ_DAY_JULIAN && !(is_leap(year) && d->day >= 60))
        day = d->day - 1; /* Jn never counts February 29 */
    return (year_day(year) + day) * DAY_S + d->time;
}

int tz_rule_offset(const struct tz *z, int64_t unix_s, int64_t *ret_next)
{
    int64_t year = year_of(unix_s + z->std_offset);
    int64_t last = INT64_MIN, next = TZ_NEVER;
    int offset = z->std_offset;

    for (int64_t y = year - 1; z->has_dst && y <= year + 1; y++) {
        const int64_t at[2] = {date_at(&z->dst_end, y) - z->dst_offset,
                               date_at(&z->dst_start, y) - z->std_offset};

        for (unsigned i = 0; i < 2; i++) {
            /* Of two changes at one instant the later rule wins: summer time all year is
             * written as one that ends where the next begins. */
            if (at[i] <= unix_s && at[i] >= last) {
                last = at[i];
                offset = i ? z->dst_offset : z->std_offset;
            } else if (at[i] > unix_s && at[i] < next) {
                next = at[i];
            }
        }
    }
    *ret_next = next;
    return offset;
}
