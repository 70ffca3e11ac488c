/* Recipients: checks per channel, and RFC 5322 address lists. Shape only: the provider is the
 * authority. */
#ifndef SENDQ_MODEL_ADDRESS_H
#define SENDQ_MODEL_ADDRESS_H

#include "buf.h"
#include "channel.h"

/* '+' and 7 to 15 digits, first not 0 (ITU-T E.164). */
bool address_is_e164(const char *s);
/* What may stand as the sender of a text message: an E.164 number, a short code of 3 to 8 digits,
 * or an alphanumeric sender name of 1 to 11 characters with a letter in it. */
bool address_is_text_sender(const char *s);
/* One RFC 5321/6531 addr-spec (local@domain), UTF-8 allowed, no display name. */
bool address_is_email(const char *s);
/* True if s is an addr-spec in its canonical form made of plain ASCII: nearly all are, and need no
 * further parsing. False says nothing. */
bool address_is_plain(const char *s);
/* Checks a recipient by its channel's rule; e says what was expected. */
enum sq_err address_check(enum channel c, const char *recipient, struct err_text *e) SQ_MUST_CHECK;

/* --- RFC 5322 address lists --- */

/* One mailbox. addr is canonical: the local part as it came, without quotes or comments that it
 * does not need; the domain in lower case and in ASCII (IDN). Two spellings of one mailbox give
 * the same bytes. */
struct address {
    const char *name; /* display name, unquoted; NULL = none */
    const char *addr; /* local@domain */
};

/* Zero-initialise. Memory is the arena's. */
struct address_list {
    struct address *items;
    unsigned count;
};

#define ADDRESS_MAX 254      /* bytes of an addr */
#define ADDRESS_NAME_MAX 512 /* bytes of a display name */

/* Parses a comma-separated list: "a@x.example, Jane Doe <jane@x.example>, "Doe, J." <j@x.example>,
 * Team: b@x.example, c@x.example;" with comments, groups, UTF-8 names and local parts, and
 * internationalized domains. What is refused though RFC 5322 has it: address literals, routes,
 * local parts of several quoted pieces, line folding (control characters of any kind). Appends to
 * *ret, up to max addresses in all, leaving out those that are in it already. On failure e says
 * what is wrong and at which character, and *ret may hold the addresses before the fault. */
enum sq_err address_parse_list(const char *s, unsigned max, struct arena *a,
                               struct address_list *ret, struct err_text *e) SQ_MUST_CHECK;
/* Appends the mailbox as a header would show it, quoted where need be. */
void address_print(const struct address *a, struct buf *out);

/* Appends an addr-spec in its canonical form; false if it is none. `local` is without its quotes,
 * if it was quoted. */
bool address_canonical(const char *local, bool quoted, const char *domain, size_t domain_len,
                       struct buf *out);

#endif
