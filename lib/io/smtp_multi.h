/* SMTP transactions, each by curl in a thread of its own; connections are kept and reused. */
#ifndef SENDQ_IO_SMTP_MULTI_H
#define SENDQ_IO_SMTP_MULTI_H

#include "http_multi.h"

struct smtp_multi;

/* Of opts, what HTTP alone knows is not looked at. */
struct smtp_multi *smtp_multi_new(struct loop *loop, const struct http_opts *opts);
/* Aborts what runs, as http_multi_free does. Not from inside a callback. NULL is fine. */
void smtp_multi_free(struct smtp_multi *h);
unsigned smtp_multi_in_flight(const struct smtp_multi *h);

/* Starts a transaction (request.h says what of the request counts). One recipient refused = all
 * refused: the mail goes to all of them or to none. As http_multi_start otherwise. */
enum sq_err smtp_multi_start(struct smtp_multi *h, const struct request *req, int64_t timeout_ms,
                             http_done_cb cb, void *arg, struct err_text *e) SQ_MUST_CHECK;

#endif
