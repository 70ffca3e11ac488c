/* Days and the proleptic Gregorian calendar; private to this floor. */
#ifndef SENDQ_BASE_CIVIL_H
#define SENDQ_BASE_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

/* A broken-down UTC time. */
struct civil {
    int year, month, day; /* month and day from 1 */
    int hour, minute, second, ms;
};

/* False if a field is out of range (second up to 59; a leap second is the caller's affair). */
bool civil_is_valid(const struct civil *c);
int64_t civil_to_ms(const struct civil *c);
void civil_from_ms(int64_t unix_ms, struct civil *ret);

#endif
