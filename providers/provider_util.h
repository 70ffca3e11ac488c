/* What several providers need for building requests and reading answers. */
#ifndef SENDQ_PROVIDERS_PROVIDER_UTIL_H
#define SENDQ_PROVIDERS_PROVIDER_UTIL_H

#include "json.h"
#include "provider.h"

/* A cap against absurd answers only: the daemon clamps to its own setting. */
#define PROVIDER_RETRY_AFTER_MAX_MS ((int64_t)24 * 60 * 60 * 1000)

/* --- building --- */

/* Starts a POST to the sender's endpoint + path with this Content-Type. The caller may append to
 * r->url afterwards. */
enum sq_err provider_begin(const struct build_ctx *ctx, const char *path, const char *content_type,
                           struct request *r, struct err_text *e) SQ_MUST_CHECK;
/* The end of every build: refuses (too_large) a request of which some part was over its cap. */
enum sq_err provider_finish(const struct request *r, struct err_text *e) SQ_MUST_CHECK;

/* The message's own from, else the sender's; NULL when there is none. */
const char *provider_from(const struct build_ctx *ctx, const struct message *m);
const char *provider_from_name(const struct build_ctx *ctx, const struct message *m);

/* A mail's To as an RFC 5322 list, with display names where it has some; "" when there is none. */
const char *provider_to(const struct message *m);

/* Fails with the first field that the message has and `provider` cannot express. */
struct provider_refusal {
    enum msg_text field;
    const char *name; /* as it is called in the error */
};
enum sq_err provider_refuse(const struct message *m, const struct provider_refusal *fields,
                            unsigned count, const char *provider, struct err_text *e) SQ_MUST_CHECK;

/* Appends a JSON member that is an array of strings; nothing when the list is empty. */
void provider_json_list(struct buf *b, const char *name, const struct str_list *list);
/* Appends the message's attachments as an array of objects of what each one has. */
void provider_json_attachments(struct buf *b, const struct message *m);

/* --- reading --- */

/* The answer as JSON; NULL when it is none, or was cut. Free with json_free. */
cJSON *provider_answer(const struct response *r);
/* Keeps a provider's message id: a string or a number of sane length. Else leaves it alone. */
void provider_set_id(struct outcome *o, const cJSON *id);
void provider_set_id_text(struct outcome *o, const char *id);
/* The words of an error answer in one of the common shapes: {"message"}, {"error": "words"} or
 * {"error": {"message"}}; NULL if it has none. */
const char *provider_error_words(const cJSON *answer);
/* Appends what the provider said (": said") to the outcome's text, the sender's secrets masked.
 * NULL and "" add nothing. */
void provider_say(const struct build_ctx *ctx, struct outcome *o, const char *said);

#endif
