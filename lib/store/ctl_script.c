/* The scripts of the operator's tool, as text. */
#include "ctl_script.h"

#include "scripts_embedded.h"

static const char *const texts[] = {
    [CTL_SCRIPT_RETRY] = script_ctl_retry,     [CTL_SCRIPT_SENDER] = script_ctl_sender,
    [CTL_SCRIPT_REQUEUE] = script_ctl_requeue, [CTL_SCRIPT_PURGE] = script_ctl_purge,
    [CTL_SCRIPT_LEADS] = script_ctl_leads,     [CTL_SCRIPT_BULK] = script_ctl_bulk,
    [CTL_SCRIPT_FSCK] = script_ctl_fsck,       [CTL_SCRIPT_FSCK_COUNTS] = script_ctl_fsck_counts,
};

const char *ctl_script_text(enum ctl_script s)
{
    return texts[s];
}
