/* The reading half of the control API. */
#ifndef SENDQ_TESTS_SANDBOX_CONTROL_VIEW_H
#define SENDQ_TESTS_SANDBOX_CONTROL_VIEW_H

#include "form.h"
#include "server.h"

struct control_call {
    const char *rest; /* of the path, behind what the route names */
    const struct form *query;
    const char *body; /* NULL when empty; not NUL-terminated */
    size_t body_len;
};

enum sq_err control_view_requests(struct server *s, const struct control_call *call,
                                  struct buf *out, struct err_text *e);
enum sq_err control_view_stats(struct server *s, const struct control_call *call, struct buf *out,
                               struct err_text *e);
enum sq_err control_view_ids(struct server *s, const struct control_call *call, struct buf *out,
                             struct err_text *e);
enum sq_err control_view_window(struct server *s, const struct control_call *call, struct buf *out,
                                struct err_text *e);

#endif
