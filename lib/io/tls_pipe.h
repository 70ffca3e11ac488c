/* TLS for a connection that knows nothing of it: takes its socket away, puts one end of a socket
 * pair in its place under the same number, and passes on what comes, encrypted on one side.
 * (hiredis has TLS of its own only since 1.0, and does not look at whom a certificate names.)
 *
 * Private to lib/io. */
#ifndef SENDQ_IO_TLS_PIPE_H
#define SENDQ_IO_TLS_PIPE_H

#include "redis_addr.h"

struct loop;
struct tls_pipe;

/* Reads the files. The certificate will have to be valid for `name`, a host's name or address,
 * unless tls names another. */
enum sq_err tls_pipe_new(const struct redis_tls *tls, const char *name, struct tls_pipe **ret,
                         struct err_text *e) SQ_MUST_CHECK;
/* fd is connected, and nothing was read from or written to it yet; whatever watches it must be told
 * anew. When this or the handshake fails, the connection ends, and tls_pipe_error says why. */
void tls_pipe_begin(struct tls_pipe *p, int fd);
/* One of these next: the pipe is served by the loop, or by a thread, for who has no loop. */
void tls_pipe_join(struct tls_pipe *p, struct loop *loop);
void tls_pipe_run(struct tls_pipe *p);
/* Why it ended, or "". */
const char *tls_pipe_error(const struct tls_pipe *p);
/* NULL is fine. */
void tls_pipe_free(struct tls_pipe *p);

#endif
