/* How a mail goes through Microsoft Graph: which request each step is. Private to microsoft*.c. */
#ifndef SENDQ_PROVIDERS_MICROSOFT_PLAN_H
#define SENDQ_PROVIDERS_MICROSOFT_PLAN_H

#include "mail.h"

/* Of an upload session: a multiple of 320 KiB, as the API wants, and of 3 for base64. */
#define GRAPH_CHUNK ((size_t)9 * 320 * 1024)

enum graph_phase {
    GRAPH_SEND_MAIL, /* the whole mail in one request; no id comes back */
    GRAPH_FIND,      /* the message to reply to, by its Message-ID or its conversation */
    GRAPH_DRAFT,     /* a new draft, or one that replies or forwards */
    GRAPH_ATTACH,    /* one small attachment */
    GRAPH_SESSION,   /* begins the upload of a large one */
    GRAPH_CHUNK_PUT, /* a piece of it */
    GRAPH_SEND,      /* the draft leaves */
};

struct graph_place {
    enum graph_phase phase;
    unsigned attachment;
    size_t offset, size; /* of the attachment's bytes */
};

enum graph_draft { GRAPH_NEW, GRAPH_REPLY, GRAPH_REPLY_ALL, GRAPH_FORWARD };

#define GRAPH_ID_SIZE 512

/* What a mail is to Graph, and which message of the mailbox it answers. */
struct graph_target {
    enum graph_draft draft;
    char parent[GRAPH_ID_SIZE]; /* Graph's own id of it, "" = not known */
    char find[GRAPH_ID_SIZE];   /* then: what to look for; "" = nothing */
    bool by_conversation;       /* `find` is a conversation's id, else a Message-ID */
};

void graph_target(const struct message *m, struct graph_target *ret);
/* The place of a step. A message that is NULL has the shortest way. */
struct graph_place graph_place(const struct sender *s, const struct message *m, unsigned step);
/* False: the attachments are in the mail itself. */
bool graph_attaches_later(const struct message *m);

/* --- what steps carry --- */

#define GRAPH_URL_MAX 3000 /* bytes of an upload's URL */

/* Two ids in one value: the draft's (before it, the parent's) and the conversation's. */
void graph_keep_ids(struct progress *p, const char *id, const char *conversation);
void graph_read_ids(const struct progress *p, char *ret_id, char *ret_conversation, size_t size);
/* The URL over the other three. */
void graph_keep_url(struct progress *p, const char *url);
void graph_add_url(const struct progress *p, struct buf *out);

/* microsoft_build.c */
enum sq_err microsoft_build(const struct build_ctx *ctx, const struct message *m, struct request *r,
                            struct err_text *e) SQ_MUST_CHECK;
#define GRAPH_RECIPIENTS_MAX 500

#endif
