/* The minimal loop without features: claims jobs from a list in Redis by a script, POSTs each, and
 * completes them by a script. sendqd's rate beside this one's is the price of its features.
 *
 * What a loop needs that loses no job, and no more: a claim moves N jobs, bodies as producers push
 * them, from the list into the hash of leases under new ids, so that a crash leaves them there; the
 * body is POSTed as it is, with the header lines of sendqd's own request; completing takes the ids
 * out of the leases and writes one key for each that says "sent". At most one claim and one
 * completion are under way, of up to BATCH jobs, and one batch is claimed ahead, as sendqd does.
 * There are no identities, no checks, no limits, no priorities, no statistics, no answers and no
 * log. */
#include "floor_http.h"

#include <hiredis/adapters/libevent.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH = 64,
    MAX_BODY = 4096,
    MAX_JOBS = FLOOR_MAX_CONCURRENCY + 2 * BATCH,
    MAX_DONE = FLOOR_MAX_CONCURRENCY + BATCH,
    SHA = 41,
};

static const char claim_text[] =
    "local jobs = redis.call('RPOP', KEYS[1] .. 'jobs', ARGV[1])\n"
    "if not jobs then return { 0, {} } end\n"
    "local last, leases = redis.call('INCRBY', KEYS[1] .. 'ids', #jobs), {}\n"
    "for i, body in ipairs(jobs) do\n"
    "  leases[2 * i - 1], leases[2 * i] = last - #jobs + i, body\n"
    "end\n"
    "redis.call('HSET', KEYS[1] .. 'leases', unpack(leases))\n"
    "return { last, jobs }\n";
static const char complete_text[] = "redis.call('HDEL', KEYS[1] .. 'leases', unpack(ARGV))\n"
                                    "for _, id in ipairs(ARGV) do\n"
                                    "  redis.call('SET', KEYS[1] .. 'done:' .. id, 'sent')\n"
                                    "end\n"
                                    "return 'ok'\n";

struct job {
    unsigned long long id;
    size_t len;
    char body[MAX_BODY];
};

struct runner {
    struct floor_http http;
    redisAsyncContext *redis;
    const char *prefix;
    char claim_sha[SHA], complete_sha[SHA];
    struct job jobs[MAX_JOBS];
    struct job *unused[MAX_JOBS], *claimed[BATCH * 2];
    CURL *idle[FLOOR_MAX_CONCURRENCY];
    unsigned long long done[MAX_DONE];
    unsigned unused_count, claimed_count, idle_count, done_count;
    unsigned completing; /* how many of `done`, its first ones, are in the call under way */
    uint64_t to_claim, to_complete;
    bool claiming;
};

static redisReply *expect(redisReply *reply, int type)
{
    if (reply == NULL)
        floor_die("Redis", "the connection ended");
    if (reply->type == REDIS_REPLY_ERROR)
        floor_die("Redis", reply->str);
    if (reply->type != type)
        floor_die("Redis", "an answer of another type");
    return reply;
}

/* --- POST --- */

static void start_all(struct runner *r)
{
    while (r->idle_count > 0 && r->claimed_count > 0) {
        CURL *easy = r->idle[--r->idle_count];
        struct job *job = r->claimed[--r->claimed_count];

        curl_easy_setopt(easy, CURLOPT_PRIVATE, job);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, job->body);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)job->len);
        floor_http_start(&r->http, easy);
    }
}

/* --- claim --- */

static void add_job(struct runner *r, unsigned long long id, const redisReply *body)
{
    struct job *job;

    if (r->unused_count == 0 || body->len > MAX_BODY)
        floor_die("job", "too many, or too large");
    job = r->unused[--r->unused_count];
    job->id = id;
    job->len = body->len;
    memcpy(job->body, body->str, body->len);
    r->claimed[r->claimed_count++] = job;
}

static void claim(struct runner *r);

static void on_claimed(redisAsyncContext *redis, void *answer, void *arg)
{
    struct runner *r = arg;
    redisReply *reply = expect(answer, REDIS_REPLY_ARRAY), *jobs = reply->element[1];
    unsigned long long first;

    (void)redis;
    if (jobs->elements == 0)
        floor_die("claim", "the list is empty");
    first = (unsigned long long)reply->element[0]->integer - jobs->elements + 1;
    r->claiming = false;
    r->to_claim -= jobs->elements;
    for (size_t i = 0; i < jobs->elements; i++)
        add_job(r, first + i, jobs->element[i]);
    start_all(r);
    claim(r);
}

static void claim(struct runner *r)
{
    uint64_t n = r->to_claim < BATCH ? r->to_claim : BATCH;

    if (r->claiming || n == 0 || r->claimed_count > BATCH / 2)
        return;
    r->claiming = true;
    redisAsyncCommand(r->redis, on_claimed, r, "EVALSHA %s 1 %s %llu", r->claim_sha, r->prefix,
                      (unsigned long long)n);
}

/* --- complete --- */

static void complete(struct runner *r);

static void on_completed(redisAsyncContext *redis, void *answer, void *arg)
{
    struct runner *r = arg;

    (void)redis;
    expect(answer, REDIS_REPLY_STRING);
    r->done_count -= r->completing;
    r->to_complete -= r->completing;
    memmove(r->done, r->done + r->completing, r->done_count * sizeof(r->done[0]));
    r->completing = 0;
    if (r->to_complete == 0)
        event_base_loopbreak(r->http.base);
    complete(r);
}

static void complete(struct runner *r)
{
    char ids[BATCH][24];
    const char *argv[4 + BATCH] = {"EVALSHA", r->complete_sha, "1", r->prefix};
    unsigned n = r->done_count < BATCH ? r->done_count : BATCH;

    if (r->completing > 0 || n == 0)
        return;
    for (unsigned i = 0; i < n; i++) {
        snprintf(ids[i], sizeof(ids[i]), "%llu", r->done[i]);
        argv[4 + i] = ids[i];
    }
    r->completing = n;
    redisAsyncCommandArgv(r->redis, on_completed, r, (int)(4 + n), argv, NULL);
}

static void on_done(CURL *easy, bool ok, void *arg)
{
    struct runner *r = arg;
    struct job *job = NULL;

    if (!ok)
        floor_die("POST", "a request failed");
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&job);
    if (r->done_count == MAX_DONE)
        floor_die("complete", "too many wait");
    r->done[r->done_count++] = job->id;
    r->unused[r->unused_count++] = job;
    r->idle[r->idle_count++] = easy;
    start_all(r);
}

static void on_turn(void *arg)
{
    claim(arg);
    complete(arg);
}

/* --- life --- */

static void load(redisContext *redis, const char *text, char ret_sha[SHA])
{
    redisReply *reply = redisCommand(redis, "SCRIPT LOAD %s", text);

    expect(reply, REDIS_REPLY_STRING);
    snprintf(ret_sha, SHA, "%s", reply->str);
    freeReplyObject(reply);
}

static void connect_redis(struct runner *r, const char *path)
{
    redisContext *redis = redisConnectUnix(path);

    if (redis == NULL || redis->err != 0)
        floor_die(path, redis != NULL ? redis->errstr : "no memory");
    load(redis, claim_text, r->claim_sha);
    load(redis, complete_text, r->complete_sha);
    redisFree(redis);
    r->redis = redisAsyncConnectUnix(path);
    if (r->redis == NULL || r->redis->err != 0)
        floor_die(path, r->redis != NULL ? r->redis->errstr : "no memory");
    redisLibeventAttach(r->redis, r->http.base);
}

/* The connections stay open for the next run. */
static void send_all(struct runner *r, uint64_t count)
{
    r->to_claim = r->to_complete = count;
    claim(r);
    event_base_dispatch(r->http.base);
}

static void measure(struct runner *r, uint64_t count, unsigned handles)
{
    double wall, cpu;

    send_all(r, handles); /* opens the connections */
    wall = floor_seconds(CLOCK_MONOTONIC);
    cpu = floor_seconds(CLOCK_PROCESS_CPUTIME_ID);
    send_all(r, count);
    wall = floor_seconds(CLOCK_MONOTONIC) - wall;
    cpu = floor_seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("{\"n\": %llu, \"warm_up\": %u, \"seconds\": %.6f, \"cpu_seconds\": %.6f, "
           "\"rss_kib\": %ld}\n",
           (unsigned long long)count, handles, wall, cpu, floor_resident_kib());
}

static void runner_open(struct runner *r, char **argv, unsigned handles)
{
    r->http.expect_status = (long)floor_number(argv[7], 599);
    r->http.done = on_done;
    r->http.turn = on_turn;
    r->http.arg = r;
    r->prefix = argv[2];
    floor_http_open(&r->http, argv[3], argv[4], (long)handles);
    connect_redis(r, argv[1]);
    for (unsigned i = 0; i < MAX_JOBS; i++)
        r->unused[r->unused_count++] = &r->jobs[i];
    for (unsigned i = 0; i < handles; i++)
        r->idle[r->idle_count++] = floor_http_easy(&r->http);
}

int main(int argc, char **argv)
{
    struct runner *r = calloc(1, sizeof(*r));
    unsigned handles;

    if (argc != 8 || r == NULL) {
        fprintf(stderr, "usage: floor_loop REDIS-SOCKET PREFIX URL REQUEST-FILE COUNT CONCURRENCY "
                        "STATUS\nSends CONCURRENCY + COUNT jobs of the list <PREFIX>jobs.\n");
        return 2;
    }
    handles = (unsigned)floor_number(argv[6], FLOOR_MAX_CONCURRENCY);
    runner_open(r, argv, handles);
    measure(r, floor_number(argv[5], UINT64_MAX), handles);
    for (unsigned i = 0; i < r->idle_count; i++)
        curl_easy_cleanup(r->idle[i]);
    redisAsyncFree(r->redis);
    floor_http_close(&r->http);
    free(r);
    return 0;
}
