/* A new password of Redis' reaches every connection that the engine will make. */
#include "engine_impl.h"

void engine_set_login(struct engine *e, const struct redis_addr *addr)
{
    store_set_login(e->store, addr);
    intake_set_login(e->intake, addr);
}
