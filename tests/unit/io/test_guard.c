/* The guard: which addresses are public, and what the operator's list lets through. */
#include "unit.h"

#include "guard.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Each range at its first and last address, and its public neighbours. */
static const struct {
    const char *address;
    bool is_public;
} cases[] = {
    {"0.0.0.0", false},
    {"0.255.255.255", false},
    {"1.0.0.0", true},
    {"9.255.255.255", true},
    {"10.0.0.0", false},
    {"10.255.255.255", false},
    {"11.0.0.0", true},
    {"100.63.255.255", true},
    {"100.64.0.0", false},
    {"100.127.255.255", false},
    {"100.128.0.0", true},
    {"126.255.255.255", true},
    {"127.0.0.0", false},
    {"127.0.0.1", false},
    {"127.255.255.255", false},
    {"128.0.0.0", true},
    {"168.63.129.15", true},
    {"168.63.129.16", false},
    {"168.63.129.17", true},
    {"169.253.255.255", true},
    {"169.254.0.0", false},
    {"169.254.169.254", false},
    {"169.254.255.255", false},
    {"169.255.0.0", true},
    {"172.15.255.255", true},
    {"172.16.0.0", false},
    {"172.31.255.255", false},
    {"172.32.0.0", true},
    {"192.0.0.0", false},
    {"192.0.0.255", false},
    {"192.0.1.0", true},
    {"192.0.2.1", false},
    {"192.0.3.0", true},
    {"192.88.99.1", false},
    {"192.167.255.255", true},
    {"192.168.0.0", false},
    {"192.168.255.255", false},
    {"192.169.0.0", true},
    {"198.17.255.255", true},
    {"198.18.0.0", false},
    {"198.19.255.255", false},
    {"198.20.0.0", true},
    {"198.51.100.7", false},
    {"203.0.113.7", false},
    {"223.255.255.255", true},
    {"224.0.0.0", false},
    {"239.255.255.255", false},
    {"240.0.0.0", false},
    {"255.255.255.255", false},
    {"8.8.8.8", true},
    {"::", false},
    {"::1", false},
    {"::7f00:1", false},
    {"::ffff:127.0.0.1", false},
    {"::ffff:8.8.8.8", false},
    {"::ffff:0:127.0.0.1", false},
    {"64:ff9b::7f00:1", false},
    {"64:ff9b:1::a9fe:a9fe", false},
    {"100::1", false},
    {"1fff:ffff::1", false},
    {"2000::1", true},
    {"2001::1", false},
    {"2001:1ff:ffff::1", false},
    {"2001:200::1", true},
    {"2001:db8::1", false},
    {"2001:db9::1", true},
    {"2001:4860:4860::8888", true},
    {"2002:7f00:1::1", false},
    {"2002:808:808::1", false},
    {"2003::1", true},
    {"2606:4700::1111", true},
    {"3ffe::1", true},
    {"3fff::1", false},
    {"3fff:fff::1", false},
    {"3fff:1000::1", true},
    {"4000::1", false},
    {"fc00::1", false},
    {"fd00:ec2::254", false},
    {"fe80::1", false},
    {"fec0::1", false},
    {"ff02::1", false},
};

static bool ask(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return guard_is_public((struct sockaddr *)&v4);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return guard_is_public((struct sockaddr *)&v6);
}

static void ranges_are_closed_to_their_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char bracketed[64];

        snprintf(bracketed, sizeof(bracketed), "[%s]", cases[i].address);
        if (ask(cases[i].address) != cases[i].is_public ||
            guard_is_public_text(cases[i].address) != cases[i].is_public ||
            guard_is_public_text(bracketed) != cases[i].is_public)
            fail_msg("%s", cases[i].address);
    }
}

static void what_is_no_ip_address_is_closed(void **state)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    (void)state;
    assert_false(guard_is_public((struct sockaddr *)&un));
}

static void names_are_judged_when_they_are_resolved(void **state)
{
    (void)state;
    assert_true(guard_is_public_text("localhost"));
    assert_true(guard_is_public_text("10.0.0.1.example"));
    assert_false(guard_is_public_text("[fe80::1%25eth0]"));
}

static const char *const list[] = {"files.acme.example", "10.0.0.5:8080", "[fd00::5]:80",
                                   "fd00::6"};

static const struct {
    const char *host;
    unsigned port;
    bool is_listed;
} listed[] = {
    {"files.acme.example", 80, true},
    {"files.acme.example", 8443, true},
    {"FILES.acme.example", 80, true},
    {"xfiles.acme.example", 80, false},
    {"files.acme.example.x", 80, false},
    {"acme.example", 80, false},
    {"10.0.0.5", 8080, true},
    {"10.0.0.5", 80, false},
    {"10.0.0.50", 8080, false},
    {"[fd00::5]", 80, true},
    {"[fd00::5]", 81, false},
    {"[fd00::6]", 81, true},
    {"fd00::6", 81, true},
    {"", 80, false},
};

static void the_list_is_exact(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(listed) / sizeof(listed[0]); i++)
        if (guard_is_listed(list, 4, listed[i].host, listed[i].port) != listed[i].is_listed)
            fail_msg("%s:%u", listed[i].host, listed[i].port);
    assert_false(guard_is_listed(NULL, 0, "x", 80));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_closed_to_their_ends),
        cmocka_unit_test(what_is_no_ip_address_is_closed),
        cmocka_unit_test(names_are_judged_when_they_are_resolved),
        cmocka_unit_test(the_list_is_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
