/* Fuzzes the small languages: rates, quiet hours, durations, times, zones, Redis URLs, hosts.
 * The first byte says which. */
#include "fuzz.h"
#include "guard.h"
#include "http_url.h"
#include "quiet.h"
#include "rate.h"
#include "redis_addr.h"
#include "text.h"
#include "timefmt.h"
#include "tz_rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SOME_TIME INT64_C(1795252211)

static void check_error(enum sq_err err, const struct err_text *e)
{
    check(!err || (e->text[0] && text_is_utf8(e->text, strlen(e->text))));
    check(!err || !text_has_control(e->text));
}

static void on_limit(const char *s, size_t len)
{
    struct limit l = {.concurrency = 0};
    struct rate r = {.count = 0};
    struct day_cap d = {.count = 0};
    struct err_text e = {.text = ""};
    enum sq_err err = limit_parse(s, &l, &e);

    (void)len;
    check_error(err, &e);
    check(err || l.rate.count > 0 || l.day.count > 0 || l.concurrency > 0);
    err = rate_parse(s, &r, &e);
    check_error(err, &e);
    check(err ? !r.count : r.count >= 0 && r.period_ms >= 1000 && r.burst >= 0);
    err = day_cap_parse(s, &d, &e);
    check_error(err, &e);
    check(err || (d.count >= 0 && (!d.zone[0] || tz_name_is_valid(d.zone))));
}

static void on_quiet(const char *s, size_t len)
{
    struct quiet_hours q = {-1, -1};
    struct err_text e = {.text = ""};
    enum sq_err err = quiet_parse(s, &q, &e);
    struct tz utc;

    (void)len;
    check_error(err, &e);
    if (err)
        return;
    check(q.from >= 0 && q.from < 1440 && q.to >= 0 && q.to < 1440);
    check(tz_load("UTC", &utc) == SQ_OK);
    check(quiet_end(&q, &utc, SOME_TIME * 1000) >= SOME_TIME * 1000);
    check(quiet_end(&q, &utc, SOME_TIME * 1000) <= (SOME_TIME + 86400) * 1000);
    tz_free(&utc);
}

static void on_amount(const char *s, size_t len)
{
    int64_t n = 0, ms = -1;
    uint64_t bytes;

    (void)len;
    (void)!text_to_i64(s, &n);
    (void)!text_to_size(s, &bytes);
    check(text_to_duration(s, &ms) ? ms == -1 : ms >= 0);
}

static void on_time(const char *s, size_t len)
{
    char text[TIME_TEXT];
    int64_t ms = 0, again = 0;

    (void)len;
    (void)!time_parse_http(s, &ms);
    if (time_parse(s, &ms) || ms < 0)
        return;
    time_format(ms, text);
    check(time_parse(text, &again) == SQ_OK && again == ms);
}

static void on_zone(const char *s, size_t len)
{
    struct tz z = {.data = NULL};
    int64_t next = 0;

    if (tz_rule_parse(s, &z)) {
        (void)tz_rule_offset(&z, SOME_TIME, &next);
        check(next > SOME_TIME);
    }
    if (tz_parse(s, len, &z) != SQ_OK)
        return;
    (void)tz_offset(&z, SOME_TIME, &next);
    check(next > SOME_TIME);
    (void)tz_offset(&z, -SOME_TIME, &next);
    (void)tz_day_start(&z, 20000);
    tz_free(&z);
}

static void on_redis(const char *s, size_t len)
{
    struct redis_addr a;
    struct err_text e = {.text = ""};
    enum sq_err err = redis_addr_parse(s, &a, &e);

    (void)len;
    check_error(err, &e);
    if (err)
        return;
    check((a.path[0] == '/') != (a.host_count > 0) && a.host_count <= REDIS_HOSTS);
    check(a.db >= 0 && a.db <= 65535);
    for (unsigned i = 0; i < a.host_count; i++)
        check(a.hosts[i].name[0] && a.hosts[i].port > 0 && a.hosts[i].port < 65536);
}

static void on_host(const char *s, size_t len)
{
    const char *const list[] = {s, "[fd00::5]:80"};
    struct buf url = {.max = 0};
    struct http_urls urls;
    struct http_url *u = NULL;
    struct err_text e = {.text = ""};

    (void)guard_is_public_text(s);
    (void)guard_is_listed(list, 2, s, 80);
    check(guard_is_listed(list, 2, "[fd00::5]", 80));
    buf_add(&url, s, len);
    http_urls_init(&urls);
    check_error(http_urls_get(&urls, &url, &u, &e), &e);
    http_url_unref(u);
    http_urls_done(&urls);
    buf_free(&url);
}

static void (*const languages[])(const char *s, size_t len) = {
    on_limit, on_quiet, on_amount, on_time, on_zone, on_redis, on_host,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text;

    if (size == 0)
        return 0;
    text = fuzz_text(data + 1, size - 1);
    languages[(data[0] - '0' + 256U) % COUNT(languages)](text, size - 1);
    free(text);
    return 0;
}
