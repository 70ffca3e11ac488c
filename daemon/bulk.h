/* What a worker keeps of a bulk while it sends: its content, compiled once. */
#ifndef SENDQ_DAEMON_BULK_H
#define SENDQ_DAEMON_BULK_H

#include "attempt.h"
#include "fill.h"
#include "store_bulk.h"

struct bulk {
    char id[sizeof(((struct message *)NULL)->id)];
    char space[UUID_TEXT]; /* namespace of its recipients' ids */
    bool is_readable;
    struct message message; /* the texts that are the same for all are here */
    struct letter letter;   /* the others */
    unsigned shards;        /* of its ledger */
    unsigned refs;
    struct buf packed;
    struct arena arena;
};

/* A bulk as it was read, with one reference. What cannot be read is not readable. */
struct bulk *bulk_new(const char *id, const struct store_bulk *stored);
struct bulk *bulk_ref(struct bulk *b);
void bulk_unref(struct bulk *b); /* NULL is fine */

/* Compiles the message's texts; e says what is wrong with them. */
enum sq_err bulk_compile(const struct message *m, struct arena *a, struct letter *ret,
                         struct err_text *e) SQ_MUST_CHECK;
/* Makes t the attempt for one lead: everything but what the directory has to say. */
void bulk_begin(struct bulk *b, const char *lead, struct attempt *t);
/* The ledger that has the lead. */
unsigned bulk_shard(const struct bulk *b, const char *lead);

#endif
