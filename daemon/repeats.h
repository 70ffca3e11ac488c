/* Which log lines are repetitions: each text passes once in a while, the others are counted. */
#ifndef SENDQ_DAEMON_REPEATS_H
#define SENDQ_DAEMON_REPEATS_H

#include <stdbool.h>
#include <stdint.h>

#define REPEATS_US 10000000 /* one text passes once in this time */
#define REPEATS_TEXTS 16    /* remembered; beyond, the one heard longest ago is forgotten */

/* Zero-initialise. */
struct repeats {
    struct repeated {
        uint64_t hash; /* 0 = free */
        int64_t passed_us;
        unsigned held;
    } texts[REPEATS_TEXTS];
};

/* True: to be logged; *ret_held is how often it was held back since it passed last. */
bool repeats_pass(struct repeats *r, const char *text, int64_t now_us, unsigned *ret_held);

#endif
