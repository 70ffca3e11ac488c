/* What Vonage's two APIs answer. */
#ifndef SENDQ_PROVIDERS_VONAGE_ANSWER_H
#define SENDQ_PROVIDERS_VONAGE_ANSWER_H

#include "json.h"
#include "provider.h"

/* The SMS API: 200 with a status for each part. */
void vonage_judge_sms(const struct build_ctx *ctx, const struct response *r, const cJSON *answer,
                      struct outcome *o);
/* The Messages API: 202 {"message_uuid"}, or a problem whose type ends with "#<code>". */
void vonage_judge_message(const struct build_ctx *ctx, const struct response *r,
                          const cJSON *answer, struct outcome *o);

#endif
