/* The floor of the benchmark: sends one captured HTTP request N times with libcurl's socket API
 * and libevent, and does nothing else. What sendqd costs above this is sendqd's own.
 *
 * It uses every means that makes libcurl cheap: reused easy handles, the URL parsed once, header
 * list built once, sockets left in epoll until curl closes them (curl forgets and re-adds a
 * connection between two transfers, which would cost two epoll_ctl calls each time), finished
 * transfers collected once per loop turn, and a connection cache as large as the concurrency. */
#include <curl/curl.h>
#include <errno.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONCURRENCY = 1024, MAX_FDS = 4096, MAX_REQUEST = 4 << 20 };

/* What epoll watches for one socket, and whether curl still cares. */
struct sock {
    struct event *ev;
    short watched;
    bool wanted;
    struct floor *floor;
};

struct floor {
    struct event_base *base;
    CURLM *multi;
    struct event *timer;   /* curl's timeout */
    struct event *collect; /* runs after the sockets of this turn */
    struct sock socks[MAX_FDS];
    CURLU *url;
    struct curl_slist *headers;
    const char *body;
    size_t body_len;
    uint64_t to_start, to_finish, failed;
    long expect_status;
    const char *ca_file; /* HTTP/2 over TLS, else HTTP/1.1 */
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "floor_curl: %s: %s\n", what, why);
    exit(1);
}

static double seconds_of(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    (void)data;
    (void)arg;
    return size * count;
}

static void start_transfer(struct floor *f, CURL *easy)
{
    CURLMcode rc;

    if (f->to_start == 0)
        return;
    f->to_start--;
    rc = curl_multi_add_handle(f->multi, easy);
    if (rc != CURLM_OK)
        die("curl_multi_add_handle", curl_multi_strerror(rc));
}

static void finish_transfer(struct floor *f, CURL *easy, CURLcode result)
{
    long status = 0;

    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    if (result != CURLE_OK || status != f->expect_status)
        f->failed++;
    f->to_finish--;
    start_transfer(f, easy);
}

/* All messages are read before the first handle is removed: removing walks the unread ones. */
static void on_collect(evutil_socket_t fd, short what, void *arg)
{
    struct floor *f = arg;
    CURL *easy[MAX_CONCURRENCY];
    CURLcode result[MAX_CONCURRENCY];
    CURLMsg *msg;
    unsigned count = 0;
    int left;

    (void)fd;
    (void)what;
    while (count < MAX_CONCURRENCY && (msg = curl_multi_info_read(f->multi, &left)) != NULL) {
        if (msg->msg != CURLMSG_DONE)
            continue;
        easy[count] = msg->easy_handle;
        result[count++] = msg->data.result;
    }
    for (unsigned i = 0; i < count; i++)
        curl_multi_remove_handle(f->multi, easy[i]);
    for (unsigned i = 0; i < count; i++)
        finish_transfer(f, easy[i], result[i]);
    if (f->to_finish == 0)
        event_base_loopbreak(f->base);
}

static void act(struct floor *f, curl_socket_t fd, int mask)
{
    int running;

    curl_multi_socket_action(f->multi, fd, mask, &running);
    event_active(f->collect, EV_TIMEOUT, 0);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct sock *s = arg;

    if (!s->wanted) { /* an idle connection became readable: the peer closed it */
        event_del(s->ev);
        s->watched = 0;
        return;
    }
    act(s->floor, fd,
        (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int on_curl_timer(CURLM *multi, long ms, void *arg)
{
    struct floor *f = arg;
    struct timeval delay = {ms / 1000, (ms % 1000) * 1000};

    (void)multi;
    if (ms < 0)
        evtimer_del(f->timer);
    else if (ms == 0)
        event_active(f->timer, EV_TIMEOUT, 0);
    else
        evtimer_add(f->timer, &delay);
    return 0;
}

static void watch(struct sock *s, evutil_socket_t fd, short events)
{
    if (s->ev == NULL)
        s->ev = event_new(s->floor->base, fd, events | EV_PERSIST, on_socket, s);
    else if (s->watched == events)
        return;
    else {
        event_del(s->ev);
        event_assign(s->ev, s->floor->base, fd, events | EV_PERSIST, on_socket, s);
    }
    event_add(s->ev, NULL);
    s->watched = events;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *sock_arg)
{
    struct floor *f = arg;
    struct sock *s;
    short events = 0;

    (void)easy;
    (void)sock_arg;
    if (fd < 0 || fd >= MAX_FDS)
        die("socket", "file descriptor out of range");
    s = &f->socks[fd];
    s->floor = f;
    s->wanted = what != CURL_POLL_REMOVE;
    if (!s->wanted)
        return 0; /* stays in epoll: the next transfer will want it again */
    if (what & CURL_POLL_IN)
        events |= EV_READ;
    if (what & CURL_POLL_OUT)
        events |= EV_WRITE;
    watch(s, fd, events);
    return 0;
}

static int on_close(void *arg, curl_socket_t fd)
{
    struct floor *f = arg;
    struct sock *s = &f->socks[fd];

    if (s->ev != NULL)
        event_free(s->ev);
    *s = (struct sock){0};
    return close(fd);
}

static CURL *easy_new(struct floor *f)
{
    CURL *easy = curl_easy_init();

    if (easy == NULL)
        die("curl_easy_init", "failed");
    curl_easy_setopt(easy, CURLOPT_CURLU, f->url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, f->headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, f->body);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)f->body_len);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, f);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     f->ca_file ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
    if (f->ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, f->ca_file);
        curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
    }
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, 30000L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
    return easy;
}

/* Header lines that curl writes itself from the URL and the body. */
static bool curl_writes(const char *line)
{
    return strncasecmp(line, "host:", 5) == 0 || strncasecmp(line, "content-length:", 15) == 0;
}

static bool has_header(const struct curl_slist *list, const char *name)
{
    for (; list != NULL; list = list->next)
        if (strncasecmp(list->data, name, strlen(name)) == 0)
            return true;
    return false;
}

/* Splits a raw HTTP/1.1 request in place: header lines into f->headers, the rest is the body. */
static void parse_request(struct floor *f, char *raw, size_t len)
{
    char *end = memmem(raw, len, "\r\n\r\n", 4);
    char *line, *next;

    if (end == NULL)
        die("request file", "holds no complete HTTP request");
    f->body = end + 4;
    f->body_len = len - (size_t)(f->body - raw);
    end[2] = '\0';
    line = strstr(raw, "\r\n") + 2; /* past the request line */
    for (; *line != '\0'; line = next) {
        next = strstr(line, "\r\n") + 2;
        next[-2] = '\0';
        if (!curl_writes(line))
            f->headers = curl_slist_append(f->headers, line);
    }
    /* What curl would add by itself and the captured request did not have. */
    if (!has_header(f->headers, "accept:"))
        f->headers = curl_slist_append(f->headers, "Accept:");
    if (!has_header(f->headers, "expect:"))
        f->headers = curl_slist_append(f->headers, "Expect:");
}

static size_t read_file(const char *path, char *ret, size_t size)
{
    FILE *file = fopen(path, "rb");
    size_t len;

    if (file == NULL)
        die(path, strerror(errno));
    len = fread(ret, 1, size, file);
    fclose(file);
    if (len == size)
        die(path, "too large");
    return len;
}

static void floor_open(struct floor *f, const char *url, long connections)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    f->base = event_base_new();
    f->multi = curl_multi_init();
    f->timer = evtimer_new(f->base, on_timer, f);
    f->collect = evtimer_new(f->base, on_collect, f);
    f->url = curl_url();
    if (curl_url_set(f->url, CURLUPART_URL, url, 0) != CURLUE_OK)
        die(url, "not a URL");
    curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f);
    curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f);
    curl_multi_setopt(f->multi, CURLMOPT_MAXCONNECTS, connections);
}

/* Sends `count` requests over the handles; the connections stay open for the next run. */
static void send_all(struct floor *f, CURL **easy, unsigned handles, uint64_t count)
{
    f->to_start = f->to_finish = count;
    for (unsigned i = 0; i < handles; i++)
        start_transfer(f, easy[i]);
    event_base_dispatch(f->base);
}

static long resident_kib(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (file == NULL)
        return 0;
    if (fscanf(file, "%*s %ld", &pages) != 1) /* NOLINT(cert-err34-c): the kernel's own text */
        pages = 0;
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void measure(struct floor *f, CURL **easy, unsigned handles, uint64_t count)
{
    double wall, cpu;

    send_all(f, easy, handles, handles); /* opens the connections */
    f->failed = 0;
    wall = seconds_of(CLOCK_MONOTONIC);
    cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    send_all(f, easy, handles, count);
    wall = seconds_of(CLOCK_MONOTONIC) - wall;
    cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("{\"n\": %llu, \"failed\": %llu, \"warm_up\": %u, \"seconds\": %.6f, "
           "\"cpu_seconds\": %.6f, \"rss_kib\": %ld, \"body_bytes\": %zu}\n",
           (unsigned long long)count, (unsigned long long)f->failed, handles, wall, cpu,
           resident_kib(), f->body_len);
}

static uint64_t number(const char *text, uint64_t max)
{
    char *end;
    unsigned long long n = strtoull(text, &end, 10);

    if (*text == '\0' || *text == '-' || *end != '\0' || n == 0 || n > max)
        die(text, "not a number in range");
    return n;
}

int main(int argc, char **argv)
{
    static char raw[MAX_REQUEST];
    static struct floor f;
    CURL *easy[MAX_CONCURRENCY];
    unsigned handles;

    if (argc != 6 && argc != 7) {
        fprintf(stderr, "usage: floor_curl URL REQUEST-FILE COUNT CONCURRENCY STATUS [CA-FILE]\n"
                        "With a CA file: HTTP/2 over TLS.\n");
        return 2;
    }
    handles = (unsigned)number(argv[4], MAX_CONCURRENCY);
    f.expect_status = (long)number(argv[5], 599);
    f.ca_file = argc == 7 ? argv[6] : NULL;
    floor_open(&f, argv[1], (long)handles);
    parse_request(&f, raw, read_file(argv[2], raw, sizeof(raw)));
    for (unsigned i = 0; i < handles; i++)
        easy[i] = easy_new(&f);
    measure(&f, easy, handles, number(argv[3], UINT64_MAX));
    for (unsigned i = 0; i < handles; i++)
        curl_easy_cleanup(easy[i]);
    curl_multi_cleanup(f.multi);
    curl_slist_free_all(f.headers);
    curl_url_cleanup(f.url);
    event_free(f.timer);
    event_free(f.collect);
    event_base_free(f.base);
    return f.failed == 0 ? 0 : 1;
}
