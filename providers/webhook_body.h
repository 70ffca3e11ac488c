/* The body of a webhook: a template with {{field}} places, or all fields of the message. */
#ifndef SENDQ_PROVIDERS_WEBHOOK_BODY_H
#define SENDQ_PROVIDERS_WEBHOOK_BODY_H

#include "provider.h"

enum body_form { BODY_JSON, BODY_URLENCODED };

/* Checks a template without a message: every {{field}} is closed and known; as JSON it is JSON
 * with any values. */
enum sq_err webhook_template_check(const char *template, enum body_form form,
                                   struct err_text *e) SQ_MUST_CHECK;

/* Appends the filled template. In JSON, a {{field}} inside quotes becomes escaped text, outside
 * them a JSON value of its own kind (null when absent); in a form, urlencoded text. Refuses a
 * message with attachments or media where the template has no place for them. */
enum sq_err webhook_template_fill(const char *template, enum body_form form,
                                  const struct build_ctx *ctx, const struct message *m,
                                  struct buf *out, struct err_text *e) SQ_MUST_CHECK;

/* Appends all fields that the message has. */
enum sq_err webhook_all_fields(enum body_form form, const struct build_ctx *ctx,
                               const struct message *m, struct buf *out,
                               struct err_text *e) SQ_MUST_CHECK;

#endif
