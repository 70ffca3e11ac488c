/* Quiet hours by local clocks. */
#include "quiet.h"

#include <ctype.h>
#include <string.h>

#define DAY_S 86400
/* More often than the clock can change within one night. */
#define STEPS_MAX 8

/* "HH:MM" in minutes; 24:00 is the day's end. */
static bool time_read(const char *s, int *ret)
{
    if (!isdigit((unsigned char)s[0]) || !isdigit((unsigned char)s[1]) || s[2] != ':' ||
        !isdigit((unsigned char)s[3]) || !isdigit((unsigned char)s[4]))
        return false;
    *ret = ((s[0] - '0') * 10 + s[1] - '0') * 60 + (s[3] - '0') * 10 + s[4] - '0';
    return *ret <= 24 * 60 && s[3] < '6';
}

enum sq_err quiet_parse(const char *s, struct quiet_hours *ret, struct err_text *e)
{
    struct quiet_hours q;

    if (strlen(s) != strlen("22:00-08:00") || s[5] != '-' || !time_read(s, &q.from) ||
        !time_read(s + 6, &q.to) || q.from == q.to || q.to - q.from == 24 * 60)
        return err_set(e, SQ_ERR_INVALID, "expected two times such as 22:00-08:00");
    *ret = q;
    return SQ_OK;
}

/* Seconds since local midnight. */
static int64_t time_of_day(const struct tz *z, int64_t unix_s)
{
    int64_t next, s = (unix_s + tz_offset(z, unix_s, &next)) % DAY_S;

    return s < 0 ? s + DAY_S : s;
}

static bool is_quiet(const struct quiet_hours *q, int64_t second)
{
    int64_t from = q->from * INT64_C(60), to = q->to * INT64_C(60);

    if (from < to)
        return second >= from && second < to;
    return second >= from || second < to;
}

int64_t quiet_end(const struct quiet_hours *q, const struct tz *z, int64_t unix_ms)
{
    int64_t t = unix_ms / 1000;

    for (unsigned i = 0; q->from != q->to && i < STEPS_MAX; i++) {
        int64_t second = time_of_day(z, t), change, wait;

        if (!is_quiet(q, second))
            break;
        wait = (q->to * INT64_C(60) - second + DAY_S) % DAY_S;
        (void)tz_offset(z, t, &change);
        /* By this offset; where it changes before, the rest is counted anew from there. */
        t = change > t && change - t < wait ? change : t + wait;
    }
    return t > unix_ms / 1000 ? t * 1000 : unix_ms;
}
