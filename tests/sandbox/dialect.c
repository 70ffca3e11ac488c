/* The table of dialects. */
#include "dialect.h"

#include <string.h>

static const struct dialect *const dialects[] = {
    &dialect_gmail,     &dialect_mailgun, &dialect_microsoft, &dialect_oauth,    &dialect_postmark,
    &dialect_resend,    &dialect_ses,     &dialect_sandbox,   &dialect_sendgrid, &dialect_twilio,
    &dialect_webhook,   &dialect_vonage,  &dialect_telnyx,    &dialect_whatsapp, &dialect_messenger,
    &dialect_instagram, &dialect_slack,   &dialect_teams,     &dialect_telegram, &dialect_tiktok,
};

#define COUNT (sizeof(dialects) / sizeof(dialects[0]))
_Static_assert(COUNT < DIALECT_MAX, "raise DIALECT_MAX");

unsigned dialect_count(void)
{
    return COUNT;
}

const struct dialect *dialect_at(unsigned i)
{
    return i < COUNT ? dialects[i] : NULL;
}

const char *dialect_name(unsigned i)
{
    return i < COUNT ? dialects[i]->name : "none";
}

unsigned dialect_of_path(const char *path, const char **ret_rest)
{
    for (unsigned i = 0; i < COUNT; i++) {
        size_t len = strlen(dialects[i]->prefix);

        if (strncmp(path, dialects[i]->prefix, len) != 0)
            continue;
        if (path[len] != '/' && path[len] != '\0')
            continue;
        *ret_rest = path + len;
        return i;
    }
    *ret_rest = path;
    return COUNT;
}

unsigned dialect_by_name(const char *name)
{
    for (unsigned i = 0; i < COUNT; i++) {
        if (strcmp(dialects[i]->name, name) == 0)
            return i;
    }
    return COUNT;
}
