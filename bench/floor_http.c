/* The HTTP of the floors: libcurl's socket API on libevent, and nothing else.
 *
 * It uses every means that makes libcurl cheap: reused easy handles, the URL parsed once, header
 * list built once, sockets left in epoll until curl closes them (curl forgets and re-adds a
 * connection between two transfers, which would cost two epoll_ctl calls each time), finished
 * transfers collected once per loop turn, and a connection cache as large as the concurrency. */
#include "floor_http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_REQUEST = 4 << 20 };

void floor_die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, why);
    exit(1);
}

double floor_seconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

long floor_resident_kib(void)
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

uint64_t floor_number(const char *text, uint64_t max)
{
    char *end;
    unsigned long long n = strtoull(text, &end, 10);

    if (*text == '\0' || *text == '-' || *end != '\0' || n == 0 || n > max)
        floor_die(text, "not a number in range");
    return n;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    (void)data;
    (void)arg;
    return size * count;
}

void floor_http_start(struct floor_http *h, CURL *easy)
{
    CURLMcode rc = curl_multi_add_handle(h->multi, easy);

    if (rc != CURLM_OK)
        floor_die("curl_multi_add_handle", curl_multi_strerror(rc));
}

static bool is_good(const struct floor_http *h, CURL *easy, CURLcode result)
{
    long status = 0;

    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    return result == CURLE_OK && status == h->expect_status;
}

/* All messages are read before the first handle is removed: removing walks the unread ones. */
static void on_collect(evutil_socket_t fd, short what, void *arg)
{
    struct floor_http *h = arg;
    CURL *easy[FLOOR_MAX_CONCURRENCY];
    CURLcode result[FLOOR_MAX_CONCURRENCY];
    CURLMsg *msg;
    unsigned count = 0;
    int left;

    (void)fd;
    (void)what;
    while (count < FLOOR_MAX_CONCURRENCY && (msg = curl_multi_info_read(h->multi, &left)) != NULL) {
        if (msg->msg != CURLMSG_DONE)
            continue;
        easy[count] = msg->easy_handle;
        result[count++] = msg->data.result;
    }
    for (unsigned i = 0; i < count; i++)
        curl_multi_remove_handle(h->multi, easy[i]);
    for (unsigned i = 0; i < count; i++)
        h->done(easy[i], is_good(h, easy[i], result[i]), h->arg);
    h->turn(h->arg);
}

static void act(struct floor_http *h, curl_socket_t fd, int mask)
{
    int running;

    curl_multi_socket_action(h->multi, fd, mask, &running);
    event_active(h->collect, EV_TIMEOUT, 0);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct floor_sock *s = arg;

    if (!s->wanted) { /* an idle connection became readable: the peer closed it */
        event_del(s->ev);
        s->watched = 0;
        return;
    }
    act(s->http, fd,
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
    struct floor_http *h = arg;
    struct timeval delay = {ms / 1000, (ms % 1000) * 1000};

    (void)multi;
    if (ms < 0)
        evtimer_del(h->timer);
    else if (ms == 0)
        event_active(h->timer, EV_TIMEOUT, 0);
    else
        evtimer_add(h->timer, &delay);
    return 0;
}

static void watch(struct floor_sock *s, evutil_socket_t fd, short events)
{
    if (s->ev == NULL)
        s->ev = event_new(s->http->base, fd, events | EV_PERSIST, on_socket, s);
    else if (s->watched == events)
        return;
    else {
        event_del(s->ev);
        event_assign(s->ev, s->http->base, fd, events | EV_PERSIST, on_socket, s);
    }
    event_add(s->ev, NULL);
    s->watched = events;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *sock_arg)
{
    struct floor_http *h = arg;
    struct floor_sock *s;
    short events = 0;

    (void)easy;
    (void)sock_arg;
    if (fd < 0 || fd >= FLOOR_MAX_FDS)
        floor_die("socket", "file descriptor out of range");
    s = &h->socks[fd];
    s->http = h;
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
    struct floor_http *h = arg;
    struct floor_sock *s = &h->socks[fd];

    if (s->ev != NULL)
        event_free(s->ev);
    *s = (struct floor_sock){0};
    return close(fd);
}

CURL *floor_http_easy(struct floor_http *h)
{
    CURL *easy = curl_easy_init();

    if (easy == NULL)
        floor_die("curl_easy_init", "failed");
    curl_easy_setopt(easy, CURLOPT_CURLU, h->url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, h->headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, h->body);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)h->body_len);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, h);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     h->ca_file ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
    if (h->ca_file) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, h->ca_file);
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

/* Splits a raw HTTP/1.1 request in place: header lines into h->headers, the rest is the body. */
static void parse_request(struct floor_http *h, char *raw, size_t len)
{
    char *end = memmem(raw, len, "\r\n\r\n", 4);
    char *line, *next;

    if (end == NULL)
        floor_die("request file", "holds no complete HTTP request");
    h->body = end + 4;
    h->body_len = len - (size_t)(h->body - raw);
    end[2] = '\0';
    line = strstr(raw, "\r\n") + 2; /* past the request line */
    for (; *line != '\0'; line = next) {
        next = strstr(line, "\r\n") + 2;
        next[-2] = '\0';
        if (!curl_writes(line))
            h->headers = curl_slist_append(h->headers, line);
    }
    /* What curl would add by itself and the captured request did not have. */
    if (!has_header(h->headers, "accept:"))
        h->headers = curl_slist_append(h->headers, "Accept:");
    if (!has_header(h->headers, "expect:"))
        h->headers = curl_slist_append(h->headers, "Expect:");
}

static size_t read_file(const char *path, char *ret, size_t size)
{
    FILE *file = fopen(path, "rb");
    size_t len;

    if (file == NULL)
        floor_die(path, strerror(errno));
    len = fread(ret, 1, size, file);
    fclose(file);
    if (len == size)
        floor_die(path, "too large");
    return len;
}

void floor_http_open(struct floor_http *h, const char *url, const char *request_file,
                     long connections)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    h->base = event_base_new();
    h->multi = curl_multi_init();
    h->timer = evtimer_new(h->base, on_timer, h);
    h->collect = evtimer_new(h->base, on_collect, h);
    h->url = curl_url();
    if (curl_url_set(h->url, CURLUPART_URL, url, 0) != CURLUE_OK)
        floor_die(url, "not a URL");
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
    curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, connections);
    h->raw = malloc(MAX_REQUEST);
    if (h->raw == NULL)
        floor_die(request_file, "no memory");
    parse_request(h, h->raw, read_file(request_file, h->raw, MAX_REQUEST));
}

void floor_http_close(struct floor_http *h)
{
    curl_multi_cleanup(h->multi);
    curl_slist_free_all(h->headers);
    curl_url_cleanup(h->url);
    event_free(h->timer);
    event_free(h->collect);
    event_base_free(h->base);
    free(h->raw);
}
