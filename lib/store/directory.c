/* The directory's interface: calls go to the backend. */
#include "directory.h"

enum sq_err directory_get(struct directory *d, const char *const *ids, size_t count,
                          directory_get_cb cb, void *arg)
{
    return d->ops->get(d, ids, count, cb, arg);
}

enum sq_err directory_page(struct directory *d, const char *assignee, const char *cursor,
                           unsigned count, directory_page_cb cb, void *arg)
{
    return d->ops->page(d, assignee, cursor, count, cb, arg);
}

void directory_free(struct directory *d)
{
    if (d != NULL)
        d->ops->free(d);
}
