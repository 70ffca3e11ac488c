/* application/x-www-form-urlencoded, read strictly. */
#ifndef SENDQ_TESTS_SANDBOX_FORM_H
#define SENDQ_TESTS_SANDBOX_FORM_H

#include "buf.h"

#define FORM_FIELDS_MAX 256

struct form_field {
    char *name, *value;
};

/* Zero-initialise; form_clear when done. */
struct form {
    struct form_field *fields;
    size_t count;
    struct arena arena;
};

/* False: broken percent escape, NUL, or too many fields. */
bool form_parse(struct form *f, const char *s, size_t len);
void form_clear(struct form *f);
const char *form_get(const struct form *f, const char *name); /* first value, or NULL */
size_t form_count(const struct form *f, const char *name);

#endif
