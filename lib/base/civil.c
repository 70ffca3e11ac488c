/* Calendar arithmetic, without libc: gmtime and timegm cost more and timegm reads the zone.
 *
 * A year is counted from 1 March here, so that the leap day is its last and every month's start
 * follows from one linear formula (153 days in five months). 400 years are one cycle. */
#include "civil.h"

enum { DAYS_CYCLE = 146097, DAYS_TO_1970 = 719468 /* from 0000-03-01 */ };

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

bool civil_is_valid(const struct civil *c)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    if (c->month < 1 || c->month > 12 || c->day < 1)
        return false;
    if (c->day > days[c->month - 1] + (c->month == 2 && is_leap(c->year)))
        return false;
    return c->hour >= 0 && c->hour <= 23 && c->minute >= 0 && c->minute <= 59 && c->second >= 0 &&
           c->second <= 59;
}

int64_t civil_to_ms(const struct civil *c)
{
    int64_t year = c->month > 2 ? c->year : c->year - 1;
    int64_t cycle = (year >= 0 ? year : year - 399) / 400;
    int64_t in_cycle = year - cycle * 400;
    int64_t month = c->month > 2 ? c->month - 3 : c->month + 9;
    int64_t in_year = (153 * month + 2) / 5 + c->day - 1;
    int64_t in_days = in_cycle * 365 + in_cycle / 4 - in_cycle / 100 + in_year;
    int64_t days = cycle * DAYS_CYCLE + in_days - DAYS_TO_1970;

    return (((days * 24 + c->hour) * 60 + c->minute) * 60 + c->second) * 1000 + c->ms;
}

static void set_date(int64_t days, struct civil *ret)
{
    int64_t shifted = days + DAYS_TO_1970;
    int64_t cycle = (shifted >= 0 ? shifted : shifted - (DAYS_CYCLE - 1)) / DAYS_CYCLE;
    int64_t in_days = shifted - cycle * DAYS_CYCLE;
    int64_t year = (in_days - in_days / 1460 + in_days / 36524 - in_days / 146096) / 365;
    int64_t in_year = in_days - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * in_year + 2) / 153;

    ret->day = (int)(in_year - (153 * month + 2) / 5 + 1);
    ret->month = (int)(month < 10 ? month + 3 : month - 9);
    ret->year = (int)(year + cycle * 400 + (ret->month <= 2));
}

void civil_from_ms(int64_t unix_ms, struct civil *ret)
{
    enum { DAY_MS = 86400000 };
    int64_t days = unix_ms / DAY_MS, rest = unix_ms % DAY_MS;

    if (rest < 0) {
        rest += DAY_MS;
        days--;
    }
    set_date(days, ret);
    ret->ms = (int)(rest % 1000);
    ret->second = (int)(rest / 1000 % 60);
    ret->minute = (int)(rest / 60000 % 60);
    ret->hour = (int)(rest / 3600000);
}
