/* Recipients' shapes. Loose where the provider's own rule may change, strict where a wrong
 * character could reach a header, a URL or a key. */
#include "address.h"

#include "idn.h"
#include "text.h"
#include <string.h>

#define LOCAL_MAX 64
#define OPAQUE_MAX 512

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_high(char c)
{
    return (unsigned char)c >= 0x80;
}

static bool is_digits(const char *s, size_t min, size_t max)
{
    size_t n = strspn(s, "0123456789");

    return !s[n] && n >= min && n <= max;
}

bool address_is_e164(const char *s)
{
    return s && s[0] == '+' && s[1] != '0' && is_digits(s + 1, 7, 15);
}

static bool is_atext(char c)
{
    return is_alnum(c) || is_high(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static bool is_dot_atom(const char *s, size_t len)
{
    bool dot = true; /* a dot may not come now */

    for (size_t i = 0; i < len; i++) {
        if (s[i] == '.' ? dot : !is_atext(s[i]))
            return false;
        dot = s[i] == '.';
    }
    return !dot;
}

/* RFC 5321 Quoted-string: printable characters, backslash quotes the next. */
static bool is_quoted(const char *s, size_t len)
{
    if (len < 3 || s[0] != '"' || s[len - 1] != '"')
        return false;
    for (size_t i = 1; i < len - 1; i++) {
        if (s[i] == '"' || (s[i] == '\\' && ++i == len - 1))
            return false;
    }
    return true;
}

/* Adds the content of a local part: quoted only if it must be. */
static void put_local(struct buf *out, const char *s, size_t len)
{
    if (is_dot_atom(s, len)) {
        buf_add(out, s, len);
        return;
    }
    buf_addc(out, '"');
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '"' || s[i] == '\\')
            buf_addc(out, '\\');
        buf_addc(out, s[i]);
    }
    buf_addc(out, '"');
}

bool address_canonical(const char *local, bool quoted, const char *domain, size_t domain_len,
                       struct buf *out)
{
    size_t start = out->len, len = strlen(local);

    if (!len || (!quoted && !is_dot_atom(local, len)))
        return false;
    put_local(out, local, len);
    if (out->len - start > LOCAL_MAX)
        return false;
    buf_addc(out, '@');
    return idn_to_ascii(domain, domain_len, out) && out->len - start <= ADDRESS_MAX;
}

/* A domain that is canonical as it stands: lower-case ASCII labels. */
static bool is_plain_domain(const char *s)
{
    size_t label = 0, i = 0;

    for (;; i++) {
        char c = s[i];

        if ((c >= 'a' && c <= 'z') || is_digit(c) || (c == '-' && label)) {
            label++;
            continue;
        }
        if ((c && c != '.') || !label || label > IDN_LABEL_MAX || s[i - 1] == '-')
            return false;
        if (!c)
            return i <= IDN_DOMAIN_MAX;
        label = 0;
    }
}

bool address_is_plain(const char *s)
{
    size_t len = 0;

    for (; is_alnum(s[len]) || (s[len] && strchr("!#$%&'*+-/=?^_`{|}~.", s[len])); len++)
        ;
    return len <= LOCAL_MAX && s[len] == '@' && is_dot_atom(s, len) &&
           is_plain_domain(s + len + 1) && strlen(s) <= ADDRESS_MAX;
}

bool address_is_email(const char *s)
{
    const char *at = s ? strrchr(s, '@') : NULL;
    struct buf domain = {.max = 2 * IDN_DOMAIN_MAX};
    size_t local;
    bool ok;

    if (s && address_is_plain(s))
        return true;
    if (!at || strlen(s) > ADDRESS_MAX || !text_is_utf8(s, strlen(s)) || text_has_control(s))
        return false;
    local = (size_t)(at - s);
    if (!local || local > LOCAL_MAX || !(is_dot_atom(s, local) || is_quoted(s, local)))
        return false;
    ok = idn_to_ascii(at + 1, strlen(at + 1), &domain) && local + 1 + domain.len <= ADDRESS_MAX;
    buf_free(&domain);
    return ok;
}

bool address_is_text_sender(const char *s)
{
    size_t n = 0;
    bool letter = false;

    if (address_is_e164(s) || is_digits(s, 3, 8))
        return true;
    for (; s[n]; n++) {
        if (!is_alnum(s[n]) && !strchr(" -_&.+", s[n]))
            return false;
        letter |= is_alnum(s[n]) && !is_digit(s[n]);
    }
    return letter && n <= 11;
}

static bool is_slack(const char *s)
{
    size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");

    return strchr("CDGUW", s[0]) && !s[n] && n >= 3 && n <= 32;
}

static bool is_telegram(const char *s)
{
    if (s[0] == '@') {
        size_t n = strlen(s + 1);

        for (const char *p = s + 1; *p; p++)
            if (!is_alnum(*p) && *p != '_')
                return false;
        return n >= 4 && n <= 32 && !is_digit(s[1]);
    }
    s += s[0] == '-';
    return s[0] != '0' && is_digits(s, 1, 19);
}

static bool is_numeric_id(const char *s)
{
    return is_digits(s, 1, 32);
}

/* An opaque id: no space, no control, bounded. */
static bool is_opaque(const char *s)
{
    size_t len = strlen(s);

    return len && len <= OPAQUE_MAX && !strchr(s, ' ') && !text_has_control(s);
}

/* A custom channel's recipient is whatever its receiver understands, on one line. */
static bool is_line(const char *s)
{
    return *s && strlen(s) <= OPAQUE_MAX && !text_has_control(s);
}

static bool is_never(const char *s)
{
    (void)s;
    return false;
}

static const struct rule {
    bool (*is)(const char *s);
    const char *expected;
} rules[CHANNEL_COUNT] = {
    [CHANNEL_EMAIL] = {address_is_email, "must be an email address"},
    [CHANNEL_SMS] = {address_is_e164, "must be an E.164 number like +14155550100"},
    [CHANNEL_RCS] = {address_is_e164, "must be an E.164 number like +14155550100"},
    [CHANNEL_WHATSAPP] = {address_is_e164, "must be an E.164 number like +14155550100"},
    [CHANNEL_SLACK] = {is_slack, "must be a Slack channel or user id like C01234567"},
    [CHANNEL_TEAMS] = {is_opaque, "must be a Teams conversation id"},
    [CHANNEL_TELEGRAM] = {is_telegram, "must be a numeric Telegram chat id or a @channel"},
    [CHANNEL_INSTAGRAM] = {is_numeric_id, "must be a numeric Instagram id"},
    [CHANNEL_FACEBOOK] = {is_numeric_id, "must be a numeric Facebook id"},
    [CHANNEL_TIKTOK] = {is_opaque, "must be a TikTok conversation id"},
    [CHANNEL_LIVE_CHAT] = {is_opaque, "must be a live chat conversation id"},
    [CHANNEL_GMB] = {is_never, "cannot be reached: Google Business Messages was shut down in 2024"},
    [CHANNEL_CUSTOM] = {is_line, "must be one line of at most 512 bytes"},
};

enum sq_err address_check(enum channel c, const char *recipient, struct err_text *e)
{
    if (recipient && rules[c].is(recipient))
        return SQ_OK;
    return err_set(e, SQ_ERR_INVALID, "%s", rules[c].expected);
}
