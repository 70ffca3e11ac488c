/* The directory's interface: calls go to the backend. */
#include "directory.h"

enum sq_err directory_get(struct directory *d, const char *const *ids, size_t count,
                          directory_get_cb cb, void *arg)
{
    return d->ops->get(d, ids, count, cb, arg);
}

void directory_free(struct directory *d)
{
    if (d != NULL)
        d->ops->free(d);
}
