/* What a provider is: a pure translation, message -> request and response -> outcome.
 * No I/O, no curl handle, no Redis, no clock: time comes in the context. */
#ifndef SENDQ_PROVIDERS_PROVIDER_H
#define SENDQ_PROVIDERS_PROVIDER_H

#include "err.h"
#include "message.h"
#include "oauth_spec.h"
#include "outcome.h"
#include "request.h"
#include "sender.h"
#include "units.h"

/* One credential or setting that a sender of this provider has. The tables make the configuration
 * schema, its checks, --print-config's masking and the reference in the README. */
struct provider_setting {
    const char *name;
    const char *help;
    const char *fallback; /* default value as text, or NULL */
    bool required;
    bool secret; /* masked wherever it is printed; lives under `credentials:`, else `options:` */
};

/* What build may use besides the message, and classify besides the response. */
struct build_ctx {
    const struct sender *sender;
    const struct progress *progress; /* step and what earlier steps carried */
    const char *access_token;        /* OAuth token where the provider asked for one, else NULL */
    int64_t now_ms;                  /* wall clock: for signatures' timestamps */
    const char *answer;              /* to the step before that kept it (outcome), else NULL */
    const char *message_id;          /* for classify where `message` is NULL */
    const struct message *message; /* for classify of a send of several steps; may be NULL there */
};

/* The limits that a provider publishes: defaults of a sender's `limits`, in the words that these
 * take in the configuration. NULL = none published. */
struct provider_limits {
    const char *rate;                    /* "80/s" */
    const char *day;                     /* "2000/day rolling" */
    const char *recipient;               /* "1/s" */
    const char *concurrency;             /* "4" */
    enum limit_unit rate_unit, day_unit; /* what they count; at most one unit besides messages */
    const char *source;                  /* the page that says so */
    const char *date;                    /* when it was read: "2026-11" */
};

/* How a provider takes attachments that a message gives by URL. */
enum provider_attachments {
    ATTACHMENTS_MAIL,  /* as bytes in a mail, by URL on other channels */
    ATTACHMENTS_URL,   /* always by URL */
    ATTACHMENTS_BYTES, /* always as bytes */
};

struct provider {
    const char *name;     /* "sendgrid" */
    const char *base_url; /* default endpoint, no trailing slash; NULL = endpoint is required */
    unsigned channels;    /* CHANNEL_BITs it can serve */
    const struct provider_setting *settings; /* ends with name == NULL */
    const struct provider_limits *limits;    /* NULL = none published */
    /* Checks a sender's settings together, beyond what the table says. May be NULL. */
    enum sq_err (*check)(const struct sender *s, struct err_text *e);
    /* Describes the token that build needs as ctx->access_token. *ret comes zeroed; false = this
     * sender needs none. NULL for a provider without OAuth. */
    bool (*oauth)(const struct sender *s, struct provider_oauth *ret);
    /* Builds the request of ctx->progress->step. Failure = the message cannot be expressed here:
     * it fails with e->code (default validation_error) and e->text. */
    enum sq_err (*build)(const struct build_ctx *ctx, const struct message *m,
                         struct request *ret_request, struct err_text *e);
    /* Decides the outcome of a step. Only called with transport OK or TOO_BIG: lost and unsent
     * requests are the daemon's to judge, the same for all. *ret_outcome comes zeroed. */
    void (*classify)(const struct build_ctx *ctx, const struct response *r,
                     struct outcome *ret_outcome);
    /* What it needs as bytes is fetched before build: content_base64 is set then. So is all that
     * comes by storage_path. */
    enum provider_attachments attachments;
    /* Its mails are whole as they come: an original that they answer or forward is put into their
     * texts before (original.h). False: it quotes by its own means, or hands the names on. */
    bool wants_original;
};

/* The default by HTTP status, for what a provider's own table does not name: 2xx sent;
 * 401, 403 auth (403: failed insufficient_permissions); 408, 425, 5xx retry; 429 throttled with
 * Retry-After; 413 too_large; other 4xx and 3xx failed. Fills text with "HTTP <status>". */
void provider_classify_status(const struct response *r, struct outcome *o);

#endif
