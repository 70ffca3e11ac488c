/* Commands of a few arguments over a link. */
#include "redis_link.h"

enum sq_err redis_link_command(struct redis_link *l, redis_reply_cb cb, void *arg, int argc,
                               const char **argv, const size_t *lens)
{
    struct resp out = {.count = 0};
    enum sq_err err;

    resp_write(&out, argc, argv, lens);
    err = redis_link_send(l, cb, arg, &out);
    resp_free(&out);
    return err;
}
