/* Mailgun: POST /mailgun/v3/{domain}/messages, multipart/form-data, as its OpenAPI document has it.
 * A domain that holds "unknown" is not found; errors are {"message"}, but 401 is a plain text. */
#include "dialect.h"
#include "multipart.h"
#include "shape.h"

#include "json.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

static void mailgun_error(struct exchange *x, int status, const char *message)
{
    struct buf *out = exchange_begin(x, status);

    json_key_str(out, "message", message);
    exchange_end(x);
}

static void forbidden(struct exchange *x)
{
    exchange_empty(x, 401);
    exchange_header(x, "Content-Type", "text/plain");
    buf_adds(&x->body, "Forbidden");
}

static bool is_field(const char *name)
{
    static const char *const names[] = {"from", "to",   "cc",         "bcc",    "subject",
                                        "text", "html", "attachment", "inline", NULL};

    for (size_t i = 0; names[i]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return text_starts(name, "h:") || text_starts(name, "v:") || text_starts(name, "o:");
}

static const char *form_fault(const struct multipart *m)
{
    char text[8192];

    for (unsigned i = 0; i < m->count; i++) {
        bool is_file = m->part[i].filename[0] != '\0';
        const char *name = m->part[i].name;

        if (!is_field(name))
            return name;
        if (is_file != (strcmp(name, "attachment") == 0 || strcmp(name, "inline") == 0))
            return "a file in the wrong place";
    }
    if (!multipart_text(m, "from", text, sizeof(text)) || !strchr(text, '@'))
        return "from parameter is missing";
    if (!multipart_text(m, "to", text, sizeof(text)) || !strchr(text, '@'))
        return "to parameter is not a valid address";
    if (!multipart_find(m, "text") && !multipart_find(m, "html"))
        return "Need at least one of 'text', 'html', 'amp-html' or 'template' parameters specified";
    return NULL;
}

static void mailgun_read(struct exchange *x)
{
    struct multipart m;
    char text[8192];
    const char *to, *angle;

    if (!multipart_read(x, &m))
        return;
    record_set_id(x->record, multipart_text(&m, "v:sendq_id", text, sizeof(text)));
    to = multipart_text(&m, "to", text, sizeof(text));
    angle = to ? strrchr(to, '<') : NULL;
    if (!to)
        return;
    text[strcspn(text, ">")] = '\0';
    record_set_recipient(x->record, angle ? angle + 1 : to);
}

static bool is_authorized(const struct exchange *x)
{
    struct buf user = {.max = 4096};
    const char *password;
    bool good = exchange_basic(x, &user, &password) && text_eq(user.data, "api") &&
                credential_is_good(password);

    buf_free(&user);
    return good;
}

static void mailgun_answer(struct exchange *x)
{
    static const char *const pattern[] = {"v3", NULL, "messages"};
    struct shape_path path;
    struct multipart m;
    struct buf *out;
    char id[128];

    if (!shape_path(x->path, &path) || !shape_path_is(&path, pattern, 3) || !exchange_is(x, "POST"))
        mailgun_error(x, 404, "not found");
    else if (!is_authorized(x))
        forbidden(x);
    else if (strstr(path.part[1], "unknown"))
        mailgun_error(x, 404, "Domain not found");
    else if (!multipart_read(x, &m))
        mailgun_error(x, 400, "the form is not well-formed");
    else if (form_fault(&m))
        mailgun_error(x, 400, form_fault(&m));
    else {
        out = exchange_begin(x, 200);
        snprintf(id, sizeof(id), "<20211121.%llu@%.60s>", (unsigned long long)exchange_serial(x),
                 path.part[1]);
        json_key_str(out, "id", id);
        json_key_str(out, "message", "Queued. Thank you.");
        exchange_end(x);
    }
}

const struct dialect dialect_mailgun = {
    .name = "mailgun",
    .prefix = "/mailgun",
    .read = mailgun_read,
    .answer = mailgun_answer,
};
