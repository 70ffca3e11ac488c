/* Inside of the store: script calls and their argument vectors. Only lib/store includes it. */
#ifndef SENDQ_STORE_STORE_IMPL_H
#define SENDQ_STORE_STORE_IMPL_H

#include "buf.h"
#include "clock_offset.h"
#include "redis_reply.h"
#include "resp.h"
#include "store.h"

enum script {
    SCRIPT_TAKE,
    SCRIPT_ACCEPT,
    SCRIPT_CLAIM,
    SCRIPT_START,
    SCRIPT_FINISH,
    SCRIPT_RECOVER,
    SCRIPT_CONFIGURE,
    SCRIPT_LEAVE,
    SCRIPT_OVERVIEW,
    SCRIPT_EXPAND,
    SCRIPT_CHARGE,
    SCRIPT_COUNT
};

struct store {
    struct store_opts opts;
    char *ns, *worker_name;
    char worker_id[33];
    struct buf retire; /* identities before this one, until all they held is brought back */
    bool registering;  /* the last call to recover; else it was a beat */
    bool refused;      /* it was, and its identity can be tried again */
    struct store_settings settings;
    struct redis_link *link, *bell;
    struct buf prefix;
    struct resp args; /* the call being written */
    char sha[SCRIPT_COUNT][41];
    char error[256];
    bool scripts_refused;      /* since the last NOSCRIPT; `error` says why */
    struct clock_offset clock; /* Redis' clock minus the monotonic clock */
};

/* One script call under way. The typed callback is kept in `cb` and called by `deliver`. */
struct store_call;
typedef void (*store_deliver)(struct store *s, struct store_call *call, enum store_status st,
                              const struct redisReply *reply);

struct store_call {
    struct store *store;
    enum script script;
    store_deliver deliver;
    void (*cb)(void); /* cast back by deliver */
    void *arg;
    int64_t sent_us; /* monotonic */
};

/* Begins a call: EVALSHA <sha> 1 <prefix> and the arguments common to all scripts. */
struct resp *args_begin(struct store *s, struct resp *a, enum script script); /* returns a */
/* Sends what was built. */
enum sq_err args_send(struct store *s, struct resp *a, enum script script, store_deliver deliver,
                      void (*cb)(void), void *arg) SQ_MUST_CHECK;

/* Whether the request left, and what that says of the provider. */
void args_zones(struct resp *a, const struct store_claim *req);
void args_flags(struct resp *a, const struct store_finish *f);
/* The recipients of bulks among what is to be finished, in groups (store_bulk.c). */
void args_refs(struct store *s, const struct store_finish *items, size_t count);

/* Notes Redis' time from the answer to a call. */
void store_see_clock(struct store *s, const struct store_call *call, int64_t redis_us);

#endif
