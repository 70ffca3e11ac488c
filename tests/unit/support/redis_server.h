/* A redis-server of the test's own, on a unix socket in a directory of its own. */
#ifndef SENDQ_TESTS_REDIS_SERVER_H
#define SENDQ_TESTS_REDIS_SERVER_H

#include "redis_sync.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct redis_server {
    char dir[64];
    struct redis_addr addr;
    const char *password; /* NULL = none */
    pid_t pid;
};

static inline bool redis_server_answers(const struct redis_server *s)
{
    struct redis_sync *r;
    struct redisReply *reply;
    bool ok;

    if (redis_sync_open(&s->addr, NULL, 1000, &r, NULL) != SQ_OK)
        return false;
    ok = redis_sync_command(r, 1, (const char *[]){"PING"}, NULL, &reply, NULL) == SQ_OK;
    if (ok)
        redis_reply_free(reply);
    redis_sync_close(r);
    return ok;
}

/* In the child. It dies with the test, also when that crashes. */
static inline void redis_server_exec(const struct redis_server *s)
{
    int null = open("/dev/null", O_WRONLY);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(null, 1);
    dup2(null, 2);
    execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", s->addr.path, "--save",
           "", "--appendonly", "no", "--dir", s->dir, s->password ? "--requirepass" : "--daemonize",
           s->password ? s->password : "no", (char *)NULL);
    _exit(127);
}

/* Starts it (again) and waits until it answers. */
static inline void redis_server_up(struct redis_server *s)
{
    s->pid = fork();
    if (s->pid == 0)
        redis_server_exec(s);
    for (int i = 0; i < 2000 && !redis_server_answers(s); i++)
        poll(NULL, 0, 5);
}

static inline void redis_server_down(struct redis_server *s)
{
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    unlink(s->addr.path);
}

static inline void redis_server_start(struct redis_server *s, const char *password)
{
    memset(s, 0, sizeof(*s));
    strcpy(s->dir, "/tmp/sendq-test-XXXXXX");
    if (mkdtemp(s->dir) == NULL)
        abort();
    snprintf(s->addr.path, sizeof(s->addr.path), "%s/redis.sock", s->dir);
    s->password = password;
    if (password != NULL)
        snprintf(s->addr.login.password, sizeof(s->addr.login.password), "%s", password);
    redis_server_up(s);
}

static inline void redis_server_stop(struct redis_server *s)
{
    redis_server_down(s);
    rmdir(s->dir);
}

#endif
