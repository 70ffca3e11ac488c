/* What mail providers share: a message's addresses and headers read once, and how APIs want them
 * written. */
#ifndef SENDQ_PROVIDERS_MAIL_H
#define SENDQ_PROVIDERS_MAIL_H

#include "mime.h"
#include "provider_util.h"

#define MAIL_RECIPIENTS_MAX 1000 /* of one mail, to, cc and bcc together */
#define MAIL_HEADERS_MAX 4

/* Zero-initialise; mail_clear when done. Texts are the message's, the sender's or the arena's. */
struct mail {
    struct address from;
    struct address_list to, cc, bcc; /* an address that stands twice is kept the first time */
    struct address_list reply_to;
    /* In-Reply-To and References where the message replies to a message id, then List-Unsubscribe
     * and List-Unsubscribe-Post of a MARKETING message whose sender has them (RFC 8058). */
    struct mime_header headers[MAIL_HEADERS_MAX];
    unsigned header_count, thread_count; /* the first thread_count of them are the thread's */
    struct arena arena;
};

/* The settings that mail_read looks at; every mail provider lists them. */
/* clang-format off */
#define MAIL_SETTINGS                                                                              \
    {.name = "unsubscribe_url", .help = "List-Unsubscribe of MARKETING mails, one click (RFC "      \
     "8058): an https URL; {id}, {recipient} and {contact_id} in it are filled in"},               \
    {.name = "unsubscribe_address", .help = "List-Unsubscribe of MARKETING mails: an address that " \
     "takes mails to unsubscribe"}
/* clang-format on */

/* Reads m; fails naming the field that no mail can carry, or a sender without an address. At most
 * max recipients. */
enum sq_err mail_read(const struct build_ctx *ctx, const struct message *m, unsigned max,
                      struct mail *ret, struct err_text *e) SQ_MUST_CHECK;
/* The same for a provider that can forward a mail by its id; mail_read refuses to. */
enum sq_err mail_read_forward(const struct build_ctx *ctx, const struct message *m, unsigned max,
                              struct mail *ret, struct err_text *e) SQ_MUST_CHECK;
/* The id of the mail that this message forwards, cut to size; false if it forwards none, or if its
 * texts hold that mail already (original.h). */
bool mail_forward_id(const struct message *m, char *ret, size_t size);
void mail_clear(struct mail *mail);
/* The check of a provider whose settings are MAIL_SETTINGS and single words. */
enum sq_err mail_check_sender(const struct sender *s, struct err_text *e) SQ_MUST_CHECK;

/* The message as MIME, appended to out. with_bcc writes a Bcc header. */
enum sq_err mail_compose(const struct build_ctx *ctx, const struct message *m,
                         const struct mail *mail, bool with_bcc, struct buf *out,
                         struct err_text *e) SQ_MUST_CHECK;

/* Refuses attachments that an API could not take: without content, or with a name or type that
 * cannot stand in a header. */
enum sq_err mail_check_attachments(const struct message *m, struct err_text *e) SQ_MUST_CHECK;
const char *mail_attachment_name(const struct attachment *a); /* never empty */
const char *mail_attachment_type(const struct attachment *a); /* never empty */
/* Room in b for the attachments as base64 and the rest, so that it does not grow step by step. */
void mail_reserve(const struct message *m, struct buf *b);

/* Appends "Name <addr>" with the name quoted, or the bare address. */
void mail_add_box(struct buf *b, const struct address *box);
void mail_json_box(struct buf *b, const char *name, const struct address *box);
/* A JSON member that is an array of such texts; nothing when there are none. */
void mail_json_boxes(struct buf *b, const char *name, const struct address_list *boxes);
/* A JSON member that is one text, comma-separated. */
void mail_json_joined(struct buf *b, const char *name, const struct address_list *boxes);
/* The headers as {"Name": "value"}, or as [{"Name": name, "Value": value}]. */
void mail_json_header_object(struct buf *b, const char *name, const struct mail *mail);
void mail_json_header_list(struct buf *b, const char *name, const struct mail *mail);

/* "Authorization: Bearer <token>". */
enum sq_err mail_bearer(struct request *r, const char *token, struct err_text *e) SQ_MUST_CHECK;

/* {"k": "v", ...} of the message's metadata, each value as text, through cb. */
typedef void (*mail_metadata_cb)(const char *name, const char *value, void *arg);
void mail_each_metadata(const struct message *m, mail_metadata_cb cb, void *arg);

#endif
