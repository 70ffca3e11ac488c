/* Remembers the last texts by their hash: a problem that lasts must not fill the log, nor two that
 * alternate. */
#include "repeats.h"

#include "siphash.h"
#include <string.h>

static uint64_t hash_of(const char *text)
{
    static const unsigned char seed[16] = {
        0}; /* the texts are ours: nobody picks them to collide */
    uint64_t hash = siphash13(text, strlen(text), seed);

    return hash != 0 ? hash : 1;
}

/* The text's place, or the one to be used for it: a free one, else the oldest. */
static struct repeated *find(struct repeats *r, uint64_t hash)
{
    struct repeated *oldest = &r->texts[0];

    for (int i = 0; i < REPEATS_TEXTS; i++) {
        struct repeated *t = &r->texts[i];

        if (t->hash == hash)
            return t;
        if (oldest->hash != 0 && (t->hash == 0 || t->passed_us < oldest->passed_us))
            oldest = t;
    }
    return oldest;
}

bool repeats_pass(struct repeats *r, const char *text, int64_t now_us, unsigned *ret_held)
{
    uint64_t hash = hash_of(text);
    struct repeated *t = find(r, hash);
    bool known = t->hash == hash;

    if (known && now_us - t->passed_us < REPEATS_US) {
        t->held++;
        return false;
    }
    *ret_held = known ? t->held : 0;
    *t = (struct repeated){.hash = hash, .passed_us = now_us};
    return true;
}
