/* JSON: what is refused and where, the tree, the writer, the canonical form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "json.h"
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Copies to memory of exactly len bytes first, so that the sanitizer sees any read past it. */
static enum sq_err parse_bytes(const char *s, size_t len, const struct json_limits *limits,
                               cJSON **ret, struct err_text *e)
{
    char *copy = malloc(len ? len : 1);
    enum sq_err err;

    assert_non_null(copy);
    memcpy(copy, s, len);
    err = json_parse(copy, len, limits, ret, e);
    free(copy);
    return err;
}

static cJSON *parse_good(const char *s)
{
    struct err_text e = {0};
    cJSON *j = NULL;

    if (parse_bytes(s, strlen(s), NULL, &j, &e))
        fail_msg("%s: %s", s, e.text);
    assert_non_null(j);
    return j;
}

static void assert_refused(const char *s, size_t len, const char *text)
{
    struct err_text e = {0};
    cJSON *j = NULL;

    assert_int_equal(parse_bytes(s, len, NULL, &j, &e), SQ_ERR_INVALID);
    assert_null(j);
    assert_string_equal(e.text, text);
}

static void test_accepts_every_kind(void **state)
{
    static const char *const good[] = {
        "null",
        " true ",
        "false",
        "0",
        "-0",
        "-1.5e-3",
        "1E+2",
        "\"\"",
        "[]",
        "{}",
        "[ ]",
        "{ }",
        "\t\r\n [1 , 2 ] ",
        "{\"a\" : {\"b\":[{}]} , \"c\":\"\"}",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\ud83d\\ude00\\u00E9\"",
        "\"\xf0\x9f\x98\x80 long enough for words\"",
        "{\"\":1}",
        "\"\x7f\"",
        "1e308",
        "1e-400",
        "123456789012345678901234567890123456789012345678901234567890123",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        json_free(parse_good(good[i]));
    json_free(NULL);
}

static const struct {
    const char *json, *text;
} refused[] = {
    {"", "bad JSON: unexpected end at byte 0"},
    {"  ", "bad JSON: unexpected end at byte 2"},
    {"[1,", "bad JSON: unexpected end at byte 3"},
    {"{\"a\":", "bad JSON: unexpected end at byte 5"},
    {"{\"a\"", "bad JSON: ':' expected at byte 4"},
    {"{\"a\" 1}", "bad JSON: ':' expected at byte 5"},
    {"{\"a\":1", "bad JSON: unexpected end at byte 6"},
    {"[1 2]", "bad JSON: ',' or closing bracket expected at byte 3"},
    {"[1}", "bad JSON: ',' or closing bracket expected at byte 2"},
    {"{\"a\":1]", "bad JSON: ',' or closing bracket expected at byte 6"},
    {"[1,]", "bad JSON: unexpected character at byte 3"},
    {"{\"a\":1,}", "bad JSON: member name expected at byte 7"},
    {"{1:2}", "bad JSON: member name expected at byte 1"},
    {"{,}", "bad JSON: member name expected at byte 1"},
    {"[,]", "bad JSON: unexpected character at byte 1"},
    {"}", "bad JSON: unexpected character at byte 0"},
    {"tru", "bad JSON: unexpected character at byte 0"},
    {"True", "bad JSON: unexpected character at byte 0"},
    {"nullx", "bad JSON: data after the value at byte 4"},
    {"{} {}", "bad JSON: data after the value at byte 3"},
    {"\xef\xbb\xbf{}", "bad JSON: unexpected character at byte 0"},
    {"\v1", "bad JSON: unexpected character at byte 0"},
    {"/**/1", "bad JSON: unexpected character at byte 0"},
    {"'a'", "bad JSON: unexpected character at byte 0"},
    {"NaN", "bad JSON: unexpected character at byte 0"},
    {"[-Infinity]", "bad JSON: bad number at byte 1"},
    {"01", "bad JSON: bad number at byte 0"},
    {"-", "bad JSON: bad number at byte 0"},
    {"1.", "bad JSON: bad number at byte 0"},
    {".5", "bad JSON: unexpected character at byte 0"},
    {"+1", "bad JSON: unexpected character at byte 0"},
    {"[1e]", "bad JSON: bad number at byte 1"},
    {"[1e+]", "bad JSON: bad number at byte 1"},
    {"0x10", "bad JSON: data after the value at byte 1"},
    {"[1e400]", "bad JSON: number out of range at byte 1"},
    {"[-1e999]", "bad JSON: number out of range at byte 1"},
    {"1234567890123456789012345678901234567890123456789012345678901234",
     "bad JSON: number of too many digits at byte 0"},
    {"\"abc", "bad JSON: unterminated string at byte 0"},
    {"[\"abc\\", "bad JSON: bad escape at byte 5"},
    {"\"abc\\\"", "bad JSON: unterminated string at byte 0"},
    {"\"ab\\x\"", "bad JSON: bad escape at byte 3"},
    {"\"\\u12G4\"", "bad JSON: bad \\u escape at byte 1"},
    {"\"\\u12", "bad JSON: bad \\u escape at byte 1"},
    {"\"a\nb\"", "bad JSON: control character in a string at byte 2"},
    {"\"0123456789\tb\"", "bad JSON: control character in a string at byte 11"},
    {"{\"a\x1f\":1}", "bad JSON: control character in a string at byte 3"},
    {"\"a\\u0000\"", "bad JSON: NUL character at byte 2"},
    {"\"\\ud83d\"", "bad JSON: lone surrogate at byte 1"},
    {"\"\\ud83dx12345678\"", "bad JSON: lone surrogate at byte 1"},
    {"\"\\ud83d\\ud83d\"", "bad JSON: lone surrogate at byte 1"},
    {"\"\\ude00\\ud83d\"", "bad JSON: lone surrogate at byte 1"},
    {"\"\\ud83d\\n12345\"", "bad JSON: lone surrogate at byte 1"},
    {"\"\\ud83d\\u00e9\"", "bad JSON: lone surrogate at byte 1"},
    {"\"\xff\"", "bad JSON: invalid UTF-8 at byte 1"},
    {"\"0123456\xc0\x80\"", "bad JSON: invalid UTF-8 at byte 8"},
    {"\"\xed\xa0\x80\"", "bad JSON: invalid UTF-8 at byte 1"},
    {"\"\xc3\"", "bad JSON: invalid UTF-8 at byte 1"},
};

static void test_refuses_with_reason_and_offset(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
        assert_refused(refused[i].json, strlen(refused[i].json), refused[i].text);
}

static void test_nul_bytes_are_refused(void **state)
{
    (void)state;
    assert_refused("\"a\0b\"", 5, "bad JSON: NUL character at byte 2");
    assert_refused("{}\0", 3, "bad JSON: data after the value at byte 2");
    assert_refused("\"\\\0\"", 4, "bad JSON: bad escape at byte 1");
}

/* The eight-byte steps must stop at a special byte wherever it stands, and at no other. */
static void test_special_bytes_at_every_position(void **state)
{
    char text[40];

    (void)state;
    for (size_t len = 3; len < sizeof(text); len++) {
        for (size_t at = 1; at < len - 1; at++) {
            for (int c = 0; c < 256; c++) {
                struct err_text e;
                cJSON *j = NULL;
                bool is_bad = c < 0x20 || c == '"' || c == '\\' || c >= 0x80;

                memset(text, '!', len); /* one above what borrows turn into a false hit */
                text[0] = text[len - 1] = '"';
                text[at] = (char)c;
                if (c == '\\' && at + 2 < len)
                    text[at + 1] = 'x';
                assert_int_equal(parse_bytes(text, len, NULL, &j, &e) != SQ_OK, is_bad);
                json_free(j);
            }
        }
    }
}

static char *nested(size_t depth, char open, char close)
{
    char *s = malloc(2 * depth + 1);

    assert_non_null(s);
    memset(s, open, depth);
    memset(s + depth, close, depth);
    s[2 * depth] = '\0';
    return s;
}

static void test_depth(void **state)
{
    struct json_limits seven = {.max_depth = 7}, endless = {.max_depth = 1000000};
    struct err_text e;
    cJSON *j = NULL;
    char *s = nested(100000, '[', ']');

    (void)state;
    assert_int_equal(parse_bytes(s, 200000, NULL, &j, &e), SQ_ERR_TOO_LARGE);
    assert_string_equal(e.text, "bad JSON: nested too deeply at byte 32");
    assert_int_equal(parse_bytes(s, 200000, &endless, &j, &e), SQ_ERR_TOO_LARGE);
    assert_string_equal(e.text, "bad JSON: nested too deeply at byte 512");
    assert_int_equal(parse_bytes(s + 100000 - 512, 1024, &endless, &j, &e), SQ_OK);
    json_free(j);
    assert_int_equal(parse_bytes(s + 100000 - 32, 64, NULL, &j, &e), SQ_OK);
    json_free(j);
    assert_int_equal(parse_bytes(s + 100000 - 8, 16, &seven, &j, &e), SQ_ERR_TOO_LARGE);
    assert_int_equal(parse_bytes(s + 100000 - 7, 14, &seven, &j, &e), SQ_OK);
    json_free(j);
    free(s);
}

static void test_size(void **state)
{
    struct json_limits ten = {.max_bytes = 10};
    struct err_text e;
    cJSON *j = NULL;

    (void)state;
    assert_int_equal(parse_bytes("[12345678]", 10, &ten, &j, &e), SQ_OK);
    json_free(j);
    assert_int_equal(parse_bytes("[123456789]", 11, &ten, &j, &e), SQ_ERR_TOO_LARGE);
    assert_string_equal(e.text, "11 bytes of JSON, at most 10 are taken");
}

static void test_duplicates(void **state)
{
    static const char deep[] = "[{\"x\":[1,{\"ab\":1,\"\\u0061b\":2}]}]";
    static const char *const good[] = {"{\"a\":1,\"A\":1}",     "{\"a\":{\"a\":{\"a\":1}}}",
                                       "[{\"a\":1},{\"a\":1}]", "{\"ab\":1,\"ac\":2,\"cb\":3}",
                                       "{\"axb\":1,\"ayb\":2}", "{\"axyb\":1,\"azyb\":2}"};

    (void)state;
    assert_refused("{\"a\":1,\"b\":2,\"a\":3}", 19, "duplicate member \"a\"");
    assert_refused("{\"\":1,\"\":2}", 11, "duplicate member \"\"");
    assert_refused(deep, strlen(deep), "duplicate member \"ab\"");
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        json_free(parse_good(good[i]));
}

/* An object of n members k0.. in which the last may be k0 again. */
static void build_object(struct buf *b, int n, bool twice)
{
    char name[16];

    buf_clear(b);
    json_open(b, '{');
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "k%d", twice && i == n - 1 ? 0 : i);
        json_key_int(b, name, i);
    }
    json_close(b, '}');
}

static void test_duplicates_in_objects_of_every_size(void **state)
{
    struct buf b = {0};

    (void)state;
    for (int n = 2; n < 100; n++) {
        build_object(&b, n, true);
        assert_refused(b.data, b.len, "duplicate member \"k0\"");
        build_object(&b, n, false);
        json_free(parse_good(buf_str(&b)));
    }
    build_object(&b, 60000, true); /* billions of comparisons if done pairwise */
    assert_refused(b.data, b.len, "duplicate member \"k0\"");
    buf_free(&b);
}

static void test_lookup(void **state)
{
    cJSON *j = parse_good("{\"a\":\"x\",\"A\":\"y\",\"n\":1,\"z\":null}");
    cJSON *list = parse_good("[1]");

    (void)state;
    assert_string_equal(json_str(j, "a"), "x");
    assert_string_equal(json_str(j, "A"), "y");
    assert_null(json_str(j, "n"));
    assert_null(json_str(j, "none"));
    assert_true(cJSON_IsNull(json_get(j, "z")));
    assert_null(json_get(NULL, "a"));
    assert_null(json_get(list, "a"));
    assert_null(json_str(NULL, "a"));
    json_free(j);
    json_free(list);
}

static void test_strings_arrive_decoded(void **state)
{
    cJSON *j = parse_good("{\"s\":\"\\ud83d\\ude00\\u00e9\\n\\/\xe2\x82\xac\"}");

    (void)state;
    assert_string_equal(json_str(j, "s"), "\xf0\x9f\x98\x80\xc3\xa9\n/\xe2\x82\xac");
    json_free(j);
}

static void assert_canonical(const char *json, const char *expected)
{
    cJSON *j = parse_good(json);
    struct buf b = {0};

    json_canonical(j, &b);
    assert_string_equal(buf_str(&b), expected);
    buf_free(&b);
    json_free(j);
}

static void test_canonical(void **state)
{
    (void)state;
    assert_canonical("{ \"b\" : 1.0, \"a\" : [ 1e2, -0, 0.10, 2.5E-1 ] }",
                     "{\"a\":[100,0,0.1,0.25],\"b\":1}");
    assert_canonical("{\"\xc3\xa9\":1,\"z\":2,\"Z\":3,\"\":4}",
                     "{\"\":4,\"Z\":3,\"z\":2,\"\xc3\xa9\":1}");
    assert_canonical("{\"b\":{\"d\":1,\"c\":{}},\"a\":[]}", "{\"a\":[],\"b\":{\"c\":{},\"d\":1}}");
    assert_canonical("\"\\u0041\\/\\u00e9\\u001f\\u0008\\\"\"", "\"A/\xc3\xa9\\u001f\\b\\\"\"");
    assert_canonical("[true,false,null,\"\"]", "[true,false,null,\"\"]");
    assert_canonical("[9007199254740993,123456789012,1e300,0.1,3.141592653589793]",
                     "[9007199254740993,123456789012,1e+300,0.1,3.141592653589793]");
}

static void test_print_keeps_the_order(void **state)
{
    cJSON *j = parse_good("{ \"b\": [1, {\"x\": \"\\n\"}], \"a\": 2 }");
    struct buf b = {0};

    (void)state;
    json_print(j, &b);
    assert_string_equal(buf_str(&b), "{\"b\":[1,{\"x\":\"\\n\"}],\"a\":2}");
    buf_free(&b);
    json_free(j);
}

static void test_print_keeps_digits(void **state)
{
    static const char text[] = "[12345678901234567890,1.10,-0,1E2,9007199254740993]";
    cJSON *j = parse_good(text);
    struct buf b = {0};

    (void)state;
    json_print(j, &b);
    assert_string_equal(buf_str(&b), text);
    buf_free(&b);
    json_free(j);
}

/* Every escape after every other, and quotes that are not the end. */
static void test_escapes_are_read(void **state)
{
    cJSON *j = parse_good("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\\\\"");

    (void)state;
    assert_string_equal(j->valuestring, "\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\\");
    json_free(j);
}

static void test_numbers_read_back_equal(void **state)
{
    static const double numbers[] = {0.1,
                                     1.0 / 3,
                                     1e21,
                                     5e-324,
                                     1.7976931348623157e308,
                                     1e-7,
                                     -2.5,
                                     123.456,
                                     9007199254740993.0,
                                     0.30000000000000004};
    struct buf b = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        buf_clear(&b);
        json_val_num(&b, numbers[i]);
        assert_true(strtod(buf_str(&b), NULL) == numbers[i]);
    }
    buf_clear(&b);
    json_open(&b, '[');
    json_val_num(&b, 5e-324);
    json_val_num(&b, INFINITY);
    json_val_num(&b, NAN);
    json_close(&b, ']');
    assert_string_equal(buf_str(&b), "[5e-324,null,null]");
    buf_free(&b);
}

static void test_writer_sets_commas(void **state)
{
    struct buf b = {0};

    (void)state;
    json_open(&b, '{');
    json_key_str(&b, "s", "ends in {");
    json_opt_str(&b, "none", NULL);
    json_opt_str(&b, "none", "");
    json_opt_str(&b, "o", "here");
    json_key_int(&b, "i", -3);
    json_key_bool(&b, "t", true);
    json_key_str(&b, "z", NULL);
    json_key(&b, "a");
    json_open(&b, '[');
    json_val_null(&b);
    json_val_raw(&b, "{\"r\":1} \n", 9);
    json_val_bool(&b, false);
    json_open(&b, '[');
    json_close(&b, ']');
    json_open(&b, '{');
    json_close(&b, '}');
    json_val_strn(&b, "cut here", 3);
    json_close(&b, ']');
    json_key(&b, "last");
    json_val_num(&b, 0.5);
    json_close(&b, '}');
    assert_string_equal(buf_str(&b),
                        "{\"s\":\"ends in {\",\"o\":\"here\",\"i\":-3,\"t\":true,\"z\":null,"
                        "\"a\":[null,{\"r\":1},false,[],{},\"cut\"],\"last\":0.5}");
    buf_addc(&b, '\n'); /* lines of JSON */
    json_open(&b, '{');
    assert_string_equal(b.data + b.len - 2, "\n{");
    buf_free(&b);
}

static void test_writer_escapes_and_mends(void **state)
{
    struct buf b = {0};

    (void)state;
    json_val_str(&b, "\"\\/\b\f\n\r\t\x01\x1f\x7f caf\xc3\xa9 \xff\xc3 \xed\xa0\x80");
    assert_string_equal(buf_str(&b), "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f caf\xc3\xa9 "
                                     "\xef\xbf\xbd\xef\xbf\xbd "
                                     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    json_free(parse_good(buf_str(&b)));
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts_every_kind),
        cmocka_unit_test(test_refuses_with_reason_and_offset),
        cmocka_unit_test(test_nul_bytes_are_refused),
        cmocka_unit_test(test_special_bytes_at_every_position),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_duplicates_in_objects_of_every_size),
        cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_strings_arrive_decoded),
        cmocka_unit_test(test_canonical),
        cmocka_unit_test(test_print_keeps_the_order),
        cmocka_unit_test(test_print_keeps_digits),
        cmocka_unit_test(test_escapes_are_read),
        cmocka_unit_test(test_numbers_read_back_equal),
        cmocka_unit_test(test_writer_sets_commas),
        cmocka_unit_test(test_writer_escapes_and_mends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
