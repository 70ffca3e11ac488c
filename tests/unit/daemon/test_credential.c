/* Credentials by reference, and warnings about exposed ones. */
#include "config_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct secret_file {
    char dir[32], path[64];
};

static struct secret_file secret_file(const char *content, size_t len, mode_t mode)
{
    struct secret_file f = {.dir = "/tmp/sendq-test-XXXXXX"};
    FILE *out;

    assert_non_null(mkdtemp(f.dir));
    snprintf(f.path, sizeof(f.path), "%s/key", f.dir);
    out = fopen(f.path, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(content, 1, len, out), len);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(f.path, mode), 0);
    return f;
}

static void secret_file_remove(const struct secret_file *f)
{
    unlink(f->path);
    rmdir(f->dir);
}

/* Loads a sender whose api_key is `reference`; returns what it resolved to in out. */
static void resolve(const char *reference, const char *const *env, struct lines *l, struct buf *out)
{
    char text[256];
    struct config *c;

    snprintf(text, sizeof(text), SENDGRID "credentials: {api_key: \"%s\"}}]", reference);
    c = load(text, env, l);
    buf_adds(out, c ? sender_value(&c->senders[0], "api_key") : "(refused)");
    config_free(c);
}

static void test_file_reference(void **state)
{
    static const struct {
        const char *content, *value, *warning;
        size_t len;
        mode_t mode;
    } cases[] = {
        {"key\n", "key", "", 4, 0600},
        {"key\r\n", "key", "", 5, 0600},
        {"key\n\n", "key\n", "", 5, 0600},
        {"a\nb", "a\nb", "", 3, 0600},
        {"key", "key",
         "f:1: senders[0].credentials.api_key: the file it refers to is readable by everybody, "
         "expected mode 0600\n",
         3, 0644},
        {"", "(refused)", "", 0, 0600},
        {"\n", "(refused)", "", 1, 0600},
        {"a\0b", "(refused)", "", 3, 0600},
        {"\xff", "(refused)", "", 1, 0600},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct secret_file f = secret_file(cases[i].content, cases[i].len, cases[i].mode);
        struct buf out = {0};
        struct lines l;
        char reference[80];

        snprintf(reference, sizeof(reference), "file:%s", f.path);
        resolve(reference, NULL, &l, &out);
        assert_string_equal(buf_str(&out), cases[i].value);
        assert_string_equal(buf_str(&l.warnings), cases[i].warning);
        lines_free(&l);
        buf_free(&out);
        secret_file_remove(&f);
    }
}

static void test_file_of_64_kib_is_the_largest(void **state)
{
    size_t max = 64 << 10;
    char *content = malloc(max + 1);

    (void)state;
    memset(content, 'k', max + 1);
    for (size_t more = 0; more < 2; more++) {
        struct secret_file f = secret_file(content, max + more, 0600);
        struct buf out = {0};
        struct lines l;
        char reference[80];

        snprintf(reference, sizeof(reference), "file:%s", f.path);
        resolve(reference, NULL, &l, &out);
        if (more)
            assert_string_equal(buf_str(&l.fatal),
                                "f:1: senders[0].credentials.api_key: expected the file named "
                                "after file: to hold it: it holds more than 65536 bytes\n");
        else
            assert_int_equal(out.len, max);
        lines_free(&l);
        buf_free(&out);
        secret_file_remove(&f);
    }
    free(content);
}

static void test_systemd_reference(void **state)
{
    struct secret_file f = secret_file(CANARY "\n", strlen(CANARY) + 1, 0400);
    char directory[64];
    const char *env[] = {directory, NULL};
    struct buf out = {0};
    struct lines l;

    (void)state;
    snprintf(directory, sizeof(directory), "CREDENTIALS_DIRECTORY=%s", f.dir);
    resolve("credential:key", env, &l, &out);
    assert_string_equal(buf_str(&out), CANARY);
    assert_string_equal(buf_str(&l.warnings), "");
    lines_free(&l);
    buf_free(&out);
    secret_file_remove(&f);
}

static void test_inlined_secrets_are_warned_about(void **state)
{
    static const char warning[] =
        "f:1: senders[0].credentials.api_key: the secret itself stands here, expected a reference "
        "to it: file:PATH, env:NAME or credential:NAME\n";
    const char *env[] = {"SENDQ_SENDERS__A__CREDENTIALS__API_KEY=" CANARY, "K=" CANARY, NULL};
    struct buf out = {0};
    struct lines l;

    (void)state;
    resolve(CANARY, NULL, &l, &out);
    assert_string_equal(buf_str(&out), CANARY);
    assert_string_equal(buf_str(&l.warnings), warning);
    lines_free(&l);
    buf_clear(&out);
    resolve("", env, &l, &out); /* from the environment it is no more exposed than by env: */
    assert_string_equal(buf_str(&l.warnings), "");
    lines_free(&l);
    buf_clear(&out);
    config_free(load("redis: {url: \"redis://u:" CANARY "@h\"}\n" SANDBOX, NULL, &l));
    assert_string_equal(buf_str(&l.warnings),
                        "f:1: redis.url: the password itself stands here, expected a reference to "
                        "it: file:PATH, env:NAME or credential:NAME\n");
    lines_free(&l);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_reference),
        cmocka_unit_test(test_file_of_64_kib_is_the_largest),
        cmocka_unit_test(test_systemd_reference),
        cmocka_unit_test(test_inlined_secrets_are_warned_about),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
