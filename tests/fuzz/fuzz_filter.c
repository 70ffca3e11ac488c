/* Fuzzes whom a bulk is for: what is read and stored means the same when it is read back. */
#include "fuzz.h"
#include "json.h"
#include "lead.h"
#include "selection.h"

#include <cjson/cJSON.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A lead of "name\0value\0name\0value\0". */
static void read_lead(struct lead *l, const char *p, const char *end)
{
    lead_begin(l, "lead-1");
    while (p < end) {
        const char *value = p + strlen(p) + 1;

        if (value >= end || lead_add(l, p, value, NULL) != SQ_OK)
            break;
        p = value + strlen(value) + 1;
    }
}

static void check_selection(const cJSON *root, struct lead *l)
{
    const struct job_limits limits = {
        .max_bulk_bytes = 1 << 20, .max_depth = 32, .max_list = 100, .max_content = 1 << 20};
    struct filter_lead view = lead_view(l);
    struct err_text e = {.text = ""};
    struct field_at at = {root, "bulk_settings", &limits, &e};
    struct arena a = {.used = 0};
    struct selection s = {.filter = NULL}, back = {.filter = NULL};

    if (selection_read(&at, &a, &s) != SQ_OK) {
        check(e.text[0] && !s.text);
    } else {
        check(s.lead_ids.count || s.assignees.count || s.search_keyword || s.filter);
        check(selection_parse(s.text, strlen(s.text), &limits, &a, &back, NULL) == SQ_OK);
        check(selection_match(&s, &view) == selection_match(&back, &view));
    }
    arena_free(&a);
}

/* Input: bulk_settings, a NUL, the lead. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    size_t len = strlen(text);
    struct lead l = {.id = NULL};
    cJSON *root = NULL;

    if (json_parse(text, len, NULL, &root, NULL) == SQ_OK && cJSON_IsObject(root)) {
        read_lead(&l, text + len + (len < size), text + size);
        check_selection(root, &l);
        lead_free(&l);
    }
    json_free(root);
    free(text);
    return 0;
}
