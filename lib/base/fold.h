/* Case folding of UTF-8 text, without any locale. */
#ifndef SENDQ_BASE_FOLD_H
#define SENDQ_BASE_FOLD_H

#include "buf.h"

/* Unicode's simple case folding of one code point (C and S of CaseFolding, Unicode 14). */
uint32_t fold_char(uint32_t c);
/* Appends s folded for comparison: two texts that differ only by case fold to the same bytes; ß
 * and ẞ become "ss". Bytes that are not UTF-8 stand for themselves. */
void fold_text(struct buf *out, const char *s);
/* Appends one code point as UTF-8. */
void fold_put(struct buf *out, uint32_t c);

#endif
