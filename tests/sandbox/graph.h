/* What the dialects of Meta's Graph API share: its paths, credentials and errors. */
#ifndef SENDQ_SANDBOX_GRAPH_H
#define SENDQ_SANDBOX_GRAPH_H

#include "exchange.h"
#include "shape.h"

/* {"error":{"message","type","code","error_subcode","fbtrace_id"}}; subcode 0 = none. */
void graph_error(struct exchange *x, int status, int code, int subcode, const char *message);
/* Reads "/v<version>/<node>/<edge>" and checks method and token; answers and returns false where
 * it is refused. */
bool graph_begin(struct exchange *x, struct shape_path *ret_path);
/* A Send API call of Messenger or Instagram: {recipient:{id}, message:{text | attachment}}.
 * text_fits judges the length of a text. */
void graph_send(struct exchange *x, const char *const *types, bool (*text_fits)(const char *text));
/* The recipient of a Send API call, for records. */
void graph_read(struct exchange *x);

#endif
