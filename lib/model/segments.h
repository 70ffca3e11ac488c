/* SMS segments: how many parts a text is sent and charged as. */
#ifndef SENDQ_MODEL_SEGMENTS_H
#define SENDQ_MODEL_SEGMENTS_H

/* GSM-7 is the default alphabet of 3GPP TS 23.038 with its extension table; one character outside
 * of it makes the whole text UCS-2. National shift tables are left out: providers use them only
 * where asked to, so a text that needs one is counted as UCS-2. */
enum sms_alphabet { SMS_GSM7, SMS_UCS2 };

struct sms_size {
    enum sms_alphabet alphabet;
    unsigned units;    /* septets (an extension character is two), or UTF-16 code units */
    unsigned segments; /* at least 1 */
};

/* Measures well-formed UTF-8; NULL counts as "". One segment holds 160 septets or 70 code units;
 * of several each holds 153 or 67, because a header takes the rest, and neither an escape with
 * its character nor a surrogate pair is divided between two. */
struct sms_size sms_measure(const char *text);

#endif
