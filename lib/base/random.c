/* Random numbers from the kernel, fetched in blocks. */
#include "crypto.h"
#include "uuid.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* One system call per id would cost more than all the rest of making one, hence the pool. It is
 * the one tolerated static: a source of randomness is process-wide by nature, and passing a pool
 * through every signature that may need an id would buy nothing. Per thread, so no lock. */
struct pool {
    unsigned char bytes[4096];
    size_t left;
};
static _Thread_local struct pool pool;

static void fetch(unsigned char *p, size_t n)
{
    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);

        if (got < 0 && errno != EINTR)
            abort(); /* no ids can be trusted to be unique any more */
        if (got > 0) {
            p += got;
            n -= (size_t)got;
        }
    }
}

void random_bytes(void *p, size_t n)
{
    unsigned char *from;

    if (n > sizeof(pool.bytes)) {
        fetch(p, n);
        return;
    }
    if (pool.left < n) {
        fetch(pool.bytes, sizeof(pool.bytes));
        pool.left = sizeof(pool.bytes);
    }
    pool.left -= n;
    from = pool.bytes + pool.left;
    memcpy(p, from, n);
    memset(from, 0, n); /* what was handed out may be a token: keep no copy */
}

void random_hex(unsigned n, char *ret)
{
    unsigned char part[32];

    *ret = '\0';
    while (n > 0) {
        unsigned take = n < sizeof(part) ? n : (unsigned)sizeof(part);

        random_bytes(part, take);
        crypto_hex(part, take, ret);
        ret += (size_t)take * 2;
        n -= take;
    }
}

uint64_t random_below(uint64_t below)
{
    /* 2^64 mod below: numbers under it would make the small results likelier. */
    uint64_t skip = (0 - below) % below, v;

    do
        random_bytes(&v, sizeof(v));
    while (v < skip);
    return v % below;
}
