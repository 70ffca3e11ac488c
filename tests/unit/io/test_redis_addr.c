/* Redis URLs: what is understood, what is refused, and that no error repeats a password. */
#include "unit.h"

#include "redis_addr.h"

#include <string.h>

static struct redis_addr parsed(const char *url)
{
    struct redis_addr a;
    struct err_text e = {.text = ""};

    memset(&a, 'x', sizeof(a));
    if (redis_addr_parse(url, &a, &e) != SQ_OK)
        fail_msg("%s: %s", url, e.text);
    return a;
}

static void assert_tcp(const char *url, const char *user, const char *password, const char *host,
                       int port, int db)
{
    struct redis_addr a = parsed(url);

    assert_string_equal(a.path, "");
    assert_string_equal(a.login.user, user);
    assert_string_equal(a.login.password, password);
    assert_string_equal(a.hosts[0].name, host);
    assert_int_equal(a.hosts[0].port, port);
    assert_int_equal(a.db, db);
}

static void test_tcp(void **state)
{
    (void)state;
    assert_tcp("redis://localhost", "", "", "localhost", 6379, 0);
    assert_tcp("redis://localhost/", "", "", "localhost", 6379, 0);
    assert_tcp("redis://10.0.0.1:7000/3", "", "", "10.0.0.1", 7000, 3);
    assert_tcp("redis://:pw@h:1", "", "pw", "h", 1, 0);
    assert_tcp("redis://u:pw@h/15", "u", "pw", "h", 6379, 15);
    assert_tcp("redis://u:p%40%2F%3a@h", "u", "p@/:", "h", 6379, 0);
    assert_tcp("redis://u:p@s/s:w@h:2/1", "u", "p@s/s:w", "h", 2, 1);
    assert_tcp("redis://[::1]", "", "", "::1", 6379, 0);
    assert_tcp("redis://:pw@[fe80::1]:7000/2", "", "pw", "fe80::1", 7000, 2);
}

static void test_unix(void **state)
{
    struct redis_addr a = parsed("unix:///run/redis/redis.sock");

    (void)state;
    assert_string_equal(a.path, "/run/redis/redis.sock");
    assert_string_equal(a.hosts[0].name, "");
    assert_int_equal(a.db, 0);
    a = parsed("unix://u:pw@/r%20s?db=4");
    assert_string_equal(a.path, "/r s");
    assert_string_equal(a.login.user, "u");
    assert_string_equal(a.login.password, "pw");
    assert_int_equal(a.db, 4);
    a = parsed("unix:///run/a@b/r.sock");
    assert_string_equal(a.path, "/run/a@b/r.sock");
    a = parsed("unix:///run/a@/r.sock");
    assert_string_equal(a.path, "/run/a@/r.sock");
}

static void test_sentinels(void **state)
{
    struct redis_addr a = parsed("sentinel://u:p%40w@s1,10.0.0.2:5000,[::1]:7/my%20primary/3");

    (void)state;
    assert_int_equal(a.host_count, 3);
    assert_string_equal(a.hosts[0].name, "s1");
    assert_int_equal(a.hosts[0].port, 26379);
    assert_string_equal(a.hosts[1].name, "10.0.0.2");
    assert_int_equal(a.hosts[1].port, 5000);
    assert_string_equal(a.hosts[2].name, "::1");
    assert_int_equal(a.hosts[2].port, 7);
    assert_string_equal(a.master, "my primary");
    assert_int_equal(a.db, 3);
    assert_string_equal(a.login.user, "u");
    assert_string_equal(a.login.password, "p@w");
    assert_string_equal(a.sentinel.password, "");
    assert_false(a.tls.on);
    a = parsed("sentinels://s1,s2:5000/main");
    assert_true(a.tls.on);
    assert_string_equal(a.master, "main");
    assert_int_equal(a.hosts[0].port, 26379);
    assert_int_equal(a.hosts[1].port, 5000);
}

static void test_several_hosts(void **state)
{
    struct redis_addr a = parsed("redis://:pw@n1:7000,n2/1");

    (void)state;
    assert_int_equal(a.host_count, 2);
    assert_string_equal(a.hosts[1].name, "n2");
    assert_int_equal(a.hosts[1].port, 6379);
    assert_string_equal(a.master, "");
    assert_string_equal(a.login.password, "pw");
    assert_int_equal(a.db, 1);
}

static void test_login(void **state)
{
    struct redis_addr a = parsed("redis://u@h");
    struct err_text e;
    char longest[600];

    (void)state;
    assert_int_equal(redis_login_set(&a.login, "Redis ", "", NULL, &e), SQ_ERR_INVALID);
    assert_string_equal(e.text, "the Redis user needs a password");
    assert_int_equal(redis_login_set(&a.login, "Redis ", "", "s3cret", &e), SQ_OK);
    assert_string_equal(a.login.user, "u");
    assert_string_equal(a.login.password, "s3cret");
    assert_int_equal(redis_login_set(&a.login, "Redis ", "v", "", &e), SQ_OK);
    assert_string_equal(a.login.user, "v");
    assert_string_equal(a.login.password, "s3cret");
    memset(longest, 's', sizeof(longest));
    longest[512] = '\0';
    assert_int_equal(redis_login_set(&a.login, "Redis ", "w", longest, &e), SQ_ERR_INVALID);
    assert_null(strstr(e.text, "sss"));
    assert_string_equal(a.login.user, "v");
}

static void assert_refused(const char *url, const char *reason)
{
    struct redis_addr a, before;
    struct err_text e = {.text = ""};

    memset(&a, 'x', sizeof(a));
    before = a;
    if (redis_addr_parse(url, &a, &e) != SQ_ERR_INVALID)
        fail_msg("accepted: %s", url != NULL ? url : "NULL");
    if (strstr(e.text, reason) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", url != NULL ? url : "NULL", e.text, reason);
    assert_null(strstr(e.text, "s3cret"));
    assert_memory_equal(&a, &before, sizeof(a));
}

static void test_refused(void **state)
{
    char longest[200] = "unix:///";

    (void)state;
    memset(longest + strlen(longest), 'p', 120);
    assert_refused(NULL, "expected unix:///path");
    assert_refused("", "expected unix:///path");
    assert_refused("localhost:6379", "expected unix:///path");
    assert_refused("http://:s3cret@h", "expected unix:///path");
    assert_refused("rediss://", "host");
    assert_refused("redis://h1,,h2", "host");
    assert_refused("redis://h1,h2:x", "port");
    assert_refused("redis://h1,", "host");
    assert_refused("redis://1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", "more than 16 hosts");
    assert_refused("sentinel://h1,h2", "primary's name");
    assert_refused("sentinel://h1,h2/", "primary's name");
    assert_refused("sentinel://h1,h2//1", "primary's name");
    assert_refused("sentinel://h1,h2/name/x", "database");
    assert_refused("sentinel:///name", "host");
    assert_refused("sentinels:///name", "host");
    assert_refused("redis://", "host");
    assert_refused("redis://:s3cret@", "host");
    assert_refused("redis://:s3cret@/1", "host");
    assert_refused("redis://:s3cret%zz@h", "password");
    assert_refused("redis://:s3cret%00@h", "password");
    assert_refused("redis://:s3cret@h:0", "port");
    assert_refused("redis://:s3cret@h:65536", "port");
    assert_refused("redis://:s3cret@h:", "port");
    assert_refused("redis://h:1x", "port");
    assert_refused("redis://h:99999999999999999999", "port");
    assert_refused("redis://h/-1", "database");
    assert_refused("redis://h/1/2", "database");
    assert_refused("redis://h/x", "database");
    assert_refused("redis://[::1", "']'");
    assert_refused("redis://[::1]6379", ":port");
    assert_refused("redis://[]", "host");
    assert_refused("redis://a b", "host");
    assert_refused("redis://h\n", "control character");
    assert_refused("unix://run/r.sock", "absolute path");
    assert_refused("unix://", "absolute path");
    assert_refused("unix:///r?x=1", "only parameter is db");
    assert_refused("unix:///r?db=", "database");
    assert_refused(longest, "socket path is too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp),           cmocka_unit_test(test_unix),
        cmocka_unit_test(test_several_hosts), cmocka_unit_test(test_sentinels),
        cmocka_unit_test(test_login),         cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
