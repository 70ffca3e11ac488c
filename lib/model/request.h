/* One HTTP request of a send (or one SMTP transaction), and what came back. Plain data: no curl,
 * no socket. */
#ifndef SENDQ_MODEL_REQUEST_H
#define SENDQ_MODEL_REQUEST_H

#include "buf.h"

enum http_method { HTTP_POST, HTTP_GET, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_METHOD_COUNT };

#define REQUEST_HEADERS_MAX 24

/* Whom an SMTP server gets a mail from and for. url is smtp://host:port[/ehlo-name] (STARTTLS
 * unless plain) or smtps://; userpwd and bearer (SASL OAUTHBEARER, XOAUTH2) log in. */
struct smtp_envelope {
    struct buf addresses; /* NUL-terminated: the sender's, then the recipients' */
    unsigned rcpt_count;
    struct buf bearer;
    bool plain; /* no STARTTLS */
};

/* Built by a provider for one step. The buffers are reused from request to request:
 * request_reset empties it. Header lines go through request_header alone, which refuses CR, LF,
 * NUL and anything outside printable ASCII + tab (a header cannot be injected). */
struct request {
    enum http_method method;
    struct buf url;
    struct buf head; /* header lines, NUL-terminated one after the other */
    unsigned header_count;
    struct buf body;
    struct buf userpwd;        /* "user:password" for Basic; empty = none */
    bool http2;                /* ask for HTTP/2 (default HTTP/1.1) */
    bool idempotent;           /* the provider deduplicates a repeat (it got an idempotency key) */
    size_t max_answer;         /* bytes of the answer's body; 0 = as for all others */
    struct smtp_envelope smtp; /* rcpt_count > 0: an SMTP transaction, body is the mail */
};

void request_reset(struct request *r);
void request_free(struct request *r);
/* Adds "Name: value". Name must be an RFC 9110 token. SQ_ERR_INVALID where a byte is refused. */
enum sq_err request_header(struct request *r, const char *name, const char *value,
                           struct err_text *e) SQ_MUST_CHECK;
/* The i-th header line, or NULL. */
const char *request_header_at(const struct request *r, unsigned i);

/* Adds an envelope address, the sender's first. SQ_ERR_INVALID for what is no address. */
enum sq_err request_envelope(struct request *r, const char *addr, struct err_text *e) SQ_MUST_CHECK;

/* How the exchange ended, below HTTP. For SMTP: status is the last reply's code, body its text, and
 * TRANSPORT_LOST means that the mail was given over whole without an answer. */
enum transport {
    TRANSPORT_OK,       /* an HTTP answer came whole */
    TRANSPORT_NOT_SENT, /* definitely not sent: DNS, connect or TLS failed, or no byte was written
                         */
    TRANSPORT_LOST,     /* some of the request may have left; no whole answer came */
    TRANSPORT_TOO_BIG,  /* an answer came, over the size cap: `body` holds the first part */
};

struct response {
    enum transport transport;
    int status;       /* HTTP status when an answer's head came; else 0 */
    const char *body; /* NUL-terminated, capped; "" when empty */
    size_t body_len;
    const char *head; /* raw header lines, CRLF-separated, NUL-terminated, capped */
    char error[160];  /* transport's error in words; "" when OK */
    int64_t now_ms;   /* wall clock when it ended: for dates in Retry-After */
};

/* A header's value (leading and trailing space removed) into ret; false if absent or too long. */
bool response_header(const struct response *r, const char *name, char *ret, size_t size);
/* Retry-After in ms (seconds or HTTP date, RFC 9110 10.2.3), clamped to 0..max_ms; 0 if absent or
 * garbage. */
int64_t response_retry_after(const struct response *r, int64_t max_ms);
/* How long the quota that its headers tell of (X-RateLimit-Remaining, RateLimit-Remaining and their
 * -Reset, in seconds from now or of Unix time) is used up; 0 = it is not, or none is told. */
int64_t response_quota_wait(const struct response *r);

#endif
