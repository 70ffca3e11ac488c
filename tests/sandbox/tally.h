/* Totals of one dialect, over all requests since the last reset (not only those still kept). */
#ifndef SENDQ_TESTS_SANDBOX_TALLY_H
#define SENDQ_TESTS_SANDBOX_TALLY_H

#include "buf.h"
#include "map.h"
#include "record.h"

#define TALLY_STATUS_END 600
/* Distinct identities counted per dialect; those beyond are only counted as untracked. */
#define TALLY_IDS_MAX ((size_t)4000000)

struct tally {
    uint64_t requests, accepted, untracked;
    uint64_t by_status[TALLY_STATUS_END]; /* [0] = no answer */
    struct map ids;                       /* identity -> uint64_t accepted answers, in counts */
    struct arena counts;
    uint64_t in_flight, in_flight_max; /* arrived, but not answered yet */
};

void tally_arrive(struct tally *t); /* one more in flight */
void tally_leave(struct tally *t);  /* one less */
void tally_count(struct tally *t, const struct record *r);
void tally_clear(struct tally *t); /* all but what is in flight; frees all it holds */
/* Accepted answers beyond the first of each identity. */
uint64_t tally_duplicates(const struct tally *t);
void tally_print(const struct tally *t, struct buf *out);     /* the members of /_control/stats */
void tally_print_ids(const struct tally *t, struct buf *out); /* "id":count,... */

#endif
