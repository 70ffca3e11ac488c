/* The part of the engine's wiring that concerns bulks: expand; dispatch -> render -> dispatch. */
#include "engine_impl.h"

void engine_on_expanded(void *arg)
{
    struct engine *e = arg;

    dispatch_poke(e->dispatch);
}

void engine_on_slice(const struct store_claimed *c, void *arg)
{
    struct engine *e = arg;

    render_slice(e->render, c);
    if (c->wants_expansion)
        expand_poke(e->expand);
}

unsigned engine_on_rendering(void *arg)
{
    struct engine *e = arg;

    return render_waiting(e->render);
}

/* What was sent and is not recorded yet would be sent again after a crash, as what is in flight:
 * both together are what `worker.in_flight` bounds. */
unsigned engine_on_room(void *arg)
{
    struct engine *e = arg;
    unsigned room = transfer_room(e->transfer), held = record_held(e->record);

    return room > held ? room - held : 0;
}

unsigned engine_on_under_way(void *arg)
{
    struct engine *e = arg;

    return transfer_in_flight(e->transfer);
}

void engine_on_rendered(struct attempt *t, int64_t slot_us, void *arg)
{
    struct engine *e = arg;

    dispatch_hold(e->dispatch, t, slot_us);
}

void engine_record_unknown(struct attempt *t, void *arg)
{
    struct engine *e = arg;

    outcome_set(&t->outcome, OUTCOME_UNKNOWN, CODE_OUTCOME_UNKNOWN,
                "its worker died while it was being sent");
    /* The mark says that it was to be sent cautiously, whatever the configuration says today. */
    t->message.uncertain = UNCERTAIN_FAIL;
    record_outcome(e->record, t);
}

void engine_on_bulk_bell(struct engine *e)
{
    render_give_back(e->render);
    dispatch_give_back(e->dispatch);
    expand_poke(e->expand);
}
