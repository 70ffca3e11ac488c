/* SigV4 against the vectors of AWS's own test suite. */
#include "provider_test.h"

#include "aws_sign.h"

#define TIME_MS INT64_C(1440938160000) /* 2015-08-30T12:36:00Z */
#define SCOPE "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"

static const struct aws_account account = {
    .access_key_id = "AKIDEXAMPLE",
    .secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    .region = "us-east-1",
    .service = "service",
};

static void expect(enum http_method method, const char *url, const char *type, const char *body,
                   const struct aws_account *a, const char *authorization)
{
    struct request r = {.method = method};
    struct err_text e;

    buf_adds(&r.url, url);
    buf_adds(&r.body, body);
    if (type)
        assert_int_equal(request_header(&r, "Content-Type", type, &e), SQ_OK);
    assert_int_equal(aws_sign(&r, a, TIME_MS, &e), SQ_OK);
    assert_string_equal(request_header_at(&r, type ? 1 : 0), "X-Amz-Date: 20150830T123600Z");
    assert_string_equal(request_header_at(&r, r.header_count - 1), authorization);
    request_free(&r);
}

static void test_get_vanilla(void **state)
{
    (void)state;
    expect(HTTP_GET, "https://example.amazonaws.com/", NULL, "", &account,
           "Authorization: AWS4-HMAC-SHA256 Credential=" SCOPE ", SignedHeaders=host;x-amz-date, "
           "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
    expect(HTTP_GET, "https://example.amazonaws.com", NULL, "", &account,
           "Authorization: AWS4-HMAC-SHA256 Credential=" SCOPE ", SignedHeaders=host;x-amz-date, "
           "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}

static void test_get_vanilla_query(void **state)
{
    (void)state;
    expect(HTTP_GET, "https://example.amazonaws.com/?Param1=value1&Param2=value2", NULL, "",
           &account,
           "Authorization: AWS4-HMAC-SHA256 Credential=" SCOPE ", SignedHeaders=host;x-amz-date, "
           "Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
}

static void test_post_vanilla(void **state)
{
    (void)state;
    expect(HTTP_POST, "https://example.amazonaws.com/", NULL, "", &account,
           "Authorization: AWS4-HMAC-SHA256 Credential=" SCOPE ", SignedHeaders=host;x-amz-date, "
           "Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
}

static void test_post_form(void **state)
{
    (void)state;
    expect(HTTP_POST, "https://example.amazonaws.com/", "application/x-www-form-urlencoded",
           "Param1=value1", &account,
           "Authorization: AWS4-HMAC-SHA256 Credential=" SCOPE
           ", SignedHeaders=content-type;host;x-amz-date, "
           "Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a");
}

static void test_session_token_is_signed(void **state)
{
    struct aws_account a = account;
    struct request r = {.method = HTTP_POST};
    struct err_text e;

    (void)state;
    a.session_token = "TOKEN";
    buf_adds(&r.url, "https://example.amazonaws.com:8443/x");
    assert_int_equal(aws_sign(&r, &a, TIME_MS, &e), SQ_OK);
    assert_string_equal(request_header_at(&r, 1), "X-Amz-Security-Token: TOKEN");
    assert_non_null(
        strstr(request_header_at(&r, 2), "SignedHeaders=host;x-amz-date;x-amz-security-token, "));
    request_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get_vanilla),
        cmocka_unit_test(test_get_vanilla_query),
        cmocka_unit_test(test_post_vanilla),
        cmocka_unit_test(test_post_form),
        cmocka_unit_test(test_session_token_is_signed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
