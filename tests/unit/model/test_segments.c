/* Unit tests of SMS segments, with the sizes of 3GPP TS 23.038 and 23.040. */
#include "model_test.h"

#include "buf.h"
#include "segments.h"
#include <stdlib.h>

/* n times s. */
static char *repeat(const char *s, unsigned n)
{
    struct buf b = {.max = 1 << 20};

    for (unsigned i = 0; i < n; i++)
        buf_adds(&b, s);
    assert_false(b.failed);
    return b.data ? b.data : mem_strdup("");
}

static void expect(const char *text, enum sms_alphabet alphabet, unsigned units, unsigned segments)
{
    struct sms_size size = sms_measure(text);

    assert_int_equal(size.alphabet, alphabet);
    assert_int_equal(size.units, units);
    assert_int_equal(size.segments, segments);
}

static void expect_repeated(const char *s, unsigned n, enum sms_alphabet alphabet, unsigned units,
                            unsigned segments)
{
    char *text = repeat(s, n);

    expect(text, alphabet, units, segments);
    free(text);
}

static void test_gsm_limits(void **state)
{
    (void)state;
    expect_repeated("a", 160, SMS_GSM7, 160, 1);
    expect_repeated("a", 161, SMS_GSM7, 161, 2);
    expect_repeated("a", 306, SMS_GSM7, 306, 2);
    expect_repeated("a", 307, SMS_GSM7, 307, 3);
    expect_repeated("a", 459, SMS_GSM7, 459, 3);
    expect_repeated("a", 460, SMS_GSM7, 460, 4);
}

static void test_ucs2_limits(void **state)
{
    (void)state;
    expect_repeated("\xd1\x84", 70, SMS_UCS2, 70, 1);
    expect_repeated("\xd1\x84", 71, SMS_UCS2, 71, 2);
    expect_repeated("\xd1\x84", 134, SMS_UCS2, 134, 2);
    expect_repeated("\xd1\x84", 135, SMS_UCS2, 135, 3);
}

static void test_one_foreign_character_makes_all_ucs2(void **state)
{
    char *text = repeat("a", 71);

    (void)state;
    text[70] = '`';
    expect(text, SMS_UCS2, 71, 2);
    text[70] = 'a';
    expect(text, SMS_GSM7, 71, 1);
    free(text);
}

/* The whole default alphabet, in the order of its table. */
static void test_every_character_of_the_default_alphabet(void **state)
{
    static const char table[] = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
                                "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

    (void)state;
    expect(table, SMS_GSM7, 127, 1); /* 128 codes, of which one is the escape */
}

static void test_extension_characters_take_two(void **state)
{
    (void)state;
    expect("\f^{}\\[~]|€", SMS_GSM7, 20, 1);
    expect_repeated("€", 80, SMS_GSM7, 160, 1);
    expect_repeated("€", 81, SMS_GSM7, 162, 2);
}

/* 152 septets are taken: the escape would be the 153rd and its character the next part's first. */
static void test_an_escape_is_not_divided(void **state)
{
    struct buf b = {.max = 4096};

    (void)state;
    for (unsigned i = 0; i < 152; i++)
        buf_addc(&b, 'a');
    buf_adds(&b, "€");
    for (unsigned i = 0; i < 151; i++)
        buf_addc(&b, 'b');
    expect(b.data, SMS_GSM7, 305, 2);
    buf_addc(&b, 'b'); /* 306 septets fit in two parts, were it not for the hole */
    expect(b.data, SMS_GSM7, 306, 3);
    buf_free(&b);
}

static void test_a_surrogate_pair_is_not_divided(void **state)
{
    static const char smile[] = "\xf0\x9f\x98\x80";

    (void)state;
    expect_repeated(smile, 35, SMS_UCS2, 70, 1);
    expect_repeated(smile, 36, SMS_UCS2, 72, 2);
    expect_repeated(smile, 66, SMS_UCS2, 132, 2); /* 33 a part: the 67th unit stays empty */
    expect_repeated(smile, 67, SMS_UCS2, 134, 3);
}

static void test_what_is_not_in_the_alphabet(void **state)
{
    static const char *const foreign[] = {"`", "\t", "\x7f", "\x1b", "ç", "á", "Α", "“", "中"};

    (void)state;
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
        expect(foreign[i], SMS_UCS2, 1, 1);
}

static void test_empty(void **state)
{
    (void)state;
    expect("", SMS_GSM7, 0, 1);
    expect(NULL, SMS_GSM7, 0, 1);
}

/* Not UTF-8, which a job cannot hold: some number, but an end and no read past it. */
static void test_broken_utf8_ends(void **state)
{
    (void)state;
    assert_int_equal(sms_measure("\xf0").segments, 1);
    assert_int_equal(sms_measure("\xe2\x82").segments, 1);
    assert_int_equal(sms_measure("\x80\x80").segments, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gsm_limits),
        cmocka_unit_test(test_ucs2_limits),
        cmocka_unit_test(test_one_foreign_character_makes_all_ucs2),
        cmocka_unit_test(test_every_character_of_the_default_alphabet),
        cmocka_unit_test(test_extension_characters_take_two),
        cmocka_unit_test(test_an_escape_is_not_divided),
        cmocka_unit_test(test_a_surrogate_pair_is_not_divided),
        cmocka_unit_test(test_what_is_not_in_the_alphabet),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_broken_utf8_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
