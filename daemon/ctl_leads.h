/* The verbs of sendqctl leads that have a file of their own. */
#ifndef SENDQ_DAEMON_CTL_LEADS_H
#define SENDQ_DAEMON_CTL_LEADS_H

#include "ctl.h"

enum ctl_exit ctl_leads_import(struct ctl *c);
enum ctl_exit ctl_leads_count(struct ctl *c);

#endif
