/* What a fault makes of an answer. */
#ifndef SENDQ_TESTS_SANDBOX_SPOIL_H
#define SENDQ_TESTS_SANDBOX_SPOIL_H

#include "exchange.h"
#include "fault.h"
#include "wire.h"

/* True if the dialect must answer too: because its answer is what goes out, or because the
 * provider takes the message although the answer is lost. */
bool spoil_keeps_answer(const struct fault_action *a);
/* Changes the answer, the plan and record->accepted as the action says. */
void spoil(struct exchange *x, const struct fault_action *a, struct wire_plan *plan);

#endif
