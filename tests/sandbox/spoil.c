/* Turning an answer into a faulty one. */
#include "spoil.h"

#include <stdio.h>
#include <strings.h>

#define GARBAGE_BYTES ((size_t)64)
#define OVERSIZED_BYTES ((size_t)8 << 20)
#define MISSING_BYTES ((size_t)100)
#define SLOW_TICK_MS 10

/* True if what goes out is the dialect's own answer. */
static bool passes_answer(const struct fault_action *a)
{
    switch (a->kind) {
    case FAULT_NONE:
        return true;
    case FAULT_TRUNCATED:
    case FAULT_SLOW:
        return a->status == 0 && !a->body;
    case FAULT_STATUS:
    case FAULT_GARBAGE:
    case FAULT_OVERSIZED:
    case FAULT_RESET:
    case FAULT_HANG:
        break;
    }
    return false;
}

bool spoil_keeps_answer(const struct fault_action *a)
{
    return a->accept || passes_answer(a);
}

static bool has_header(const struct fault_action *a, const char *name)
{
    for (unsigned i = 0; i < a->header_count; i++) {
        if (strcasecmp(a->headers[i].name, name) == 0)
            return true;
    }
    return false;
}

static void add_headers(struct exchange *x, const struct fault_action *a)
{
    for (unsigned i = 0; i < a->header_count; i++)
        exchange_header(x, a->headers[i].name, a->headers[i].value);
}

/* Bytes of all values, always the same, beginning like JSON to tempt a careless reader. */
static void add_garbage(struct buf *out, size_t n)
{
    uint32_t state = 1;

    for (size_t i = 0; i < n; i++) {
        buf_addc(out, i == 0 ? '{' : (char)(state >> 24));
        state = state * 1664525U + 1013904223U;
    }
}

static void add_filler(struct buf *out, size_t n)
{
    char *p = n > 0 ? buf_reserve(out, n) : NULL;

    if (!p)
        return;
    for (size_t i = 0; i < n; i++)
        p[i] = 'x';
    out->len += n;
}

static void own_answer(struct exchange *x, const struct fault_action *a)
{
    exchange_empty(x, a->status ? a->status : a->kind == FAULT_STATUS ? 500 : 200);
    if (!has_header(a, "Content-Type"))
        exchange_header(x, "Content-Type", "application/json");
    if (a->body)
        buf_add(&x->body, a->body, a->body_len);
    else if (a->kind == FAULT_GARBAGE)
        add_garbage(&x->body, a->bytes ? a->bytes : GARBAGE_BYTES);
    else if (a->kind == FAULT_OVERSIZED)
        add_filler(&x->body, a->bytes ? a->bytes : OVERSIZED_BYTES);
    else
        buf_adds(&x->body, "{\"error\":{\"code\":\"injected\",\"message\":\"injected fault\"}}");
}

static void set_plan(const struct fault_action *a, struct wire_plan *plan)
{
    switch (a->kind) {
    case FAULT_TRUNCATED:
        plan->mode = WIRE_TRUNCATE;
        plan->missing = a->bytes ? a->bytes : MISSING_BYTES;
        break;
    case FAULT_SLOW:
        plan->mode = WIRE_SLOW;
        plan->step = a->bytes ? a->bytes : 1;
        plan->tick_ms = a->delay_ms ? a->delay_ms : SLOW_TICK_MS;
        return;
    case FAULT_RESET:
        plan->mode = WIRE_RESET;
        break;
    case FAULT_HANG:
        plan->mode = WIRE_HANG;
        break;
    case FAULT_NONE:
    case FAULT_STATUS:
    case FAULT_GARBAGE:
    case FAULT_OVERSIZED:
        break;
    }
    plan->delay_ms += a->delay_ms;
}

void spoil(struct exchange *x, const struct fault_action *a, struct wire_plan *plan)
{
    set_plan(a, plan);
    if (plan->mode == WIRE_RESET || plan->mode == WIRE_HANG)
        return;
    if (!passes_answer(a))
        own_answer(x, a);
    add_headers(x, a);
    if (!passes_answer(a) && !a->accept)
        x->record->accepted = x->delivers && x->status < 300;
}
