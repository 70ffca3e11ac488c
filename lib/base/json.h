/* JSON in: a strict reader that makes cJSON's tree. JSON out: an escaping append writer. */
#ifndef SENDQ_BASE_JSON_H
#define SENDQ_BASE_JSON_H

#include "buf.h"

typedef struct cJSON cJSON; /* <cjson/cJSON.h>; include it to look inside */

/* Caps on input. Zero means the default. */
struct json_limits {
    size_t max_bytes;   /* 1 MiB */
    unsigned max_depth; /* 32 */
};

/* Parses one JSON value that is the whole of s[0..len) (surrounding white space is fine).
 * Refused, with the reason and byte offset in e: over the caps, invalid UTF-8, a NUL byte, \u0000,
 * a lone surrogate, a control character in a string, duplicate member names in one object, a
 * number that is not finite, trailing data. No recursion deeper than max_depth happens. A number's
 * valuestring holds its spelling. Free with json_free, never cJSON_Delete. */
enum sq_err json_parse(const char *s, size_t len, const struct json_limits *limits, cJSON **ret,
                       struct err_text *e) SQ_MUST_CHECK;
/* The same, but strings of JSON_LONG bytes and more are unescaped where they stand in s, each
 * beginning at the byte after its quote: s is spoilt, and must outlive the tree. */
#define JSON_LONG ((size_t)64 << 10)
enum sq_err json_parse_in_place(char *s, size_t len, const struct json_limits *limits, cJSON **ret,
                                struct err_text *e) SQ_MUST_CHECK;
void json_free(cJSON *j);

/* A string member's text; NULL if absent or not a string. Names are case-sensitive. */
const char *json_str(const cJSON *obj, const char *name);
const cJSON *json_get(const cJSON *obj, const char *name); /* member or NULL (also on NULL obj) */

/* The canonical form: members sorted by name (bytes), no white space, numbers in shortest form
 * that reads back equal (1.0 -> 1, 1e2 -> 100), strings with minimal escapes. Two spellings of
 * the same value give the same bytes. */
void json_canonical(const cJSON *j, struct buf *out);
/* Prints j compactly, members in their order. */
void json_print(const cJSON *j, struct buf *out);

/* --- writer: appends to a buf, commas handled by looking at what stands before ---
 *   json_open(b, '{'); json_key_str(b, "id", id); json_key_int(b, "n", 3); json_close(b, '}'); */
void json_open(struct buf *b, char bracket);     /* '{' or '[' */
void json_close(struct buf *b, char bracket);    /* '}' or ']' */
void json_key(struct buf *b, const char *name);  /* ,"name": */
void json_val_str(struct buf *b, const char *s); /* NULL prints null */
void json_val_strn(struct buf *b, const char *s, size_t len);
void json_val_int(struct buf *b, int64_t v);
void json_val_num(struct buf *b, double v); /* shortest that reads back; not finite = null */
void json_val_bool(struct buf *b, bool v);
void json_val_null(struct buf *b);
void json_val_raw(struct buf *b, const char *json, size_t len); /* already JSON */
void json_key_str(struct buf *b, const char *name, const char *s);
void json_key_int(struct buf *b, const char *name, int64_t v);
void json_key_bool(struct buf *b, const char *name, bool v);
/* As json_key_str, but writes nothing at all when s is NULL or "". */
void json_opt_str(struct buf *b, const char *name, const char *s);

#endif
