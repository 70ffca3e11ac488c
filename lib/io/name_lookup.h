/* Looks a host's name up without holding up the loop. Private to lib/io. */
#ifndef SENDQ_IO_NAME_LOOKUP_H
#define SENDQ_IO_NAME_LOOKUP_H

#include "loop.h"

#define NAME_ADDRESSES 8

/* Addresses as text, IPv4 first; count 0 and `why`: not found. */
struct name_found {
    unsigned count;
    char address[NAME_ADDRESSES][46];
    char why[64];
};

struct name_lookup;
typedef void (*name_cb)(const struct name_found *found, void *arg);

/* cb runs once in a later turn of the loop, after which the look-up is gone. */
struct name_lookup *name_lookup_new(struct loop *loop, const char *name, name_cb cb, void *arg);
/* Gives it up: cb does not run. NULL is fine. */
void name_lookup_free(struct name_lookup *n);
/* True for an IPv4 or IPv6 address, which needs no look-up. */
bool name_is_address(const char *name);

#endif
