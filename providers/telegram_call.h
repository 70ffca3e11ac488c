/* The calls of Telegram's Bot API that a message is sent by. */
#ifndef SENDQ_PROVIDERS_TELEGRAM_CALL_H
#define SENDQ_PROVIDERS_TELEGRAM_CALL_H

#include "provider.h"

/* What progress carries: the first message's id, and the chat's new id. */
enum { TELEGRAM_CARRY_FIRST, TELEGRAM_CARRY_CHAT };

/* One call: the text, or `count` neighbouring files of one kind. */
struct telegram_call {
    unsigned first, count; /* count 0 = the text alone */
    bool photos;           /* else documents */
    bool caption;          /* the text goes with the first file */
};

/* Refuses what no call can carry. */
enum sq_err telegram_check_message(const struct build_ctx *ctx, const struct message *m,
                                   struct err_text *e) SQ_MUST_CHECK;
/* The i-th call; false past the last. */
bool telegram_call_at(const struct message *m, unsigned i, struct telegram_call *ret);
/* Appends the method's name to the URL, sets the Content-Type and writes the body. */
enum sq_err telegram_write_call(const struct build_ctx *ctx, const struct message *m,
                                const struct telegram_call *call, struct request *r,
                                struct err_text *e) SQ_MUST_CHECK;

#endif
