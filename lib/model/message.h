/* A message: one recipient, one channel, ready to be given to a provider.
 *
 * All text fields live in one table indexed by enum msg_text, so that packing, unpacking and
 * printing are loops, and a new field is one enum value and one name-table line. Strings are UTF-8
 * without NUL (the job parser sees to that); NULL means absent. All memory is the message's arena:
 * message_clear frees everything at once. */
#ifndef SENDQ_MODEL_MESSAGE_H
#define SENDQ_MODEL_MESSAGE_H

#include "buf.h"
#include "channel.h"
#include "uuid.h"

enum msg_text {
    MSG_SENDER,    /* sender id from the configuration; resolved at accept, never NULL then */
    MSG_RECIPIENT, /* what the provider needs: address, number, chat id. Of an email: bare
                      addresses in their canonical form (address.h), comma-separated. NULL
                      until the contact is looked up (job.h) */
    MSG_TO,        /* the same addresses with their display names, as an RFC 5322 list; NULL
                      where none has a name. What a mail's To shows */
    MSG_SUBJECT,
    MSG_CONTENT, /* plain text */
    MSG_HTML,
    MSG_FROM,      /* overrides the sender's from.address, if given */
    MSG_FROM_NAME, /* overrides the sender's from.name */
    MSG_REPLY_TO,  /* Reply-To address */
    MSG_THREAD_ID,
    MSG_REPLY_ID,   /* provider or message id that this replies to */
    MSG_REPLY_MODE, /* reply | reply_all */
    MSG_CONTACT_ID,
    MSG_DEAL_ID,
    MSG_BULK_ID,
    MSG_LEAD_ID,
    MSG_TEMPLATE_ID,
    MSG_SUBTYPE_ID, /* customSubtypeId */
    MSG_APPOINTMENT_ID,
    MSG_TENANT,
    MSG_TIMEZONE,
    MSG_METADATA,    /* JSON object text */
    MSG_FORWARD,     /* JSON object text of conversation's `forward` */
    MSG_REPLY_QUEUE, /* the job's reply_to: answer goes to NS:reply:<this> */
    MSG_FORMAT,      /* name of the format the job came by: picks the answer's shape */
    MSG_REFUSAL,     /* why it must not be sent (refusal.h) */
    MSG_QUOTED,      /* id of the message that its texts quote or forward (original.h) */
    MSG_ORIGIN,      /* the sender it was accepted for, whose fallback MSG_SENDER is; else NULL */
    MSG_TEXT_COUNT
};

enum msg_list {
    MSG_CC,
    MSG_BCC,
    MSG_MEDIA, /* media or image URLs */
    MSG_LIST_COUNT
};

struct attachment {
    const char *filename, *mime_type, *content_id;
    const char *content_base64; /* exactly one of these four is set */
    const char *url;
    const char *storage_path;
    const char *stored; /* "<offset> <bytes>": the content stands in the job's text, which Redis
                           has, from the offset to the next quote; so many bytes unescaped */
};

struct str_list {
    const char **items;
    unsigned count;
};

enum uncertain { UNCERTAIN_DEFAULT, UNCERTAIN_RETRY, UNCERTAIN_FAIL };

struct message {
    char id[UUID_TEXT > 65 ? UUID_TEXT : 65]; /* a UUID, or the job's own id (<= 64 characters) */
    enum channel channel;
    enum message_type type;
    enum priority priority;
    enum uncertain uncertain;
    int64_t queued_at, scheduled_at, expires_at; /* Unix ms; 0 = not set */
    unsigned attempts;                           /* counted by claim: 1 during the first attempt */
    unsigned units; /* what the limits count: 1, or recipients, or SMS segments */
    bool started;   /* set when a `start` mark was written for this attempt */
    const char *text[MSG_TEXT_COUNT];
    struct str_list list[MSG_LIST_COUNT];
    struct attachment *attachments;
    unsigned attachment_count;
    struct arena arena;
};

#define MESSAGE_ID_MAX 64
#define MESSAGE_LIST_MAX 10000 /* items of one list, or attachments: more is not unpacked */

const char *msg_text_name(enum msg_text f); /* "contact_id": also the name in NS:message:<id> */

void message_set(struct message *m, enum msg_text f, const char *s);      /* copies; NULL clears */
void message_list_add(struct message *m, enum msg_list l, const char *s); /* copies */
struct attachment *message_attachment_add(struct message *m); /* zeroed; strings: use m->arena */
void message_clear(struct message *m); /* back to all zero; frees the arena */

/* The stored form: tag, length, bytes; unknown tags are skipped, so that two versions of the
 * daemon can share one Redis. attempts and started are not packed (they live in the hash). */
void message_pack(const struct message *m, struct buf *out);
/* Reads a packed message. Strings point INTO data, which must stay alive and unchanged as long as
 * the message (only lists and attachments use the arena). SQ_ERR_INVALID on anything malformed.
 * *ret is overwritten, not cleared: pass an empty message. */
enum sq_err message_unpack(const char *data, size_t len, struct message *ret) SQ_MUST_CHECK;

#endif
