/* Domain names to ASCII: lower case, then Punycode per label. */
#include "idn.h"

#include "fold.h"
#include "utf8.h"
#include <string.h>

/* RFC 3492 section 5. */
enum { BASE = 36, TMIN = 1, TMAX = 26, SKEW = 38, DAMP = 700, INITIAL_BIAS = 72, INITIAL_N = 128 };

/* A label as code points: no ASCII form of 63 characters holds more. */
struct label {
    uint32_t c[IDN_LABEL_MAX];
    unsigned count, ascii;
};

/* Kept by IDNA2008 though case folding would change them: sharp s and the final sigma. */
static uint32_t lower(uint32_t c)
{
    return c == 0xdf || c == 0x3c2 ? c : fold_char(c);
}

static bool is_allowed(uint32_t c)
{
    if (c < 0x80)
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    if (c < 0xc0) /* C1 controls and Latin-1 symbols, of which IDNA keeps one */
        return c == 0xb7;
    if (c >= 0x300 && c <= 0x36f) /* combining: the composed letter is meant */
        return false;
    if (c >= 0x2000 && c <= 0x2bff) /* punctuation, invisible characters, symbols, emoji */
        return c == 0x200c || c == 0x200d;
    if (c >= 0x3000 && c <= 0x3004) /* the ideographic space and full stop */
        return false;
    return c < 0xe000 || (c >= 0xf900 && c < 0xfe00) || (c >= 0x10000 && c < 0x1f000) ||
           (c >= 0x20000 && c < 0x323b0);
}

static bool read_label(const char *s, size_t len, struct label *ret)
{
    size_t size;

    ret->count = ret->ascii = 0;
    for (; len; s += size, len -= size) {
        uint32_t c;

        size = utf8_size(s, len);
        if (!size || ret->count == IDN_LABEL_MAX)
            return false;
        c = lower(utf8_decode(s, size));
        if (!is_allowed(c))
            return false;
        ret->ascii += c < 0x80;
        ret->c[ret->count++] = c;
    }
    return ret->count && ret->c[0] != '-' && ret->c[ret->count - 1] != '-';
}

static uint32_t adapt(uint32_t delta, uint32_t points, bool first)
{
    uint32_t k = 0;

    delta = first ? delta / DAMP : delta / 2;
    delta += delta / points;
    for (; delta > (BASE - TMIN) * TMAX / 2; k += BASE)
        delta /= BASE - TMIN;
    return k + (BASE - TMIN + 1) * delta / (delta + SKEW);
}

static void put_number(struct buf *out, uint32_t q, uint32_t bias)
{
    for (uint32_t k = BASE;; k += BASE) {
        uint32_t t = k <= bias ? TMIN : k >= bias + TMAX ? TMAX : k - bias;
        uint32_t digit = q < t ? q : t + (q - t) % (BASE - t);

        buf_addc(out, (char)(digit < 26 ? 'a' + digit : '0' + digit - 26));
        if (q < t)
            return;
        q = (q - t) / (BASE - t);
    }
}

static uint32_t next_point(const struct label *l, uint32_t n)
{
    uint32_t m = UINT32_MAX;

    for (unsigned i = 0; i < l->count; i++)
        if (l->c[i] >= n && l->c[i] < m)
            m = l->c[i];
    return m;
}

/* A label has at most 63 code points below 2^18, so that delta stays far below 2^32. */
static void put_punycode(struct buf *out, const struct label *l)
{
    uint32_t n = INITIAL_N, delta = 0, bias = INITIAL_BIAS;
    unsigned done = l->ascii;

    for (unsigned i = 0; i < l->count; i++)
        if (l->c[i] < 0x80)
            buf_addc(out, (char)l->c[i]);
    if (l->ascii)
        buf_addc(out, '-');
    for (; done < l->count; delta++, n++) {
        uint32_t m = next_point(l, n);

        delta += (m - n) * (done + 1);
        n = m;
        for (unsigned i = 0; i < l->count; i++) {
            delta += l->c[i] < n;
            if (l->c[i] != n)
                continue;
            put_number(out, delta, bias);
            bias = adapt(delta, done + 1, done == l->ascii);
            delta = 0;
            done++;
        }
    }
}

static bool put_label(struct buf *out, const char *s, size_t len)
{
    struct label l;
    size_t start = out->len;

    if (!read_label(s, len, &l))
        return false;
    if (l.ascii < l.count) {
        buf_adds(out, "xn--");
        put_punycode(out, &l);
    } else {
        for (unsigned i = 0; i < l.count; i++)
            buf_addc(out, (char)l.c[i]);
    }
    return out->len - start <= IDN_LABEL_MAX;
}

bool idn_to_ascii(const char *domain, size_t len, struct buf *out)
{
    struct buf ascii = {.max = 1024};
    bool ok = len <= 4 * IDN_DOMAIN_MAX;

    while (ok) {
        const char *dot = memchr(domain, '.', len);
        size_t n = dot ? (size_t)(dot - domain) : len;

        ok = put_label(&ascii, domain, n) && !ascii.failed && ascii.len <= IDN_DOMAIN_MAX;
        if (!dot)
            break;
        buf_addc(&ascii, '.');
        domain += n + 1;
        len -= n + 1;
    }
    if (ok)
        buf_add(out, ascii.data, ascii.len);
    buf_free(&ascii);
    return ok;
}
