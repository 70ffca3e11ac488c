/* sendqctl fsck, in parts: what they share. */
#ifndef SENDQ_DAEMON_CTL_FSCK_H
#define SENDQ_DAEMON_CTL_FSCK_H

#include "ctl.h"
#include "map.h"

/* Ids by how often they were seen, as 64-bit hashes: 16 bytes or so each, however long they are. */
struct seen_slot {
    uint64_t hash;
    uint32_t times;
};

struct seen {
    struct seen_slot *slots;
    size_t count, cap;
    unsigned char seed[16];
};

uint32_t seen_add(struct seen *s, const char *id); /* how often before */
uint32_t seen_times(const struct seen *s, const char *id);
void seen_clear(struct seen *s);

/* What the references of one bulk come to. */
struct fsck_bulk {
    int64_t ready, other, leased;
};

/* One counter of one day: what it says before and after the records were counted. */
struct fsck_tally {
    int64_t before, after, records;
};

struct fsck {
    struct ctl *c;
    const char *mend, *retention; /* as the script takes them */
    struct seen queued, final; /* ids in ready queues; final messages, once they are counted anew */
    struct map queues, workers; /* names; the values say nothing */
    struct map bulks;           /* struct fsck_bulk */
    struct map senders;         /* int64_t: further references in their queues */
    struct map tally;           /* struct fsck_tally by "<day> <counter>" */
    struct map others;          /* beginnings of unknown names: f = a namespace of its own */
    int64_t messages, bulk_count, findings, repaired, unchecked;
    bool again; /* the records are counted a second time: what is wrong with them was said */
};

/* Looks by the script, and tells what it finds. Returns what the look itself returns. */
struct fsck_answer {
    const struct redisReply *first, *second;
};
struct fsck_answer fsck_look(struct fsck *f, enum ctl_script s, const char *look,
                             const char *const *args, size_t count);
void fsck_finding(struct fsck *f, const char *kind, const char *key, const char *what,
                  bool repaired);

/* Names for one look of CTL_SCRIPT_FSCK, gathered as far as one call takes them. `fixed` stands in
 * front of all. */
#define FSCK_BATCH 500
struct fsck_batch {
    const char *look, *fixed;
    size_t count;
    const char *names[FSCK_BATCH + 2];
};
/* What to do with a look's answer; NULL = nothing. */
typedef void (*fsck_on_answer)(struct fsck *f, struct fsck_answer a);
void fsck_batch_add(struct fsck *f, struct fsck_batch *b, const char *name, fsck_on_answer done);
void fsck_batch_end(struct fsck *f, struct fsck_batch *b, fsck_on_answer done);

/* How many recipients an element of a queue stands for: "*<bulk>" NUL <attempts> NUL <count> NUL
 * <leads>; -1 = it is a message's id. */
int64_t fsck_reference_count(const struct redisReply *element);

/* The parts, in the order in which they run. */
void fsck_scan_keys(struct fsck *f);     /* the names of what there is; what belongs to nobody */
void fsck_read_places(struct fsck *f);   /* queues, sets and slices, entry by entry */
void fsck_check_bulks(struct fsck *f);   /* sums, ledgers, references; adds to the tally */
void fsck_check_senders(struct fsck *f); /* turns, places in use */
void fsck_scan_messages(struct fsck *f); /* every message and its place; adds to the tally */

void fsck_tally_open(struct fsck *f); /* reads the counters before ... */
void fsck_tally_add(struct fsck *f, const struct redisReply *counts);
void fsck_tally_close(struct fsck *f); /* ... and after the records are counted */
bool fsck_tally_differs(const struct fsck *f);
void fsck_tally_tell(struct fsck *f);

#endif
