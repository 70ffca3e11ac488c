/* Text made safe for where it goes: URLs, html and lines, of a log or others. */
#include "text.h"
#include "utf8.h"
#include <string.h>

static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void text_add_urlencoded(struct buf *b, const char *s)
{
    static const char hex[] = "0123456789ABCDEF";

    for (; s && *s; s++) {
        unsigned char c = (unsigned char)*s;

        if (is_unreserved(*s)) {
            buf_addc(b, *s);
        } else {
            char code[3] = {'%', hex[c >> 4], hex[c & 15]};
            buf_add(b, code, sizeof(code));
        }
    }
}

static const char *html_entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void text_add_html(struct buf *b, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const char *entity = html_entity(s[i]);

        if (entity)
            buf_adds(b, entity);
        else
            buf_addc(b, s[i]);
    }
}

/* Bytes of the control character or line separator that s begins with; 0 = it is another one. The
 * C1 controls (U+0080 to U+009F) are the two bytes C2 80 to C2 9F. */
static size_t break_size(const char *s)
{
    const unsigned char *p = (const unsigned char *)s;

    if (p[0] < 0x20 || p[0] == 0x7f)
        return 1;
    if (p[0] == 0xc2)
        return p[1] >= 0x80 && p[1] <= 0x9f ? 2 : 0;
    return p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9) ? 3 : 0;
}

void text_add_line(struct buf *b, const char *s)
{
    while (s && *s) {
        size_t n = break_size(s);

        buf_addc(b, n ? ' ' : *s);
        s += n ? n : 1;
    }
}

/* Characters that could forge a line, hide text or reorder it on a terminal. */
static bool is_hostile(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x61c || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

bool text_needs_quotes(const char *s, size_t len)
{
    size_t i = 0;

    while (i < len) {
        size_t size;
        uint32_t c;

        if (is_unreserved(s[i])) { /* nearly all that is logged: ids, names, addresses */
            i++;
            continue;
        }
        size = utf8_size(s + i, len - i);
        c = size ? utf8_decode(s + i, size) : 0;
        if (is_hostile(c) || c == ' ' || c == '"' || c == '\\' || c == '=')
            return true;
        i += size;
    }
    return len == 0;
}

/* The escape of a hostile character: JSON's. */
static void add_hostile(struct buf *b, uint32_t c)
{
    if (c == '\n')
        buf_adds(b, "\\n");
    else if (c == '\r')
        buf_adds(b, "\\r");
    else if (c == '\t')
        buf_adds(b, "\\t");
    else
        buf_addf(b, "\\u%04x", (unsigned)c);
}

void text_add_visible(struct buf *b, const char *s, size_t len)
{
    size_t i = 0;

    while (i < len) {
        size_t size = utf8_size(s + i, len - i);
        uint32_t c = size ? utf8_decode(s + i, size) : 0;

        if (size == 0)
            buf_addf(b, "\\x%02x", (unsigned)(unsigned char)s[i]);
        else if (is_hostile(c))
            add_hostile(b, c);
        else
            buf_add(b, s + i, size);
        i += size ? size : 1;
    }
}

/* One character in quotes; the escapes are JSON's, so that JSON lines can use them as they are. */
static void add_escaped(struct buf *b, const char *s, size_t size)
{
    uint32_t c;

    if (size == 0) { /* not UTF-8 */
        buf_adds(b, "\\ufffd");
        return;
    }
    c = utf8_decode(s, size);
    if (is_hostile(c)) {
        add_hostile(b, c);
    } else {
        if (c == '"' || c == '\\')
            buf_addc(b, '\\');
        buf_add(b, s, size);
    }
}

void text_add_quoted(struct buf *b, const char *s, size_t max)
{
    size_t len = text_cut(s, max), i = 0;

    buf_addc(b, '"');
    while (i < len) {
        size_t size = utf8_size(s + i, len - i);

        add_escaped(b, s + i, size);
        i += size ? size : 1;
    }
    buf_adds(b, s[len] ? "...\"" : "\"");
}

void text_add_logsafe(struct buf *b, const char *s, size_t max)
{
    size_t len;

    s = s ? s : "";
    len = text_cut(s, max);
    if (text_needs_quotes(s, len)) {
        text_add_quoted(b, s, max);
        return;
    }
    buf_add(b, s, len);
    if (s[len])
        buf_adds(b, "...");
}
