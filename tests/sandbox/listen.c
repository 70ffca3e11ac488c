/* Listening sockets and the port file. */
#include "listen.h"

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
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);

    getsockname((int)evconnlistener_get_fd(listener), (struct sockaddr *)&address, &len);
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return ntohs(((struct sockaddr_in *)&address)->sin_port);
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

static enum sq_err listen_tcp(struct server *s, unsigned *ret_port, struct err_text *e)
{
    const char *name = s->options->listen;
    struct sockaddr_storage address;
    struct evconnlistener *listener;
    int len = sizeof(address), on = 1;
    enum sq_err err;

    if (evutil_parse_sockaddr_port(name, (struct sockaddr *)&address, &len) != 0)
        return err_set(e, SQ_ERR_INVALID, "--listen: %s is not ADDRESS:PORT", name);
    err = bind_to(s, (struct sockaddr *)&address, len, name, &listener, e);
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
    struct evconnlistener *listener;

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
