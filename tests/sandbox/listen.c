/* Listening sockets and the port file. */
#include "listen.h"

#include "text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096

static enum sq_err bind_to(struct server *s, const struct sockaddr *address, int len,
                           const char *name, struct evconnlistener **ret, struct err_text *e)
{
    struct evconnlistener *listener = evconnlistener_new_bind(
        s->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
        BACKLOG, address, len);

    if (!listener)
        return err_set(e, SQ_ERR_IO, "cannot listen on %s: %s", name, strerror(errno));
    if (!evhttp_bind_listener(s->http, listener)) {
        evconnlistener_free(listener);
        return err_set(e, SQ_ERR_IO, "cannot listen on %s", name);
    }
    *ret = listener;
    return SQ_OK;
}

static unsigned port_of(struct evconnlistener *listener)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {.v6 = {0}};
    socklen_t len = sizeof(address);

    if (getsockname((int)evconnlistener_get_fd(listener), &address.any, &len) != 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

/* By rename, so that whoever waits for the file never reads half of it. */
static enum sq_err write_port(const char *path, unsigned port, struct err_text *e)
{
    char temporary[4096];
    FILE *f;
    bool good;

    if ((size_t)snprintf(temporary, sizeof(temporary), "%s.new", path) >= sizeof(temporary))
        return err_set(e, SQ_ERR_INVALID, "--port-file: too long");
    f = fopen(temporary, "w");
    if (!f)
        return err_set(e, SQ_ERR_IO, "cannot write %s: %s", temporary, strerror(errno));
    good = fprintf(f, "%u\n", port) > 0;
    good = fclose(f) == 0 && good;
    if (!good || rename(temporary, path) != 0)
        return err_set(e, SQ_ERR_IO, "cannot write %s: %s", path, strerror(errno));
    return SQ_OK;
}

/* "127.0.0.1:0" or "[::1]:0". libevent's own parser refuses port 0. */
static bool parse_address(const char *text, struct sockaddr_storage *ret, socklen_t *ret_len)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
    const char *colon = strrchr(text, ':');
    char host[64];
    int64_t port;

    if (!colon || (size_t)(colon - text) >= sizeof(host) || text_to_i64(colon + 1, &port) ||
        port < 0 || port > 65535)
        return false;
    snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
    *ret = (struct sockaddr_storage){0};
    if (host[0] == '[' && host[strlen(host) - 1] == ']') {
        host[strlen(host) - 1] = '\0';
        *v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
        *ret_len = sizeof(*v6);
        return inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1;
    }
    *v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    *ret_len = sizeof(*v4);
    return inet_pton(AF_INET, host, &v4->sin_addr) == 1;
}

static enum sq_err listen_tcp(struct server *s, unsigned *ret_port, struct err_text *e)
{
    const char *name = s->options->listen;
    struct sockaddr_storage address;
    struct evconnlistener *listener = NULL;
    socklen_t len;
    int on = 1;
    enum sq_err err;

    if (!parse_address(name, &address, &len))
        return err_set(e, SQ_ERR_INVALID, "--listen: %s is not ADDRESS:PORT", name);
    err = bind_to(s, (struct sockaddr *)&address, (int)len, name, &listener, e);
    if (err)
        return err;
    /* Accepted sockets inherit it. A slow answer's single bytes must leave one by one. */
    setsockopt((int)evconnlistener_get_fd(listener), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    *ret_port = port_of(listener);
    return SQ_OK;
}

static enum sq_err listen_unix(struct server *s, struct err_text *e)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = s->options->unix_path;
    struct evconnlistener *listener = NULL;

    if (strlen(path) >= sizeof(address.sun_path))
        return err_set(e, SQ_ERR_INVALID, "--unix: %s is too long for a socket", path);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    unlink(path);
    return bind_to(s, (struct sockaddr *)&address, sizeof(address), path, &listener, e);
}

enum sq_err listen_open(struct server *s, struct err_text *e)
{
    enum sq_err err = SQ_OK;
    unsigned port = 0;

    if (s->options->unix_path)
        err = listen_unix(s, e);
    if (!err && s->options->listen)
        err = listen_tcp(s, &port, e);
    if (!err && s->options->port_file)
        err = write_port(s->options->port_file, port, e);
    if (!err && !s->options->quiet && port > 0)
        printf("listening on port %u\n", port);
    return err;
}
