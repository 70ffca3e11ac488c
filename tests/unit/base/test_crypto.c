/* Digests by published vectors; base64 both ways, strict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto.h"
#include <string.h>

static void assert_hex(const uint8_t *p, size_t n, const char *expected)
{
    char text[65];

    crypto_hex(p, n, text);
    assert_string_equal(text, expected);
}

static void test_digests(void **state)
{
    uint8_t sha1[20], sha256[32];

    (void)state;
    crypto_sha1("abc", 3, sha1);
    assert_hex(sha1, 20, "a9993e364706816aba3e25717850c26c9cd0d89d");
    crypto_sha256("abc", 3, sha256);
    assert_hex(sha256, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    crypto_sha256("", 0, sha256);
    assert_hex(sha256, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void test_hmac(void **state)
{
    uint8_t mac[32];

    (void)state;
    crypto_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, mac); /* RFC 4231, case 2 */
    assert_hex(mac, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    crypto_hmac_sha256(NULL, 0, "", 0, mac);
    assert_hex(mac, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void test_base64_vectors(void **state)
{
    static const char *const pairs[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    struct buf b = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        const char *plain = pairs[i][0], *coded = pairs[i][1];
        size_t bytes = 77;

        buf_clear(&b);
        base64_encode(&b, plain, strlen(plain));
        assert_string_equal(buf_str(&b), coded);
        assert_true(base64_check(coded, strlen(coded), &bytes));
        assert_int_equal(bytes, strlen(plain));
        buf_clear(&b);
        assert_int_equal(base64_decode(&b, coded, strlen(coded), false), SQ_OK);
        assert_string_equal(buf_str(&b), plain);
    }
    buf_free(&b);
}

static void test_base64_all_bytes_all_lengths(void **state)
{
    uint8_t bytes[256];
    struct buf coded = {0}, back = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 167 + 13);
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        buf_clear(&coded);
        buf_clear(&back);
        base64_encode(&coded, bytes, n);
        assert_int_equal(base64_decode(&back, coded.data, coded.len, false), SQ_OK);
        assert_int_equal(back.len, n);
        assert_int_equal(memcmp(back.data, bytes, n), 0);
        buf_clear(&coded);
        buf_clear(&back);
        base64url_encode(&coded, bytes, n);
        assert_null(strpbrk(buf_str(&coded), "+/="));
        assert_int_equal(base64_decode(&back, coded.data, coded.len, true), SQ_OK);
        assert_int_equal(back.len, n);
        assert_int_equal(memcmp(back.data, bytes, n), 0);
    }
    buf_free(&coded);
    buf_free(&back);
}

static void test_base64_is_strict(void **state)
{
    static const char *const bad[] = {
        "Zg",   "Zg=",  "Z===", "====", "Zm9v\n", "Zm 9v", "Zm9v====", "Zg==Zg==", "Zh==",
        "Zo==", "Zm9=", "Zm+=", "Zm-_", "Zm9*",   "=Zm9",  "Z",        "Zm9vZ",    "Zm9v\x80mFy"};
    struct buf b = {0};
    size_t bytes = 77;

    (void)state;
    buf_adds(&b, "kept");
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(base64_decode(&b, bad[i], strlen(bad[i]), false), SQ_ERR_INVALID);
        assert_false(base64_check(bad[i], strlen(bad[i]), &bytes));
    }
    assert_int_equal(base64_decode(&b, "Zm9vZ", 5, true), SQ_ERR_INVALID);
    assert_int_equal(base64_decode(&b, "Zg=", 3, true), SQ_ERR_INVALID);
    assert_string_equal(buf_str(&b), "kept");
    assert_int_equal(bytes, 77);
    buf_free(&b);
}

static void test_base64_respects_the_cap(void **state)
{
    struct buf b = {.max = 7};

    (void)state;
    base64_encode(&b, "foobar", 6);
    assert_true(b.failed);
    assert_int_equal(b.len, 0);
    buf_clear(&b);
    assert_int_equal(base64_decode(&b, "Zm9vYmFyZm9v", 12, false), SQ_ERR_TOO_LARGE);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digests),
        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_base64_vectors),
        cmocka_unit_test(test_base64_all_bytes_all_lengths),
        cmocka_unit_test(test_base64_is_strict),
        cmocka_unit_test(test_base64_respects_the_cap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
