/* Reading a mail's header; its body is none of the sandbox's business. */
#include "mime_head.h"

#include "text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The end of the line at p, and of those that continue it. */
static const char *line_end(const char *p)
{
    for (;;) {
        const char *end = strstr(p, "\r\n");

        if (!end)
            return p + strlen(p);
        if (end[2] != ' ' && end[2] != '\t')
            return end;
        p = end + 2;
    }
}

static const char *unfold(const char *p, const char *end, char *out, size_t size)
{
    size_t n = 0;

    p += strspn(p, " \t\r\n");
    for (; p < end; p++) {
        if (*p == '\r' || *p == '\n')
            continue;
        if (n + 1 == size)
            return NULL;
        out[n++] = *p == '\t' ? ' ' : *p;
    }
    out[n] = '\0';
    return out;
}

const char *mime_head(const struct buf *mail, const char *name, char *out, size_t size)
{
    size_t len = strlen(name);

    for (const char *p = buf_str(mail); *p && strncmp(p, "\r\n", 2) != 0;) {
        const char *end = line_end(p);

        if (strncasecmp(p, name, len) == 0 && p[len] == ':')
            return unfold(p + len + 1, end, out, size);
        p = *end ? end + 2 : end;
    }
    return NULL;
}

static bool has_bare_line_end(const struct buf *mail)
{
    for (size_t i = 0; i < mail->len; i++) {
        if (mail->data[i] == '\n' && (i == 0 || mail->data[i - 1] != '\r'))
            return true;
        if (mail->data[i] == '\r' && mail->data[i + 1] != '\n')
            return true;
    }
    return false;
}

const char *mime_fault(const struct buf *mail)
{
    static const char *const needed[] = {"From", "Date", "Message-ID", "MIME-Version"};
    char value[65536];

    if (!strstr(buf_str(mail), "\r\n\r\n") || has_bare_line_end(mail))
        return "the mail's lines do not end with CR LF";
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        if (text_is_empty(mime_head(mail, needed[i], value, sizeof(value))))
            return needed[i];
    }
    if (!mime_head(mail, "To", value, sizeof(value)) &&
        !mime_head(mail, "Cc", value, sizeof(value)) &&
        !mime_head(mail, "Bcc", value, sizeof(value)))
        return "Recipient address required";
    return NULL;
}

void mime_identify(const struct buf *mail, struct record *r)
{
    char id[1024] = "", to[65536] = "";
    const char *angle;

    if (mime_head(mail, "Message-ID", id, sizeof(id)) && id[0] == '<') {
        id[strcspn(id, "@")] = '\0';
        record_set_id(r, id + 1);
    }
    if (!mime_head(mail, "To", to, sizeof(to)))
        return;
    to[strcspn(to, ",")] = '\0';
    angle = strrchr(to, '<');
    to[strcspn(to, ">")] = '\0';
    record_set_recipient(r, angle ? angle + 1 : to);
}
