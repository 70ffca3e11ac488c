/* The verbs of sendqctl leads that have a file of their own. */
#ifndef SENDQ_DAEMON_CTL_LEADS_H
#define SENDQ_DAEMON_CTL_LEADS_H

#include "ctl.h"
#include "lead.h"

/* Reads a lead. SQ_ERR_NOT_FOUND: there is none; any other error: it cannot be used. l is begun in
 * any case. */
enum sq_err ctl_lead_read(struct ctl *c, const char *id, struct lead *l,
                          struct err_text *e) SQ_MUST_CHECK;

enum ctl_exit ctl_leads_import(struct ctl *c);
enum ctl_exit ctl_leads_count(struct ctl *c);

#endif
