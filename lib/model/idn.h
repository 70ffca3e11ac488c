/* Internationalized domain names: the ASCII form that DNS and most providers know. */
#ifndef SENDQ_MODEL_IDN_H
#define SENDQ_MODEL_IDN_H

#include "buf.h"

#define IDN_DOMAIN_MAX 253
#define IDN_LABEL_MAX 63

/* Appends domain[0..len) in lower case, every label that is not ASCII as "xn--" and its Punycode
 * (RFC 3492). False, and nothing appended, if it is no host name: an empty label, one of more than
 * 63 characters, a leading or trailing hyphen, another character than letters, digits, hyphens and
 * (outside ASCII) anything but spaces, controls, symbols that look like dots, and combining marks
 * for which a composed letter exists: those must come composed (NFC). */
bool idn_to_ascii(const char *domain, size_t len, struct buf *out);

#endif
