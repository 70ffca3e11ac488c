/* What a format costs: parse, validate and answer of 600-byte jobs, one of each format, without
 * Redis and network.
 *
 * Prints one JSON object: microseconds of CPU per job by format, the fastest of several rounds
 * (what is slower was disturbed). */
#include "job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NOW_MS INT64_C(1795252211123)
#define JOB_BYTES 600
#define JOBS 20000
#define ROUNDS 9

/* A body, cut where its text is: as many x as make JOB_BYTES bytes of it go there. */
static const struct {
    const char *format, *head, *tail;
} bodies[] = {
    {"channel",
     "{\"channel\": \"whatsapp\", \"recipient\": \"+14155550100\", \"contact_id\": "
     "\"123e4567-e89b-12d3-a456-426614174000\", \"message\": \"",
     "\"}"},
    {"email",
     "{\"to\": [\"Jane Doe <jane@example.com>\"], \"subject\": \"Your order has shipped\", \"cc\": "
     "[\"ann@example.com\"], \"reply_to\": \"support@acme.example\", \"body_html\": \"<p>",
     "</p>\"}"},
    {"messaging",
     "{\"message_data\": {\"recipient\": \"customer@example.com\", \"subject\": \"Your order has "
     "shipped\", \"sender_name\": \"Acme Support Team\", \"content\": \"",
     "\"}, \"message_type\": \"TRANSACTIONAL\", \"priority\": \"HIGH\"}"},
    {"conversation",
     "{\"type\": \"Email\", \"subType\": \"Email\", \"contactId\": \"abc123def456\", \"emailTo\": "
     "\"jane@example.com\", \"emailFrom\": \"sender@company.com\", \"subject\": \"Your order has "
     "shipped\", \"status\": \"pending\", \"message\": \"",
     "\"}"},
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "formats: %s: %s\n", what, why);
    exit(1);
}

static double cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* The answer is the whole way of a job through its format, as if it had been sent at once. */
static void serve(const char *raw, const char *format, struct buf *answer)
{
    static const struct outcome sent = {.provider_message_id = "18c9a4b2e7ff21aa"};
    struct err_text e = {.text = ""};
    struct job j;
    struct answer_in in = {
        .message = &j.message, .provider = "sandbox", .outcome = &sent, .now_ms = NOW_MS};

    if (job_parse(raw, JOB_BYTES, PRIORITY_NORMAL, NOW_MS, NULL, &j, &e) != SQ_OK)
        die(format, e.text);
    buf_clear(answer);
    job_answer(j.message.text[MSG_FORMAT], &in, answer);
    if (answer->len == 0 || strcmp(j.message.text[MSG_FORMAT], format) != 0)
        die(format, "was answered as another format");
    job_clear(&j);
}

static double measure(const char *raw, const char *format)
{
    struct buf answer = {.max = 0};
    double best = 0;

    for (int round = 0; round < ROUNDS; round++) {
        double begun = cpu_us(), cost;

        for (int i = 0; i < JOBS; i++)
            serve(raw, format, &answer);
        cost = (cpu_us() - begun) / JOBS;
        best = round == 0 || cost < best ? cost : best;
    }
    buf_free(&answer);
    return best;
}

int main(void)
{
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        const char *head = bodies[i].head, *tail = bodies[i].tail;
        size_t filling = JOB_BYTES - strlen(head) - strlen(tail);
        char raw[JOB_BYTES + 1];

        memcpy(raw, head, strlen(head));
        memset(raw + strlen(head), 'x', filling);
        memcpy(raw + strlen(head) + filling, tail, strlen(tail) + 1);
        printf("%s\"%s_us\": %.2f", i == 0 ? "{" : ", ", bodies[i].format,
               measure(raw, bodies[i].format));
    }
    printf("}\n");
    return 0;
}
