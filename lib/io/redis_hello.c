/* What is said first on a new connection, and what the answers mean. */
#include "redis_hello.h"

#include "redis_reply.h"
#include "text.h"
#include <stdio.h>
#include <string.h>

static const struct redis_login *login_of(const struct redis_hello *h)
{
    const struct redis_addr *a = h->route->addr;

    return redis_route_is_asking(h->route) ? &a->sentinel : &a->login;
}

static bool is_skipped(const struct redis_hello *h)
{
    const struct redis_addr *a = h->route->addr;
    bool asking = redis_route_is_asking(h->route);

    switch (h->step) {
    case HELLO_AUTH:
        return login_of(h)->password[0] == '\0';
    case HELLO_SENTINEL:
        return !asking;
    case HELLO_ROLE:
        return asking || a->master[0] == '\0';
    case HELLO_SELECT:
        return asking || a->db == 0;
    case HELLO_NAME:
        return asking || h->name == NULL;
    case HELLO_KEY:
        return asking;
    case HELLO_DONE:
        break;
    }
    return false;
}

#define SAY(...)                                                                                   \
    (memcpy(argv, (const char *[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__})),           \
     (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)))

int redis_hello_next(struct redis_hello *h, const char *argv[REDIS_HELLO_ARGS])
{
    const struct redis_addr *a = h->route->addr;
    const struct redis_login *login = login_of(h);

    while (is_skipped(h))
        h->step++;
    switch (h->step) {
    case HELLO_AUTH:
        return login->user[0] != '\0' ? SAY("AUTH", login->user, login->password)
                                      : SAY("AUTH", login->password);
    case HELLO_SENTINEL:
        return SAY("SENTINEL", "get-master-addr-by-name", a->master);
    case HELLO_ROLE:
        return SAY("ROLE");
    case HELLO_SELECT:
        snprintf(h->db, sizeof(h->db), "%d", a->db);
        return SAY("SELECT", h->db);
    case HELLO_NAME:
        return SAY("CLIENT", "SETNAME", h->name);
    case HELLO_KEY:
        if (h->key == NULL)
            return SAY("PING");
        snprintf(h->other, sizeof(h->other), "%sx", h->key);
        return SAY("EXISTS", h->key, h->other);
    case HELLO_DONE:
        break;
    }
    return 0;
}

static enum redis_hello_answer judge_sentinel(const struct redis_hello *h,
                                              const struct redisReply *reply,
                                              struct redis_host *ret, struct redis_hello_why *why)
{
    const char *host = reply_str(reply_at(reply, 0), NULL);
    int64_t port = reply_int(reply_at(reply, 1), 0);
    struct redis_host found = {.port = (int)port};

    if (host == NULL || port < 1 || port > 65535 || strlen(host) >= sizeof(found.name)) {
        snprintf(why->text, sizeof(why->text), "the sentinel knows no primary called %s",
                 h->route->addr->master);
        return HELLO_FAILED;
    }
    memcpy(found.name, host, strlen(host) + 1);
    *ret = found;
    return HELLO_GO_TO;
}

/* AUTH's error is cut to its code: Redis repeats the arguments of a command it does not know. */
static enum redis_hello_answer judge_error(const struct redis_hello *h, const char *error,
                                           struct redis_host *ret, struct redis_hello_why *why)
{
    static const char *const names[] = {"AUTH",   "SENTINEL",       "ROLE",
                                        "SELECT", "CLIENT SETNAME", "EXISTS"};
    const char *name = h->step == HELLO_KEY && h->key == NULL ? "PING" : names[h->step];
    int len = h->step == HELLO_AUTH ? (int)strcspn(error, " ") : (int)strlen(error);
    const char *hint = "";

    if (redis_route_read_moved(h->route, error, ret))
        return HELLO_GO_TO;
    if (text_starts(error, "CROSSSLOT")) {
        snprintf(why->text, sizeof(why->text),
                 "this is a Redis Cluster: the namespace needs a hash tag, as in {sendq}");
        return HELLO_FAILED;
    }
    if (text_starts(error, "NOAUTH"))
        hint = " (see redis.user and redis.password)";
    else if (text_starts(error, "NOPERM"))
        hint = " (docs/redis.md lists the rights of its ACL user)";
    else if (text_starts(error, "ASK"))
        hint = " (its slot is being moved)";
    snprintf(why->text, sizeof(why->text), "%s%s refused: %.*s%s",
             redis_route_is_asking(h->route) && h->step == HELLO_AUTH ? "the sentinel's " : "",
             name, len, error, hint);
    return HELLO_FAILED;
}

enum redis_hello_answer redis_hello_judge(struct redis_hello *h, const struct redisReply *reply,
                                          struct redis_host *ret, struct redis_hello_why *why)
{
    const char *error = reply_error(reply), *role;
    bool optional = h->step == HELLO_NAME || (h->step == HELLO_KEY && h->key == NULL);

    if (*error != '\0' && !(optional && text_starts(error, "NOPERM")))
        return judge_error(h, error, ret, why);
    if (h->step == HELLO_SENTINEL)
        return judge_sentinel(h, reply, ret, why);
    role = h->step == HELLO_ROLE ? reply_str(reply_at(reply, 0), NULL) : "master";
    if (!text_eq(role, "master")) {
        snprintf(why->text, sizeof(why->text), "whom the sentinel named is no primary (yet)");
        return HELLO_FAILED;
    }
    h->step++;
    return HELLO_GO_ON;
}
