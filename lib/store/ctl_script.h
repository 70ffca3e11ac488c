/* The scripts of the operator's tool. The daemon's own are the store's business. */
#ifndef SENDQ_STORE_CTL_SCRIPT_H
#define SENDQ_STORE_CTL_SCRIPT_H

enum ctl_script {
    CTL_SCRIPT_RETRY,
    CTL_SCRIPT_SENDER,
    CTL_SCRIPT_REQUEUE,
    CTL_SCRIPT_PURGE,
    CTL_SCRIPT_LEADS,
    CTL_SCRIPT_BULK,
    CTL_SCRIPT_FSCK,
    CTL_SCRIPT_FSCK_COUNTS,
};

/* Text for EVAL. KEYS and the first three ARGV are those of every script (common.lua). */
const char *ctl_script_text(enum ctl_script s);

#endif
