/* Templates: text with places that are filled from a lead.
 *
 *   Hello {{first_name|there}}, your plan is {{plan name}}.
 *
 * {{name}} is the field's value, {{name|default}} the default where the lead has none. Space around
 * name and default is ignored; a prefix "contact." or "lead." of a name too. A list's items come
 * with ", " between them. \{{ stands for a {{ that is no place. Compiled once, rendered per lead.
 */
#ifndef SENDQ_MODEL_TEMPLATE_H
#define SENDQ_MODEL_TEMPLATE_H

#include "buf.h"
#include "filter.h"

#define TEMPLATE_PLACES_MAX 1000
#define TEMPLATE_NAME_MAX 128     /* bytes of a field's name */
#define TEMPLATE_DEFAULT_MAX 1024 /* bytes of a default */

/* What kind of text is made: values are escaped for it. The template's own text never is. */
enum template_kind {
    TEMPLATE_TEXT,
    TEMPLATE_LINE, /* a subject: control characters of values become spaces */
    TEMPLATE_HTML, /* & < > " ' of values become character references */
};

/* What a place is without value and default. */
enum template_missing {
    TEMPLATE_EMPTY, /* nothing */
    TEMPLATE_FAIL,  /* an error */
};

struct template;

/* Compiles text, which is copied; all memory is the arena's. On failure e names the character at
 * which the place begins that cannot be understood. */
enum sq_err template_compile(const char *text, enum template_kind kind, struct arena *a,
                             const struct template **ret, struct err_text *e) SQ_MUST_CHECK;

/* Appends the text for a lead. SQ_ERR_INVALID: a place without value and default, where missing
 * says so; SQ_ERR_TOO_LARGE: over out's cap. What was appended before a failure stays. */
enum sq_err template_render(const struct template *t, const struct filter_lead *lead,
                            enum template_missing missing, struct buf *out,
                            struct err_text *e) SQ_MUST_CHECK;

/* How many places it has. */
unsigned template_places(const struct template *t);
/* The text of one without places: the same for all, and as long-lived as the template. NULL if it
 * has some. */
const char *template_text(const struct template *t);

#endif
