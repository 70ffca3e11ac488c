/* multipart/form-data (RFC 7578), read strictly. */
#ifndef SENDQ_SANDBOX_MULTIPART_H
#define SENDQ_SANDBOX_MULTIPART_H

#include "exchange.h"

#define MULTIPART_MAX 64

struct multipart_part {
    char name[128];
    char filename[256]; /* "" = a plain field */
    char type[128];     /* Content-Type, or "" */
    const char *data;   /* into the body; not NUL-terminated */
    size_t len;
};

struct multipart {
    struct multipart_part part[MULTIPART_MAX];
    unsigned count;
};

/* False if the body is not well-formed multipart/form-data of its Content-Type's boundary. */
bool multipart_read(const struct exchange *x, struct multipart *ret);
const struct multipart_part *multipart_find(const struct multipart *m, const char *name);
/* A plain field's text, cut to size; NULL if it is not there. */
const char *multipart_text(const struct multipart *m, const char *name, char *out, size_t size);

#endif
