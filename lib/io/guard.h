/* Which addresses a fetch may reach: what a job names must not lead into the operator's network.
 *
 * Names are not judged, addresses are: the one that is about to be connected to, after DNS, so that
 * no spelling and no rebinding gets past. What the operator has listed is reachable all the same.
 */
#ifndef SENDQ_IO_GUARD_H
#define SENDQ_IO_GUARD_H

#include <stdbool.h>

struct sockaddr;

/* True for an address of the public internet: not private, loopback, link-local (cloud metadata),
 * shared, multicast, reserved, documentation, or an IPv6 form that carries an IPv4 address. */
bool guard_is_public(const struct sockaddr *sa);
/* The same for an address in numbers ("192.0.2.1", "::1"); names are public until they are
 * resolved. */
bool guard_is_public_text(const char *host);

/* True if a host (in lower case) and its port are in the list: "files.acme.example" (any port),
 * "10.0.0.5:8080", "[fd00::5]:80", "fd00::5". */
bool guard_is_listed(const char *const *list, unsigned count, const char *host, unsigned port);

#endif
