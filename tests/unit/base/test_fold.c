/* Case folding, against what Unicode says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fold.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct {
    uint32_t from, to;
} chars[] = {
    {'A', 'a'},           {'Z', 'z'},         {'@', '@'},         {'[', '['},
    {'0', '0'},           {0xb5, 0x3bc},      {0xc0, 0xe0},       {0xd6, 0xf6},
    {0xd7, 0xd7},         {0xd8, 0xf8},       {0xde, 0xfe},       {0xdf, 0xdf},
    {0xff, 0xff},         {0x100, 0x101},     {0x101, 0x101},     {0x12e, 0x12f},
    {0x131, 0x131},       {0x178, 0xff},      {0x17f, 's'},       {0x1c4, 0x1c6},
    {0x1c5, 0x1c6},       {0x391, 0x3b1},     {0x3a3, 0x3c3},     {0x3c2, 0x3c3},
    {0x410, 0x430},       {0x42f, 0x44f},     {0x401, 0x451},     {0x531, 0x561},
    {0x10a0, 0x2d00},     {0x13f8, 0x13f0},   {0x1e9e, 0xdf},     {0x1f88, 0x1f80},
    {0x2126, 0x3c9},      {0x212a, 'k'},      {0x2160, 0x2170},   {0xab70, 0x13a0},
    {0xff21, 0xff41},     {0x10400, 0x10428}, {0x1e921, 0x1e943}, {0x1e944, 0x1e944},
    {0x10ffff, 0x10ffff},
};

static void test_chars(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(chars); i++)
        assert_int_equal(fold_char(chars[i].from), chars[i].to);
}

/* Folding twice is folding once, over all of Unicode. */
static void test_folding_is_final(void **state)
{
    unsigned changed = 0;

    (void)state;
    for (uint32_t c = 0; c < 0x110000; c++) {
        assert_int_equal(fold_char(fold_char(c)), fold_char(c));
        changed += fold_char(c) != c;
    }
    assert_int_equal(changed, 1454);
}

static const struct {
    const char *from, *to;
} texts[] = {
    {"", ""},
    {"Hello, World 1!", "hello, world 1!"},
    {"\xc3\x84\xc3\x96\xc3\x9c", "\xc3\xa4\xc3\xb6\xc3\xbc"},
    {"Stra\xc3\x9f\x65", "strasse"},
    {"STRA\xe1\xba\x9e\x45", "strasse"},
    {"\xe2\x84\xaa", "k"}, /* KELVIN SIGN */
    {"\xf0\x90\x90\x80", "\xf0\x90\x90\xa8"},
    {"\xe6\x97\xa5\xe6\x9c\xac", "\xe6\x97\xa5\xe6\x9c\xac"},
    {"A\xff\x42", "a\xff\x62"}, /* not UTF-8 */
    {"A\xc3", "a\xc3"},
};

static void test_texts(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(texts); i++) {
        struct buf b = {.max = 0};

        fold_text(&b, texts[i].from);
        assert_string_equal(buf_str(&b), texts[i].to);
        buf_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chars),
        cmocka_unit_test(test_folding_is_final),
        cmocka_unit_test(test_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
