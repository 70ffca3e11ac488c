/* A mail as bytes: RFC 5322 and MIME, composed by GMime. Pure: the same input gives the same bytes,
 * boundaries included.
 *
 * What stands in a header is refused if it holds a control character, so no field can start a
 * header of its own; texts are encoded so that no line of them can be taken for a boundary. */
#ifndef SENDQ_MODEL_MIME_H
#define SENDQ_MODEL_MIME_H

#include "address.h"
#include "message.h"

struct mime_header {
    const char *name, *value;
};

/* Everything is borrowed for the call. */
struct mime_in {
    const struct message *message; /* id, subject, content, html, attachments */
    struct address from;
    struct address_list to, cc, reply_to;
    struct address_list bcc; /* becomes a header: only for who strips it before delivery */
    const char *in_reply_to; /* "<id@host>", or NULL */
    const char *references;  /* several of those with spaces between; NULL = in_reply_to */
    const struct mime_header *headers; /* more of them, ASCII */
    unsigned header_count;
    int64_t date_ms;
};

/* Appends the mail, lines ended by CR LF. Text only, html only, or both as alternatives; inline
 * images (attachments with a content_id) beside the html; the other attachments behind. Needs no
 * memory of the attachments' size besides what is appended. SQ_ERR_INVALID names the field that
 * cannot stand in a mail; SQ_ERR_TOO_LARGE if `out` was too small. */
enum sq_err mime_compose(const struct mime_in *in, struct buf *out,
                         struct err_text *e) SQ_MUST_CHECK;

/* The Message-ID that mime_compose gives, with angle brackets: the message's id at the domain of
 * the address it is from. */
void mime_message_id(const struct message *m, const char *from, struct buf *out);
/* Appends a display name as RFC 2047 encoded words, for APIs that take names in ASCII alone. */
void mime_encode_words(const char *text, struct buf *out);
/* True for one RFC 5322 message id in its angle brackets. */
bool mime_is_message_id(const char *s);
/* "type/subtype" that an attachment can be sent as. NULL and "" are application/octet-stream. */
bool mime_is_type(const char *s);
/* True if a mail from and to these addresses needs a server with SMTPUTF8 (RFC 6531): a local part
 * outside ASCII. Domains do not count: they have an ASCII form. */
bool mime_needs_smtputf8(const char *addr);

#endif
