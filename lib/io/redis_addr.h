/* Where Redis is, parsed from a URL. Percent-escapes are decoded.
 *
 *   redis://[user:password@|:password@]host[:port][,host[:port]...][/db]   several: nodes of a
 * cluster unix://[user:password@]/path[?db=N]
 *   sentinel://[user:password@]host[:port][,...]/master[/db]               the hosts are sentinels,
 *                                                  user and password those of the servers they name
 *   rediss://, sentinels://                                                the same over TLS, the
 *                                                  sentinels and the servers they name alike
 */
#ifndef SENDQ_IO_REDIS_ADDR_H
#define SENDQ_IO_REDIS_ADDR_H

#include "err.h"
#include <stdbool.h>

#define REDIS_HOSTS 16

struct redis_host {
    char name[256];
    int port;
};

struct redis_login {
    char user[128], password[512]; /* "" = none */
};

/* Every file may be "": the system's CAs, no certificate of our own, the key in its file. */
struct redis_tls {
    bool on;
    char ca_file[512], cert_file[512], key_file[512];
    char server_name[256]; /* whom the certificate has to name; "" = the host connected to */
};

struct redis_addr {
    char path[108]; /* unix socket, or "" */
    struct redis_host hosts[REDIS_HOSTS];
    unsigned host_count;
    char master[128]; /* what the sentinels call the primary; "" = the hosts are Redis itself */
    int db;
    struct redis_login login, sentinel;
    struct redis_tls tls;
};

enum sq_err redis_addr_parse(const char *url, struct redis_addr *ret,
                             struct err_text *e) SQ_MUST_CHECK;
/* Replaces user and password where they are not empty. `which` begins error texts. */
enum sq_err redis_login_set(struct redis_login *l, const char *which, const char *user,
                            const char *password, struct err_text *e) SQ_MUST_CHECK;

/* Fills in what is not NULL or "". They are refused where the URL asks for no
 * TLS. */
enum sq_err redis_tls_set(struct redis_tls *t, const char *ca_file, const char *cert_file,
                          const char *key_file, const char *server_name,
                          struct err_text *e) SQ_MUST_CHECK;

#endif
