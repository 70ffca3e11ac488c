/* Completing jobs. */
#include "fill.h"

#include "recipient.h"
#include "refusal.h"
#include "tz.h"

static bool respects_opt_outs(const struct message *m)
{
    return m->type != TYPE_TRANSACTIONAL || m->text[MSG_SUBTYPE_ID];
}

bool fill_watches_opt_outs(const struct message *m)
{
    return m->text[MSG_CONTACT_ID] && respects_opt_outs(m);
}

bool fill_needs_contact(const struct job *j)
{
    const struct message *m = &j->message;

    return j->needs_contact || j->recipient_contact ||
           (m->text[MSG_CONTACT_ID] && m->text[MSG_TEMPLATE_ID]) || fill_watches_opt_outs(m);
}

bool fill_needs_template(const struct job *j)
{
    return j->message.text[MSG_TEMPLATE_ID] != NULL;
}

/* --- recipient --- */

static void set_recipient(struct message *m, const char *id, const struct fill_contact *who)
{
    const char *channel = channel_name(m->channel), *address;
    struct err_text e;

    if (!id || m->text[MSG_RECIPIENT])
        return;
    if (who->problem)
        refusal_set(m, CODE_RECIPIENT_NOT_FOUND, "contact %s cannot be used: %s", id, who->problem);
    else if (!who->lead)
        refusal_set(m, CODE_RECIPIENT_NOT_FOUND, "contact %s is not in the directory", id);
    if (m->text[MSG_REFUSAL])
        return;
    address = lead_address(who->lead, m->channel);
    if (!address)
        refusal_set(m, CODE_RECIPIENT_NOT_FOUND, "contact %s has no address for %s", id, channel);
    else if (recipient_set(m, address, 1, &e))
        refusal_set(m, CODE_RECIPIENT_NOT_FOUND, "contact %s: its address for %s %s", id, channel,
                    e.text);
}

/* --- opt-outs --- */

static void check_opt_out(struct message *m, const char *id, const struct fill_contact *who)
{
    const char *subtype = m->text[MSG_SUBTYPE_ID];

    if (!respects_opt_outs(m))
        return;
    if (who->problem) /* nobody knows what it opted out of */
        refusal_set(m, CODE_RECIPIENT_NOT_FOUND, "contact %s cannot be used: %s", id, who->problem);
    else if (who->lead && lead_opted_out(who->lead, m->channel, NULL))
        refusal_set(m, CODE_SUPPRESSED, "contact %s opted out of %s", id, channel_name(m->channel));
    else if (who->lead && subtype && lead_opted_out(who->lead, m->channel, subtype))
        refusal_set(m, CODE_SUPPRESSED, "contact %s opted out of subtype %s", id, subtype);
}

void fill_opt_outs(struct message *m, const struct fill_contact *contact)
{
    if (m->text[MSG_CONTACT_ID])
        check_opt_out(m, m->text[MSG_CONTACT_ID], contact);
}

/* --- texts --- */

static void nothing(void *ctx, const char *field, struct filter_field *ret)
{
    (void)ctx, (void)field;
    *ret = (struct filter_field){.text = NULL};
}

static bool has_content(const struct message *m)
{
    return m->text[MSG_CONTENT] || m->text[MSG_HTML] || m->text[MSG_FORWARD] ||
           m->list[MSG_MEDIA].count || m->attachment_count;
}

static void fill_texts(struct message *m, const struct fill_in *in)
{
    struct filter_lead view = {.get = nothing};
    const char *id = m->text[MSG_TEMPLATE_ID];
    struct err_text e = {.text = ""};

    if (!id || m->text[MSG_REFUSAL])
        return;
    if (in->contact.lead)
        view = lead_view(in->contact.lead);
    if (in->letter_problem)
        refusal_set(m, CODE_TEMPLATE_ERROR, "template %s: %s", id, in->letter_problem);
    else if (!in->letter)
        refusal_set(m, CODE_TEMPLATE_ERROR, "there is no template %s", id);
    else if (letter_fill(in->letter, &view, in->missing, in->limits, m, &e))
        refusal_set(m, error_code_parse(e.code), "template %s: %s", id, e.text);
    else if (!has_content(m))
        refusal_set(m, CODE_TEMPLATE_ERROR, "template %s has no text for %s", id,
                    channel_name(m->channel));
}

/* Whose clock says when it is quiet. */
static void set_timezone(struct message *m, const struct fill_contact *who)
{
    const char *zone = who->lead ? lead_field(who->lead, "timezone") : NULL;

    if (zone && tz_name_is_valid(zone))
        message_set(m, MSG_TIMEZONE, zone);
}

void fill_job(struct job *j, const struct fill_in *in)
{
    struct message *m = &j->message;

    set_timezone(m, in->recipient.lead ? &in->recipient : &in->contact);

    set_recipient(m, j->recipient_contact, &in->recipient);
    fill_opt_outs(m, &in->contact);
    if (j->recipient_contact)
        check_opt_out(m, j->recipient_contact, &in->recipient);
    fill_texts(m, in);
}

void fill_bulk(struct message *m, const struct fill_bulk_in *in)
{
    struct filter_lead view;
    struct err_text e = {.text = ""};

    set_timezone(m, &in->who);
    set_recipient(m, in->id, &in->who);
    check_opt_out(m, in->id, &in->who);
    if (m->text[MSG_REFUSAL])
        return;
    view = lead_view(in->who.lead);
    if (letter_fill(in->letter, &view, in->missing, in->limits, m, &e))
        refusal_set(m, error_code_parse(e.code), "%s", e.text);
}
