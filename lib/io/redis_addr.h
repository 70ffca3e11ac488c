/* Where Redis is, parsed from a URL. Percent-escapes are decoded.
 *
 *   redis://[user:password@|:password@]host[:port][,host[:port]...][/db]   several: nodes of a
 * cluster unix://[user:password@]/path[?db=N]
 *   sentinel://[user:password@]host[:port][,...]/master[/db]               the hosts are sentinels,
 *                                                  user and password those of the servers they name
 */
#ifndef SENDQ_IO_REDIS_ADDR_H
#define SENDQ_IO_REDIS_ADDR_H

#include "err.h"

#define REDIS_HOSTS 16

struct redis_host {
    char name[256];
    int port;
};

struct redis_login {
    char user[128], password[512]; /* "" = none */
};

struct redis_addr {
    char path[108]; /* unix socket, or "" */
    struct redis_host hosts[REDIS_HOSTS];
    unsigned host_count;
    char master[128]; /* what the sentinels call the primary; "" = the hosts are Redis itself */
    int db;
    struct redis_login login, sentinel;
};

/* rediss:// is refused here: hiredis as packaged knows no TLS. */
enum sq_err redis_addr_parse(const char *url, struct redis_addr *ret,
                             struct err_text *e) SQ_MUST_CHECK;
/* Replaces user and password where they are not empty. `which` begins error texts. */
enum sq_err redis_login_set(struct redis_login *l, const char *which, const char *user,
                            const char *password, struct err_text *e) SQ_MUST_CHECK;

#endif
