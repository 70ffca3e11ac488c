/* Text: UTF-8, strict numbers, durations, sizes, case. Pure functions, no locale. */
#ifndef SENDQ_BASE_TEXT_H
#define SENDQ_BASE_TEXT_H

#include "buf.h"

/* True if s[0..len) is well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates). */
bool text_is_utf8(const char *s, size_t len);
/* Characters (code points) in well-formed UTF-8. */
size_t text_chars(const char *s);
/* The longest prefix of s that is at most max bytes and ends at a character. */
size_t text_cut(const char *s, size_t max);
/* True if s holds a control character: C0, DEL or C1 (U+0080-U+009F), tab included. */
bool text_has_control(const char *s);
bool text_has_crlf(const char *s); /* CR or LF anywhere */

bool text_eq(const char *a, const char *b);  /* both NULL: equal */
bool text_ieq(const char *a, const char *b); /* ASCII case folded */
bool text_starts(const char *s, const char *prefix);
bool text_is_empty(const char *s); /* NULL or "" */
void text_lower(char *s);          /* ASCII, in place */

/* Strict: the whole string is one decimal number in range, no spaces, no '+'. */
enum sq_err text_to_i64(const char *s, int64_t *ret) SQ_MUST_CHECK;

/* "250ms" "1s" "10m" "24h" "7d", or a bare number of seconds -> milliseconds (>= 0). */
enum sq_err text_to_duration(const char *s, int64_t *ret_ms) SQ_MUST_CHECK;
/* "512" "64KiB" "25MiB" "1GiB" "10kB" "25MB" -> bytes. */
enum sq_err text_to_size(const char *s, uint64_t *ret) SQ_MUST_CHECK;

/* Percent-encodes all but RFC 3986 unreserved characters. */
void text_add_urlencoded(struct buf *b, const char *s);
/* Appends s[0..len) for html, between tags or in a quoted attribute. */
void text_add_html(struct buf *b, const char *s, size_t len);
/* Appends s as one line: control characters and U+2028/9 become spaces. NULL adds nothing. */
void text_add_line(struct buf *b, const char *s);
/* Appends for a log line: quoted and escaped where it holds a space, quote, control, bidi or
 * line-separator character (U+2028/9, U+202A-E, U+2066-9); cut after max bytes with "...". */
void text_add_logsafe(struct buf *b, const char *s, size_t max);
/* True if text_add_logsafe would quote it. */
bool text_needs_quotes(const char *s, size_t len);
/* Appends s[0..len) for a terminal: line ends, control, bidi and separator characters as \n or
 * \u1234, bytes that are not UTF-8 as \x12; no quotes, nothing cut. */
void text_add_visible(struct buf *b, const char *s, size_t len);
/* As text_add_logsafe, always in quotes: valid JSON as it stands. */
void text_add_quoted(struct buf *b, const char *s, size_t max);

#endif
