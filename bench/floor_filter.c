/* How many leads per second a bulk's selection is asked about, on one core: each lead is built as
 * the directory builds it from a reply, then matched. Prints one line of JSON. */
#include "lead.h"
#include "selection.h"
#include "timefmt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEADS 1000000

static const char settings[] =
    "{\"filters\":{\"conditions\":[{\"id\":\"group-1\",\"conditions\":["
    "{\"id\":\"cond-1\",\"field\":\"first_name\",\"operator\":\"contains\",\"value\":\"st\"},"
    "{\"id\":\"cond-2\",\"field\":\"tags\",\"operator\":\"contains\","
    "\"value\":[\"Import 10/05/25\"]}]}]}}";

static void build(struct lead *l, unsigned n)
{
    static const char *const names[] = {"first_name", "last_name", "phone",
                                        "company",    "tags",      "assigned_to"};
    const char *values[] = {n % 2 ? "Stefan" : "Maria",
                            "Meyer",
                            "+14155550100",
                            "Company 7",
                            n % 3 ? "[\"Import 10/05/25\",\"vip\"]" : "[\"vip\"]",
                            "user-7"};
    struct err_text e;

    lead_begin(l, "550e8400-e29b-41d4-a716-446655440001");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (lead_add(l, names[i], values[i], &e) != SQ_OK)
            exit(1);
}

int main(void)
{
    const struct job_limits limits = {.max_bulk_bytes = 1 << 20, .max_depth = 32};
    struct arena arena = {0};
    struct selection s;
    struct err_text e;
    struct lead lead = {0};
    int64_t begun, built, asked;
    unsigned met = 0;

    if (selection_parse(settings, strlen(settings), &limits, &arena, &s, &e) != SQ_OK) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    begun = clock_mono_us();
    for (unsigned n = 0; n < LEADS; n++)
        build(&lead, n);
    built = clock_mono_us() - begun;
    begun = clock_mono_us();
    for (unsigned n = 0; n < LEADS; n++) {
        struct filter_lead view;

        build(&lead, n);
        view = lead_view(&lead);
        met += selection_match(&s, &view);
    }
    asked = clock_mono_us() - begun;
    printf("{\"leads\": %d, \"met\": %u, \"leads_per_s\": %.0f, \"of_which_matching_us\": %.2f}\n",
           LEADS, met, LEADS * 1e6 / (double)asked, (double)(asked - built) / LEADS);
    lead_free(&lead);
    arena_free(&arena);
    return 0;
}
