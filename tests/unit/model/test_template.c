/* Templates: places, defaults, escaping, caps. */
#include "model_test.h"

#include "lead.h"
#include "template.h"
#include <stdlib.h>
#include <string.h>

static struct lead ana(void)
{
    static const char *const fields[][2] = {
        {"first_name", "Ana"},
        {"company", "O'Neil & <Sons> \"x\""},
        {"evil", "a\r\nBcc: x\x7f\xc2\x85z\xc3\xa9"},
        {"empty", ""},
        {"plan name", "Gold"},
        {"tags", "[\"a&b\",\"c\"]"},
        {"none", "[]"},
        {"braces", "{{first_name}}"},
        {"contact.odd", "odd"},
        {"ni\xc3\xb1o", "s\xc3\xad"},
    };
    struct lead l = {.id = NULL};
    struct err_text e;

    lead_begin(&l, "lead-1");
    for (unsigned i = 0; i < COUNT(fields); i++)
        assert_int_equal(lead_add(&l, fields[i][0], fields[i][1], &e), SQ_OK);
    return l;
}

static enum sq_err render(const char *text, enum template_kind kind, enum template_missing missing,
                          struct buf *out, struct err_text *e)
{
    struct lead l = ana();
    struct filter_lead view = lead_view(&l);
    const struct template *t = NULL;
    struct arena a = {NULL, 0};
    enum sq_err err = template_compile(text, kind, &a, &t, e);

    if (!err)
        err = template_render(t, &view, missing, out, e);
    arena_free(&a);
    lead_free(&l);
    return err;
}

static const struct {
    enum template_kind kind;
    const char *text, *expected;
} good[] = {
    {TEMPLATE_TEXT, "", ""},
    {TEMPLATE_TEXT, "plain { } }} | text \\", "plain { } }} | text \\"},
    {TEMPLATE_TEXT, "Hello {{first_name}}!", "Hello Ana!"},
    {TEMPLATE_TEXT, "{{first_name}}{{first_name}}", "AnaAna"},
    {TEMPLATE_TEXT, "{{ first_name }} {{\tplan name\n}}", "Ana Gold"},
    {TEMPLATE_TEXT, "{{first_name|there}}", "Ana"},
    {TEMPLATE_TEXT, "Hi {{nick|there}}.", "Hi there."},
    {TEMPLATE_TEXT, "Hi {{ empty | dear | friend }}.", "Hi dear | friend."},
    {TEMPLATE_TEXT, "Hi {{nick|}}.", "Hi ."},
    {TEMPLATE_TEXT, "Hi {{nick}}.", "Hi ."},
    {TEMPLATE_TEXT, "{{tags}}", "a&b, c"},
    {TEMPLATE_TEXT, "{{none|no tags}}", "no tags"},
    {TEMPLATE_TEXT, "{{id}}", "lead-1"},
    {TEMPLATE_TEXT, "{{contact.first_name}} {{lead.first_name}}", "Ana Ana"},
    {TEMPLATE_TEXT, "{{contact.}}", ""},
    {TEMPLATE_TEXT, "{{ni\xc3\xb1o}}", "s\xc3\xad"},
    {TEMPLATE_TEXT, "\\{{first_name}} \\{ \\\\", "{{first_name}} \\{ \\\\"},
    {TEMPLATE_TEXT, "{{braces}}", "{{first_name}}"},
    {TEMPLATE_TEXT, "{{company}}", "O'Neil & <Sons> \"x\""},
    {TEMPLATE_HTML, "<b>{{company}}</b>", "<b>O&#39;Neil &amp; &lt;Sons&gt; &quot;x&quot;</b>"},
    {TEMPLATE_HTML, "{{tags}}", "a&amp;b, c"},
    {TEMPLATE_HTML, "{{nick|<i>you</i>}}", "<i>you</i>"},
    {TEMPLATE_LINE, "Re: {{evil}}", "Re: a  Bcc: x  z\xc3\xa9"},
    {TEMPLATE_TEXT, "{{evil}}", "a\r\nBcc: x\x7f\xc2\x85z\xc3\xa9"},
};

static void places_are_filled(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(good); i++) {
        struct buf out = {.max = 0};
        struct err_text e = {.text = ""};

        if (render(good[i].text, good[i].kind, TEMPLATE_EMPTY, &out, &e) != SQ_OK)
            fail_msg("%s: %s", good[i].text, e.text);
        assert_string_equal(buf_str(&out), good[i].expected);
        buf_free(&out);
    }
}

static const struct {
    const char *text, *error;
} bad[] = {
    {"Hi {{first_name", "the {{ at character 4 is not closed by }}"},
    {"\xc3\xa9\xc3\xa9{{first_name}", "the {{ at character 3 is not closed by }}"},
    {"{{}}", "the {{ at character 1 names no field"},
    {"{{ | x}}", "the {{ at character 1 names no field"},
    {"{{a{{b}}", "the {{ at character 1 does not name a field"},
    {"{{a\x01}}", "the {{ at character 1 does not name a field"},
    {"{{{a}}}", "the {{ at character 1 does not name a field"},
};

static void what_is_no_place_is_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(bad); i++) {
        struct buf out = {.max = 0};
        struct err_text e = {.text = ""};

        assert_int_equal(render(bad[i].text, TEMPLATE_TEXT, TEMPLATE_EMPTY, &out, &e),
                         SQ_ERR_INVALID);
        assert_string_equal(e.text, bad[i].error);
        buf_free(&out);
    }
}

static void a_missing_value_can_be_an_error(void **state)
{
    static const char *const missing[] = {"a {{nick}}", "a {{empty}}", "a {{none}}"};
    struct err_text e = {.text = ""};
    struct buf out = {.max = 0};

    (void)state;
    for (unsigned i = 0; i < COUNT(missing); i++) {
        buf_clear(&out);
        assert_int_equal(render(missing[i], TEMPLATE_TEXT, TEMPLATE_FAIL, &out, &e),
                         SQ_ERR_INVALID);
    }
    assert_string_equal(e.text, "{{none}} at character 3 has neither value nor default");
    buf_clear(&out);
    assert_int_equal(render("{{nick|}}{{first_name}}", TEMPLATE_TEXT, TEMPLATE_FAIL, &out, &e),
                     SQ_OK);
    assert_string_equal(buf_str(&out), "Ana");
    buf_free(&out);
}

static void the_result_is_capped(void **state)
{
    struct err_text e = {.text = ""};
    struct buf out = {.max = 8};

    (void)state;
    assert_int_equal(
        render("{{first_name}} {{first_name}}", TEMPLATE_TEXT, TEMPLATE_EMPTY, &out, &e), SQ_OK);
    buf_free(&out);
    out = (struct buf){.max = 8};
    assert_int_equal(render("{{first_name}} {{first_name}} {{first_name}}", TEMPLATE_TEXT,
                            TEMPLATE_EMPTY, &out, &e),
                     SQ_ERR_TOO_LARGE);
    assert_string_equal(e.text, "the filled text is larger than 8 bytes");
    buf_free(&out);
}

/* A text of n times `piece`. */
static void repeat(struct buf *b, const char *piece, unsigned n)
{
    while (n--)
        buf_adds(b, piece);
}

static void the_template_is_capped(void **state)
{
    struct buf text = {.max = 0}, out = {.max = 0};
    struct err_text e = {.text = ""};

    (void)state;
    repeat(&text, "{{id}}", TEMPLATE_PLACES_MAX);
    assert_int_equal(render(buf_str(&text), TEMPLATE_TEXT, TEMPLATE_EMPTY, &out, &e), SQ_OK);
    repeat(&text, "{{id}}", 1);
    assert_int_equal(render(buf_str(&text), TEMPLATE_TEXT, TEMPLATE_EMPTY, &out, &e),
                     SQ_ERR_INVALID);
    assert_string_equal(e.text, "the {{ at character 6001 is one too many");
    for (unsigned over = 0; over < 2; over++) {
        buf_clear(&text);
        repeat(&text, "{{", 1);
        repeat(&text, "n", TEMPLATE_NAME_MAX + over);
        repeat(&text, "}}", 1);
        assert_int_equal(render(buf_str(&text), TEMPLATE_TEXT, TEMPLATE_EMPTY, &out, &e),
                         over ? SQ_ERR_INVALID : SQ_OK);
        buf_clear(&text);
        repeat(&text, "{{n|", 1);
        repeat(&text, "d", TEMPLATE_DEFAULT_MAX + over);
        repeat(&text, "}}", 1);
        assert_int_equal(render(buf_str(&text), TEMPLATE_TEXT, TEMPLATE_EMPTY, &out, &e),
                         over ? SQ_ERR_INVALID : SQ_OK);
    }
    buf_free(&text);
    buf_free(&out);
}

static void compiled_once_rendered_often(void **state)
{
    struct lead l = ana();
    struct filter_lead view = lead_view(&l);
    const struct template *t = NULL;
    struct arena a = {NULL, 0};
    struct err_text e;

    (void)state;
    assert_int_equal(template_compile("{{first_name}} x", TEMPLATE_TEXT, &a, &t, &e), SQ_OK);
    assert_int_equal(template_places(t), 1);
    for (int i = 0; i < 3; i++) {
        struct buf out = {.max = 0};

        assert_int_equal(template_render(t, &view, TEMPLATE_FAIL, &out, &e), SQ_OK);
        assert_string_equal(buf_str(&out), "Ana x");
        buf_free(&out);
    }
    arena_free(&a);
    lead_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_filled),
        cmocka_unit_test(what_is_no_place_is_refused),
        cmocka_unit_test(a_missing_value_can_be_an_error),
        cmocka_unit_test(the_result_is_capped),
        cmocka_unit_test(the_template_is_capped),
        cmocka_unit_test(compiled_once_rendered_often),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
