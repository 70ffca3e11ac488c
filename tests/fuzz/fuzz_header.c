/* Fuzzes headers: none that is written can be two, and of what is read only the sane is believed.
 */
#include "fuzz.h"
#include "request.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_MS INT64_C(1795252211123)
#define HOUR_MS INT64_C(3600000)

/* "Name: value" and nothing else; read as an answer's it gives the value back. */
static void check_line(const char *line, const char *name, const char *value)
{
    struct buf head = {.max = 0};
    struct response r = {.now_ms = NOW_MS};
    char *back = malloc(strlen(value) + 1);

    check(back && text_starts(line, name) && text_starts(line + strlen(name), ": "));
    for (const char *s = line; *s; s++)
        check(*s == '\t' || (*s >= ' ' && *s <= '~'));
    buf_adds(&head, line);
    buf_adds(&head, "\r\nX-Other: 1\r\n\r\n");
    r.head = buf_str(&head);
    check(response_header(&r, name, back, strlen(value) + 1) && strstr(value, back));
    free(back);
    buf_free(&head);
}

static void write_header(const char *name, const char *value)
{
    struct request r = {.method = HTTP_POST};
    struct err_text e = {.text = ""};

    if (request_header(&r, name, value, &e) != SQ_OK)
        check(e.text[0] && r.header_count == 0);
    else if (*value)
        check_line(request_header_at(&r, 0), name, value);
    request_free(&r);
}

static void write_envelope(const char *address)
{
    struct request r = {.method = HTTP_POST};
    struct err_text e = {.text = ""};

    if (request_envelope(&r, address, &e) != SQ_OK)
        check(e.text[0] && r.smtp.addresses.len == 0);
    else
        check(!text_has_control(address) && *address != '<');
    request_free(&r);
}

static void read_head(const char *head, const char *name)
{
    struct response r = {.head = head, .now_ms = NOW_MS};
    char value[64];
    int64_t wait = response_retry_after(&r, HOUR_MS);

    check(wait >= 0 && wait <= HOUR_MS && response_quota_wait(&r) >= 0);
    if (response_header(&r, name, value, sizeof(value)))
        check(strlen(value) < sizeof(value) && !strpbrk(value, "\n"));
}

/* Input: a name, a NUL, a value, a NUL, an answer's head. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 3);
    const char *value, *head;

    check(text != NULL);
    if (size)
        memcpy(text, data, size);
    memset(text + size, 0, 3);
    value = text + strlen(text) + 1;
    head = value + strlen(value) + 1;
    write_header(text, value);
    write_envelope(value);
    read_head(head, text);
    free(text);
    return 0;
}
