/* The body of a mail that answers or forwards another one: the new text with the original below.
 *
 * Each part that comes out holds both, and a part that could not is left out: a text only where the
 * original is a text (or empty) and the new mail has a text (or nothing), html where either has
 * html. So there is always one, and what one has as text alone is shown in html as it stands.
 *
 * Nothing of the original can pass for more than that: what stands in a line of its own has no
 * control characters, in html all of it is escaped, and its html is written anew (quote_html.h). */
#ifndef SENDQ_MODEL_QUOTE_H
#define SENDQ_MODEL_QUOTE_H

#include "address.h"

/* Well-formed UTF-8; what is not known is NULL. */
struct quote_original {
    struct address from; /* addr NULL = not known */
    const char *to;      /* as a header shows it */
    int64_t date_ms;
    const char *subject, *text, *html;
};

/* What comes out: an empty part is left out. Zero-initialise; quote_clear when done. */
struct quote_body {
    struct buf text, html;
};

/* "On <date>, <name> wrote:" and the original as a quotation, below text and html (each may be
 * NULL). SQ_ERR_TOO_LARGE where a part would have more than max bytes. */
enum sq_err quote_reply(const struct quote_original *o, const char *text, const char *html,
                        size_t max, struct quote_body *ret) SQ_MUST_CHECK;
/* The same with the original as a forwarded message: its From, Date, Subject and To above it. */
enum sq_err quote_forward(const struct quote_original *o, const char *text, const char *html,
                          size_t max, struct quote_body *ret) SQ_MUST_CHECK;
/* Appends "Re: <subject>" or "Fwd: <subject>" unless it begins so already; at most max bytes. */
void quote_subject(const char *prefix, const char *subject, size_t max, struct buf *out);
void quote_clear(struct quote_body *body);

#endif
