/* Credentials by reference: file:PATH, env:NAME, credential:NAME (systemd), or the value itself. */
#include "credential.h"

#include "text.h"
#include <string.h>

struct lookup {
    const char *const *env;
    struct pool *pool;
};

/* Strips one line end: editors and `echo` add it, no credential ends with it. */
static enum sq_err take_file(struct lookup *l, const char *path, struct credential *ret,
                             struct err_text *e)
{
    bool world_readable = false;
    enum sq_err err;
    size_t len;
    char *data;

    err = pool_read_file(l->pool, path, CREDENTIAL_MAX, true, &data, &len, &world_readable, e);
    if (err)
        return err;
    if (len && data[len - 1] == '\n')
        data[--len] = '\0';
    if (len && data[len - 1] == '\r')
        data[--len] = '\0';
    if (len == 0)
        return err_set(e, SQ_ERR_INVALID, "it is empty");
    if (memchr(data, '\0', len) || !text_is_utf8(data, len))
        return err_set(e, SQ_ERR_INVALID, "it is not text");
    *ret = (struct credential){.value = data, .world_readable = world_readable};
    return SQ_OK;
}

static enum sq_err from_file(struct lookup *l, const char *path, struct credential *ret,
                             struct err_text *e)
{
    struct err_text why;
    enum sq_err err;

    if (!*path)
        return err_set(e, SQ_ERR_INVALID, "expected a path after file:");
    err = take_file(l, path, ret, &why);
    if (err)
        return err_set(e, err, "expected the file named after file: to hold it: %s", why.text);
    ret->file = pool_strdup(l->pool, path);
    return SQ_OK;
}

static enum sq_err from_env(struct lookup *l, const char *name, struct credential *ret,
                            struct err_text *e)
{
    const char *value;

    if (!*name || strchr(name, '='))
        return err_set(e, SQ_ERR_INVALID, "expected a variable's name after env:");
    value = credential_env(l->env, name, strlen(name));
    if (text_is_empty(value))
        return err_set(e, SQ_ERR_NOT_FOUND,
                       "expected the environment variable named after env: to be set");
    if (strlen(value) > CREDENTIAL_MAX || !text_is_utf8(value, strlen(value)))
        return err_set(e, SQ_ERR_INVALID,
                       "expected the environment variable named after env: to hold UTF-8 text of "
                       "at most %zu bytes",
                       CREDENTIAL_MAX);
    *ret = (struct credential){.value = pool_strdup(l->pool, value)};
    return SQ_OK;
}

static enum sq_err from_systemd(struct lookup *l, const char *name, struct credential *ret,
                                struct err_text *e)
{
    static const char variable[] = "CREDENTIALS_DIRECTORY";
    const char *dir = credential_env(l->env, variable, strlen(variable));
    struct err_text why;
    enum sq_err err;

    if (!*name || *name == '.' || strchr(name, '/'))
        return err_set(e, SQ_ERR_INVALID,
                       "expected a credential's name, without '/', after credential:");
    if (text_is_empty(dir))
        return err_set(e, SQ_ERR_NOT_FOUND,
                       "expected systemd to pass credentials (LoadCredential=), but "
                       "$CREDENTIALS_DIRECTORY is not set");
    err = take_file(l, pool_printf(l->pool, "%s/%s", dir, name), ret, &why);
    if (err)
        return err_set(e, err, "expected the systemd credential named after credential:: %s",
                       why.text);
    return SQ_OK;
}

static const struct {
    const char *prefix;
    enum sq_err (*resolve)(struct lookup *l, const char *rest, struct credential *ret,
                           struct err_text *e);
} schemes[] = {
    {"file:", from_file},
    {"env:", from_env},
    {"credential:", from_systemd},
};

#define SCHEMES (sizeof(schemes) / sizeof(schemes[0]))

const char *credential_env(const char *const *env, const char *name, size_t name_len)
{
    for (; env && *env; env++)
        if (strncmp(*env, name, name_len) == 0 && (*env)[name_len] == '=')
            return *env + name_len + 1;
    return NULL;
}

enum sq_err credential_resolve(const char *text, const char *const *env, struct pool *pool,
                               struct credential *ret, struct err_text *e)
{
    struct lookup l = {.env = env, .pool = pool};

    for (size_t i = 0; i < SCHEMES; i++)
        if (text_starts(text, schemes[i].prefix))
            return schemes[i].resolve(&l, text + strlen(schemes[i].prefix), ret, e);
    *ret = (struct credential){.value = pool_strdup(pool, text), .inlined = true};
    return SQ_OK;
}
