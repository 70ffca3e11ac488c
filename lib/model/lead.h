/* A lead: one contact of the directory, as named values (contract.md section 3). */
#ifndef SENDQ_MODEL_LEAD_H
#define SENDQ_MODEL_LEAD_H

#include "buf.h"
#include "channel.h"
#include "filter.h"

#define LEAD_ID_MAX 128
#define LEAD_NAME_MAX 128 /* bytes of a field's name */
#define LEAD_FIELDS_MAX 1000
#define LEAD_BYTES_MAX ((size_t)1 << 20) /* of all names and values */

struct lead_value {
    const char *name, *value;
    bool is_read; /* items are filled, if it is a list */
    bool is_list;
    const char *const *items;
    unsigned count;
};

/* Zero-initialise; lead_begin makes it a lead, lead_free frees it. Everything it gives out lives
 * until the next lead_begin. */
struct lead {
    const char *id;
    struct lead_value *values;
    unsigned count, cap;
    struct arena arena; /* of what changes with each lead; `values` stays */
};

/* Starts (or starts again) with this id and no fields. */
void lead_begin(struct lead *l, const char *id);
/* Adds a field; texts are copied. SQ_ERR_TOO_LARGE over a cap, SQ_ERR_INVALID for an empty name or
 * what is not UTF-8: such a lead must not be used, for its opt-outs may be what is missing. */
enum sq_err lead_add(struct lead *l, const char *name, const char *value,
                     struct err_text *e) SQ_MUST_CHECK;
void lead_free(struct lead *l); /* NULL is fine */

/* A field's text as it stands; "id" is the lead's id. NULL if it has none, or an empty one. */
const char *lead_field(const struct lead *l, const char *name);

/* A field as a list or a text: `tags` and `opted_out` are lists (a JSON array, or items with commas
 * between them), and so is whatever else holds a JSON array of texts and numbers. */
void lead_get(struct lead *l, const char *name, struct filter_field *ret);
/* The lead as filters and templates see it; l must outlive it. */
struct filter_lead lead_view(struct lead *l);

/* Where the lead is reached on the channel, or NULL: `email`; `phone` (SMS, RCS); `whatsapp`, else
 * `phone`; else the field that is called as the channel is. Live chat and custom channels that the
 * lead has no field for are addressed by its id, which is the receiver's own name for it. Numbers
 * come without spaces and punctuation. Not checked further: recipient_set does that. */
const char *lead_address(struct lead *l, enum channel c);

/* True if `opted_out` names the channel (any spelling of channel_parse), the subtype (may be NULL)
 * or "all". */
bool lead_opted_out(struct lead *l, enum channel c, const char *subtype);

#endif
