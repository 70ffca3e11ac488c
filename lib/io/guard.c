/* The guard: ranges that are not the public internet (IANA's special-purpose registries). */
#include "guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

static const struct {
    uint8_t net[4];
    unsigned bits;
} closed4[] = {
    {{0, 0, 0, 0}, 8},        /* this network */
    {{10, 0, 0, 0}, 8},       /* private */
    {{100, 64, 0, 0}, 10},    /* carriers' shared addresses */
    {{127, 0, 0, 0}, 8},      /* loopback */
    {{168, 63, 129, 16}, 32}, /* a cloud's metadata, in the middle of the public range */
    {{169, 254, 0, 0}, 16},   /* link-local: other clouds' metadata */
    {{172, 16, 0, 0}, 12},    /* private */
    {{192, 0, 0, 0}, 24},     /* protocol assignments */
    {{192, 0, 2, 0}, 24},     /* documentation */
    {{192, 88, 99, 0}, 24},   /* 6to4 relays */
    {{192, 168, 0, 0}, 16},   /* private */
    {{198, 18, 0, 0}, 15},    /* benchmarks */
    {{198, 51, 100, 0}, 24},  /* documentation */
    {{203, 0, 113, 0}, 24},   /* documentation */
    {{224, 0, 0, 0}, 4},      /* multicast */
    {{240, 0, 0, 0}, 4},      /* reserved, broadcast */
};

/* Within 2000::/3; all else is closed. */
static const struct {
    uint8_t net[4];
    unsigned bits;
} closed6[] = {
    {{0x20, 0x01, 0x00, 0x00}, 23}, /* protocol assignments; Teredo carries an IPv4 address */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x20, 0x02, 0x00, 0x00}, 16}, /* 6to4 carries an IPv4 address */
    {{0x3f, 0xff, 0x00, 0x00}, 20}, /* documentation */
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Whether the first bits of both are the same; at most 32. */
static bool matches(const uint8_t *address, const uint8_t net[4], unsigned bits)
{
    uint32_t a = (uint32_t)address[0] << 24 | (uint32_t)address[1] << 16 |
                 (uint32_t)address[2] << 8 | address[3];
    uint32_t n = (uint32_t)net[0] << 24 | (uint32_t)net[1] << 16 | (uint32_t)net[2] << 8 | net[3];
    unsigned shift = 32 - bits;

    return a >> shift == n >> shift;
}

static bool is_public4(const uint8_t *address)
{
    for (size_t i = 0; i < COUNT(closed4); i++)
        if (matches(address, closed4[i].net, closed4[i].bits))
            return false;
    return true;
}

static bool is_public6(const uint8_t *address)
{
    if ((address[0] & 0xe0) != 0x20)
        return false;
    for (size_t i = 0; i < COUNT(closed6); i++)
        if (matches(address, closed6[i].net, closed6[i].bits))
            return false;
    return true;
}

bool guard_is_public(const struct sockaddr *sa)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    switch (sa->sa_family) {
    case AF_INET:
        memcpy(&v4, sa, sizeof(v4));
        return is_public4((const uint8_t *)&v4.sin_addr);
    case AF_INET6:
        memcpy(&v6, sa, sizeof(v6));
        return is_public6(v6.sin6_addr.s6_addr);
    default:
        return false;
    }
}

/* "[fd00::5]" -> "fd00::5", as inet_pton has it. */
static void bare(const char *host, char *ret, size_t size)
{
    size_t len = strlen(host);

    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    snprintf(ret, size, "%.*s", (int)len, host);
}

bool guard_is_public_text(const char *host)
{
    uint8_t address[16];
    char text[256];

    bare(host, text, sizeof(text));
    text[strcspn(text, "%")] = '\0'; /* a zone */
    if (inet_pton(AF_INET, text, address) == 1)
        return is_public4(address);
    if (inet_pton(AF_INET6, text, address) == 1)
        return is_public6(address);
    return true;
}

/* Takes ":port" off an entry; 0 = it has none. A bare IPv6 address has colons and no port. */
static unsigned take_port(char *entry)
{
    char *colon = strrchr(entry, ':');
    unsigned port;

    if (colon == NULL || (entry[0] != '[' && strchr(entry, ':') != colon))
        return 0;
    if (entry[0] == '[' && colon[-1] != ']')
        return 0;
    port = (unsigned)strtoul(colon + 1, NULL, 10);
    *colon = '\0';
    return port;
}

bool guard_is_listed(const char *const *list, unsigned count, const char *host, unsigned port)
{
    char wanted[256], entry[300], name[256];

    bare(host, wanted, sizeof(wanted));
    for (unsigned i = 0; i < count; i++) {
        unsigned only;

        snprintf(entry, sizeof(entry), "%s", list[i]);
        only = take_port(entry);
        bare(entry, name, sizeof(name));
        if (strcasecmp(name, wanted) == 0 && (only == 0 || only == port))
            return true;
    }
    return false;
}
