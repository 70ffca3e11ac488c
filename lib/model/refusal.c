/* Refusals: one text field "code: reason". */
#include "refusal.h"

#include "text.h"
#include <stdio.h>
#include <string.h>

#define REASON_MAX 255 /* as much as an outcome holds */

void refusal_set(struct message *m, enum error_code code, const char *fmt, ...)
{
    char text[1024]; /* longer than what is kept, so that text_cut sees where it cuts */
    va_list args;

    if (m->text[MSG_REFUSAL])
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    text[text_cut(text, REASON_MAX)] = 0;
    m->text[MSG_REFUSAL] = arena_printf(&m->arena, "%s: %s", error_code_name(code), text);
    m->scheduled_at = 0;
}

enum error_code refusal_get(const struct message *m, const char **ret_text)
{
    const char *refusal = m->text[MSG_REFUSAL];
    const char *text = refusal ? strstr(refusal, ": ") : NULL;
    char name[32] = "";
    enum error_code code;

    if (!refusal)
        return CODE_NONE;
    if (text)
        snprintf(name, sizeof name, "%.*s", (int)(text - refusal), refusal);
    code = error_code_parse(name);
    *ret_text = text ? text + 2 : refusal;
    return code != CODE_NONE ? code : CODE_VALIDATION_ERROR;
}
