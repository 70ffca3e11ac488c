/* The descriptors 0, 1 and 2. */
#ifndef SENDQ_DAEMON_STANDARD_FILES_H
#define SENDQ_DAEMON_STANDARD_FILES_H

/* Opens those that are closed. Before anything else: else they are given to sockets, and what is
 * printed goes to Redis. Writing to a standard output that was closed is an error then. */
void standard_files_hold(void);

#endif
