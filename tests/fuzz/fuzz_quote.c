/* Fuzzes foreign html in a mail of ours: what comes out is harmless and closed. */
#include "fuzz.h"
#include "quote.h"
#include "quote_html.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every '<' begins a tag with a name; as many elements end as begin, but for the void ones. */
static void check_html(const char *html)
{
    int depth = 0;

    for (const char *s = strchr(html, '<'); s; s = strchr(s + 1, '<')) {
        const char *name = s + 1 + (s[1] == '/');
        size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789");
        const char *end = strchr(s, '>');

        check(len > 0 && end);
        check(strncmp(name, "script", 6) && strncmp(name, "style", 5) && strncmp(name, "form", 4));
        check(strncmp(name, "iframe", 6) && strncmp(name, "object", 6) && strncmp(name, "base", 4));
        if (s[1] == '/')
            depth--;
        else if (!(len == 2 && (!strncmp(name, "br", 2) || !strncmp(name, "hr", 2))) &&
                 !(len == 3 && (!strncmp(name, "img", 3) || !strncmp(name, "col", 3))))
            depth++;
        check(depth >= 0);
    }
    check(depth == 0);
}

static void rewrite(const char *html, bool without_cid)
{
    struct buf once = {.max = 0}, again = {.max = 0};

    quote_html_add(html, without_cid, &once);
    check(text_is_utf8(buf_str(&once), once.len));
    check_html(buf_str(&once));
    quote_html_add(buf_str(&once), without_cid, &again);
    check_html(buf_str(&again));
    buf_free(&once);
    buf_free(&again);
}

static void quote(const char *text)
{
    const struct quote_original o = {
        .from = {.name = text, .addr = "a@x.example"}, .subject = text, .text = text, .html = text};
    struct quote_body body = {.text = {.max = 0}};
    struct buf subject = {.max = 0};

    check(quote_reply(&o, text, text, 1 << 20, &body) == SQ_OK);
    quote_clear(&body);
    check(quote_forward(&o, NULL, text, 1 << 20, &body) == SQ_OK);
    quote_clear(&body);
    quote_subject("Re", text, 998, &subject);
    check(subject.len <= 998 && text_is_utf8(buf_str(&subject), subject.len));
    buf_free(&subject);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);

    if (text_is_utf8(text, strlen(text))) {
        rewrite(text, true);
        rewrite(text, false);
        quote(text);
    }
    free(text);
    return 0;
}
