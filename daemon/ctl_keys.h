/* Keys and signals that end a live view. */
#ifndef SENDQ_DAEMON_CTL_KEYS_H
#define SENDQ_DAEMON_CTL_KEYS_H

#include "ctl.h"
#include <termios.h>

struct ctl_keys {
    struct termios before;
    bool raw;    /* the terminal was changed */
    int signals; /* a signalfd: SIGINT, SIGTERM, SIGHUP end it, SIGWINCH redraws */
};

/* From now on keys come at once and unseen, if standard input is a terminal. */
void ctl_keys_begin(struct ctl_keys *k);
void ctl_keys_end(struct ctl_keys *k);
/* Waits, less long where there is a reason to redraw; false: it is to end. */
bool ctl_keys_wait(struct ctl_keys *k, int64_t ms);

#endif
