/* The tree whose long strings stay in their text: the same as the other, in its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "json.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#define PLAIN (3 * JSON_LONG)

static void print(const struct buf *text, struct buf *out)
{
    cJSON *j;

    assert_int_equal(json_parse(text->data, text->len, NULL, &j, NULL), SQ_OK);
    json_print(j, out);
    json_free(j);
}

/* {"a":[1.50,"<run><spelling><run>"],"b":"<spelling>","c":-2} */
static void check(const char *plain, size_t run, const char *spelling)
{
    struct buf text = {0}, copied = {0}, in_place = {0};
    size_t start = strlen("{\"a\":[1.50,\""), first;
    const char *s;
    cJSON *j;

    buf_addf(&text, "{\"a\":[1.50,\"%.*s%s%.*s\"],\"b\":\"%s\",\"c\":-2}", (int)run, plain,
             spelling, (int)run, plain, spelling);
    print(&text, &copied);
    first = strcspn(text.data + start, "\"");
    assert_int_equal(json_parse_in_place(text.data, text.len, NULL, &j, NULL), SQ_OK);
    json_print(j, &in_place);
    assert_string_equal(buf_str(&in_place), buf_str(&copied));
    s = json_get(j, "a")->child->next->valuestring;
    assert_int_equal(s == text.data + start, first >= JSON_LONG);
    json_free(j);
    buf_free(&text);
    buf_free(&copied);
    buf_free(&in_place);
}

static void test_in_place(void **state)
{
    static const char *const spellings[] = {"QUJD", "QU\\/+", "\\u0041\\u00e9", "a\\\"b",
                                            "\xc3\xa9"};
    char *plain = malloc(PLAIN + 1);

    (void)state;
    memset(plain, 'x', PLAIN);
    plain[PLAIN] = '\0';
    for (size_t i = 0; i < sizeof(spellings) / sizeof(*spellings); i++)
        for (size_t run = 0; run <= PLAIN; run += JSON_LONG / 2)
            check(plain, run, spellings[i]);
    free(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
