/* HTTP dates (RFC 9110 5.6.7), as in Retry-After: the current form and the two obsolete ones. */
#include "civil.h"
#include "timefmt.h"
#include <stdbool.h>
#include <string.h>

enum { PIVOT_YEAR = 70 }; /* two-digit years from here on are 19xx: nothing is older than Unix */

static int month_number(const char *name)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (int i = 0; i < 12; i++) {
        if (strncmp(name, names + 3 * i, 3) == 0)
            return i + 1;
    }
    return 0;
}

/* Length of the day's name at s: the long form (RFC 850) or the short one; 0 if neither. */
static size_t day_name(const char *s, bool is_long)
{
    static const char *const names[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                        "Friday", "Saturday", "Sunday"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        size_t len = is_long ? strlen(names[i]) : 3;

        if (strncmp(s, names[i], len) == 0)
            return len;
    }
    return 0;
}

/* The field a letter of a picture stands for, or NULL. */
static int *field_of(struct civil *c, char letter)
{
    switch (letter) {
    case 'd':
        return &c->day;
    case 'y':
        return &c->year;
    case 'h':
        return &c->hour;
    case 'm':
        return &c->minute;
    case 's':
        return &c->second;
    default:
        return NULL;
    }
}

/* Matches s against a picture: d y h m s take a digit each, b a month's three letters, all else
 * stands for itself. A NUL in s matches nothing, so no step passes it. */
static bool match(const char *s, const char *picture, struct civil *c)
{
    *c = (struct civil){0};
    for (; *picture; picture++) {
        int *field = field_of(c, *picture);

        if (*picture == 'b') {
            c->month = month_number(s);
            if (c->month == 0)
                return false;
            s += 3;
        } else if (field) {
            if (*s < '0' || *s > '9')
                return false;
            *field = *field * 10 + (*s++ - '0');
        } else if (*s++ != *picture) {
            return false;
        }
    }
    return *s == '\0';
}

static bool parse_any(const char *s, struct civil *c)
{
    size_t shorter = day_name(s, false), longer = day_name(s, true);

    if (shorter && (match(s + shorter, ", dd b yyyy hh:mm:ss GMT", c) ||
                    match(s + shorter, " b dd hh:mm:ss yyyy", c) ||
                    match(s + shorter, " b  d hh:mm:ss yyyy", c)))
        return true;
    if (!longer || !match(s + longer, ", dd-b-yy hh:mm:ss GMT", c))
        return false;
    c->year += c->year < PIVOT_YEAR ? 2000 : 1900;
    return true;
}

enum sq_err time_parse_http(const char *s, int64_t *ret_unix_ms)
{
    struct civil c;

    if (!s || !parse_any(s, &c))
        return SQ_ERR_INVALID;
    if (c.second == 60) /* a leap second; Unix time has none */
        c.second = 59;
    if (!civil_is_valid(&c))
        return SQ_ERR_INVALID;
    *ret_unix_ms = civil_to_ms(&c);
    return SQ_OK;
}
