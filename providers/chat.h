/* What providers of chats share: fields that no chat has, and messages that take several steps
 * because a chat takes a text and each file one at a time. */
#ifndef SENDQ_PROVIDERS_CHAT_H
#define SENDQ_PROVIDERS_CHAT_H

#include "json.h"
#include "media.h"
#include "provider.h"

/* Refuses each field of the message that is not in `carried` (bits 1 << MSG_...), cc and bcc, and
 * a sender address other than the configured one. */
enum sq_err chat_refuse(const struct message *m, const struct build_ctx *ctx, uint32_t carried,
                        struct err_text *e) SQ_MUST_CHECK;

/* Refuses (too_large) a text of more than max characters. NULL is fine. */
enum sq_err chat_text_max(const char *text, size_t max, struct err_text *e) SQ_MUST_CHECK;
/* An Authorization header with this token. */
enum sq_err chat_bearer(struct request *r, const char *token, struct err_text *e) SQ_MUST_CHECK;

/* A template that the provider keeps: {"template": {"name", "language", ...}} in the message's
 * metadata. *ret_metadata owns it (json_free); NULL = the message is none. */
const cJSON *chat_template(const struct message *m, cJSON **ret_metadata);

/* How a provider takes texts and files. */
struct chat_rule {
    size_t caption_max;     /* characters of text that go with the first file; 0 = none */
    unsigned caption_kinds; /* MEDIA_BITs of files that take one */
    bool uploads;           /* a file in base64 is uploaded in a step of its own; else refused */
};

enum chat_step_kind { CHAT_TEXT, CHAT_UPLOAD, CHAT_FILE };

/* One step of a send. */
struct chat_step {
    enum chat_step_kind kind;
    enum media_kind media;
    const char *url;               /* CHAT_FILE by URL */
    const struct attachment *file; /* CHAT_UPLOAD, and CHAT_FILE after it; or NULL */
    const char *name;              /* the file's name, or NULL */
    const char *text;              /* the text, or the file's caption; NULL = none */
};

/* What progress carries. */
enum { CHAT_CARRY_FIRST, CHAT_CARRY_UPLOAD };

/* Refuses a message without text and files, stored files, and base64 where it is not taken. */
enum sq_err chat_check(const struct chat_rule *rule, const struct message *m,
                       const struct build_ctx *ctx, struct err_text *e) SQ_MUST_CHECK;
/* False past the last step. */
bool chat_step_at(const struct chat_rule *rule, const struct message *m, unsigned step,
                  struct chat_step *ret);
/* To be called at the end of classify. A step that worked becomes the next one's beginning: an
 * upload's id (as provider_message_id) is carried on, and the first message's id stays the
 * message's. */
void chat_settle(const struct chat_rule *rule, const struct build_ctx *ctx, struct outcome *o);

#endif
