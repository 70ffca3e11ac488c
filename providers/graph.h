/* What the providers on Meta's Graph API share: paths, the token, errors, direct messages. */
#ifndef SENDQ_PROVIDERS_GRAPH_H
#define SENDQ_PROVIDERS_GRAPH_H

#include "chat.h"
#include "meaning.h"

#define GRAPH_BASE_URL "https://graph.facebook.com"
#define GRAPH_VERSION "v23.0"
/* The setting that every one of them has. */
#define GRAPH_VERSION_SETTING                                                                      \
    {                                                                                              \
        .name = "version", .help = "version of the Graph API", .fallback = GRAPH_VERSION           \
    }

/* Checks the version's spelling: it goes into the path. */
enum sq_err graph_check(const struct sender *s, struct err_text *e) SQ_MUST_CHECK;

/* Starts a POST to /<version>/<id>/<edge> with the sender's token; `id` names the setting. */
enum sq_err graph_begin(const struct build_ctx *ctx, const char *id, const char *edge,
                        const char *content_type, struct request *r,
                        struct err_text *e) SQ_MUST_CHECK;

/* Judges a refusal by its code. A row "10/2018278" is a code with its subcode and goes before the
 * row "10"; the row "200" stands for 200 to 299, which are all permissions. */
void graph_judge(const struct build_ctx *ctx, const struct response *r, const cJSON *answer,
                 struct meaning_table t, struct outcome *o);

/* Direct messages of Messenger and Instagram: a text or one attachment each. */
struct graph_dm {
    const char *id; /* the setting with the account's id */
    struct chat_rule rule;
    size_t text_max;
    bool text_in_bytes; /* text_max counts bytes, not characters */
    unsigned kinds;     /* MEDIA_BITs that it takes */
    bool has_type;      /* wants a messaging_type */
    struct meaning_table meanings;
};

enum sq_err graph_dm_build(const struct graph_dm *dm, const struct build_ctx *ctx,
                           const struct message *m, struct request *r,
                           struct err_text *e) SQ_MUST_CHECK;
void graph_dm_classify(const struct graph_dm *dm, const struct build_ctx *ctx,
                       const struct response *r, struct outcome *o);

#endif
