/* Files that were fetched for a message whose slot passed meanwhile: kept until it comes again. */
#ifndef SENDQ_DAEMON_KEPT_H
#define SENDQ_DAEMON_KEPT_H

#include "files.h"
#include "list.h"

struct kept_files {
    struct list all; /* the newest first */
    unsigned count;
    size_t bytes; /* of all files */
};

void kept_init(struct kept_files *k);
void kept_done(struct kept_files *k);
/* Takes the files; now_us is monotonic. */
void kept_add(struct kept_files *k, const char *id, struct files *files, int64_t now_us);
/* The message's files, which are the caller's then; NULL = there are none. */
struct files *kept_take(struct kept_files *k, const char *id);
/* Drops what is too old or too much. wanted: others wait for the memory. */
void kept_drop_old(struct kept_files *k, bool wanted, int64_t now_us);

#endif
