/* The answers of the `conversation` format, private to it: one file would be too long. */
#ifndef SENDQ_MODEL_FORMAT_CONVERSATION_H
#define SENDQ_MODEL_FORMAT_CONVERSATION_H

#include "format.h"

void conversation_answer(const struct answer_in *in, struct buf *out);

#endif
