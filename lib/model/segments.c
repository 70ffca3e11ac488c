/* Counting SMS segments exactly, by one walk over the characters. */
#include "segments.h"

#include "text.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define GSM_SINGLE 160u
#define GSM_PART 153u
#define UCS_SINGLE 70u
#define UCS_PART 67u

/* Of ASCII the default alphabet lacks the controls but LF and CR, and these: the backquote, and
 * what stands in the extension table (form feed among it). */
static const char extended_ascii[] = "\f^{}\\[~]|";

/* The default alphabet beyond ASCII. */
static const uint16_t basic[] = {
    0x00A3, 0x00A5, 0x00E8, 0x00E9, 0x00F9, 0x00EC, 0x00F2, 0x00C7, 0x00D8, 0x00F8,
    0x00C5, 0x00E5, 0x0394, 0x03A6, 0x0393, 0x039B, 0x03A9, 0x03A0, 0x03A8, 0x03A3,
    0x0398, 0x039E, 0x00C6, 0x00E6, 0x00DF, 0x00C9, 0x00A4, 0x00A1, 0x00C4, 0x00D6,
    0x00D1, 0x00DC, 0x00A7, 0x00BF, 0x00E4, 0x00F6, 0x00F1, 0x00FC, 0x00E0,
};

#define EURO 0x20AC /* the extension table's only character beyond ASCII */

/* Septets of a character; 0 = it is not in the alphabet. */
static unsigned gsm_septets(uint32_t c)
{
    if (c < 0x80) {
        if (c && strchr(extended_ascii, (int)c))
            return 2;
        return (c >= 0x20 && c != '`' && c != 0x7F) || c == '\n' || c == '\r';
    }
    if (c == EURO)
        return 2;
    for (size_t i = 0; i < sizeof(basic) / sizeof(basic[0]); i++) {
        if (basic[i] == c)
            return 1;
    }
    return 0;
}

static unsigned ucs_units(uint32_t c)
{
    return c > 0xFFFF ? 2 : 1;
}

/* The next character of well-formed UTF-8. A stray byte counts as one, so that the walk ends. */
static uint32_t next_char(const char **p)
{
    const unsigned char *s = (const unsigned char *)*p;
    unsigned more = s[0] >= 0xF0 ? 3 : s[0] >= 0xE0 ? 2 : s[0] >= 0xC0 ? 1 : 0;
    uint32_t c = more ? s[0] & (0x3Fu >> more) : s[0];

    for (unsigned i = 1; i <= more && s[i]; i++)
        c = c << 6 | (s[i] & 0x3Fu);
    for (unsigned i = 0; i <= more && **p; i++)
        ++*p;
    return c;
}

static bool is_gsm(const char *text)
{
    while (*text) {
        if (!gsm_septets(next_char(&text)))
            return false;
    }
    return true;
}

struct sms_size sms_measure(const char *text)
{
    struct sms_size size = {.alphabet = SMS_GSM7, .segments = 1};
    unsigned single = GSM_SINGLE, part = GSM_PART, filled = 0;
    unsigned (*units)(uint32_t c) = gsm_septets;

    text = text ? text : "";
    if (!is_gsm(text)) {
        size.alphabet = SMS_UCS2;
        single = UCS_SINGLE;
        part = UCS_PART;
        units = ucs_units;
    }
    while (*text) {
        unsigned n = units(next_char(&text));

        size.units += n;
        if (filled + n > part) {
            size.segments++;
            filled = 0;
        }
        filled += n;
    }
    if (size.units <= single)
        size.segments = 1;
    return size;
}
