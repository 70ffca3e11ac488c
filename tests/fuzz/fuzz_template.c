/* Fuzzes templates: compile, render; escaped text must have no mark-up, a line no control. */
#include "lead.h"
#include "template.h"
#include "text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

/* What a render adds to the template's own text must be harmless there: a template that is one
 * place and nothing else shows the value alone. */
static void check_value(const char *value, enum template_kind kind)
{
    struct lead l = {.id = NULL};
    struct filter_lead view = lead_view(&l);
    const struct template *t = NULL;
    struct arena a = {.used = 0};
    struct buf out = {.max = 0};

    lead_begin(&l, "id");
    if (lead_add(&l, "v", value, NULL) == SQ_OK) {
        check(template_compile("{{v}}", kind, &a, &t, NULL) == SQ_OK);
        check(template_render(t, &view, TEMPLATE_EMPTY, &out, NULL) == SQ_OK);
        check(text_is_utf8(buf_str(&out), out.len));
        check(kind != TEMPLATE_HTML || !strpbrk(buf_str(&out), "<>\"'"));
        check(kind != TEMPLATE_LINE || !text_has_control(buf_str(&out)));
    }
    arena_free(&a);
    buf_free(&out);
    lead_free(&l);
}

static void check_template(const char *text, enum template_kind kind)
{
    struct lead l = {.id = NULL};
    struct filter_lead view = lead_view(&l);
    const struct template *t = NULL;
    struct arena a = {.used = 0};
    struct buf out = {.max = 1 << 16};
    struct err_text e = {.text = ""};

    lead_begin(&l, "id");
    if (template_compile(text, kind, &a, &t, &e) != SQ_OK)
        check(e.text[0] != 0);
    else if (template_render(t, &view, TEMPLATE_FAIL, &out, &e) != SQ_OK)
        check(e.text[0] != 0);
    else if (template_places(t) == 0 && !strstr(text, "\\{{"))
        check(strcmp(text, buf_str(&out)) == 0);
    arena_free(&a);
    buf_free(&out);
    lead_free(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = size ? malloc(size) : NULL;

    if (!text)
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    check_template(text, (enum template_kind)(data[0] % 3));
    check_value(text, (enum template_kind)(data[0] % 3));
    free(text);
    return 0;
}
