/* Any bytes into json_parse; what it accepts must survive printing and reading again. */
#include "json.h"
#include "text.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static cJSON *parse_printed(const struct buf *b)
{
    struct err_text e;
    cJSON *j = NULL;

    require(!b->failed && text_is_utf8(b->data, b->len));
    require(json_parse(b->data, b->len, NULL, &j, &e) == SQ_OK);
    return j;
}

/* print and canonical are two spellings of one value, so both give the same canonical form. */
static void check_round_trip(const cJSON *j)
{
    struct buf canonical = {0}, printed = {0}, again = {0};
    cJSON *from_canonical, *from_printed;

    json_canonical(j, &canonical);
    json_print(j, &printed);
    from_canonical = parse_printed(&canonical);
    from_printed = parse_printed(&printed);
    json_canonical(from_canonical, &again);
    require(text_eq(buf_str(&again), buf_str(&canonical)));
    buf_clear(&again);
    json_canonical(from_printed, &again);
    require(text_eq(buf_str(&again), buf_str(&canonical)));
    json_free(from_canonical);
    json_free(from_printed);
    buf_free(&canonical);
    buf_free(&printed);
    buf_free(&again);
}

/* cJSON's own parser must read the same tree. */
static void check_against_cjson(const uint8_t *data, size_t size, const cJSON *j)
{
    cJSON *other = cJSON_ParseWithLength((const char *)data, size);

    require(other && cJSON_Compare(other, j, true));
    cJSON_Delete(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err_text e = {.text = ""};
    cJSON *j = NULL;
    enum sq_err err = json_parse((const char *)data, size, NULL, &j, &e);

    /* Once the check has passed a text, the parser behind it takes it too. */
    require(err == SQ_OK || err == SQ_ERR_INVALID || err == SQ_ERR_TOO_LARGE);
    require(err ? !j && e.text[0] && text_is_utf8(e.text, strlen(e.text)) : j != NULL);
    if (j) {
        check_round_trip(j);
        check_against_cjson(data, size, j);
    }
    json_free(j);
    return 0;
}
