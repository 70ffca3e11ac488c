/* TZif files: a table of transitions, and a rule for the time after the last one. */
#include "tz.h"

#include "buf.h"
#include "tz_rule.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TZ_DEFAULT_DIR "/usr/share/zoneinfo"
#define TZ_NAME_MAX 63
#define TZ_FILE_MAX ((size_t)256 << 10)
#define HEAD_SIZE 44
#define TYPE_SIZE 6
#define OFFSET_MAX (26 * 3600) /* RFC 8536: -24:59:59 to 25:59:59 */
#define DAY_S 86400

/* --- names --- */

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool tz_name_is_valid(const char *s)
{
    bool start = true;

    if (!s || !*s || strlen(s) > TZ_NAME_MAX)
        return false;
    for (; *s; s++) {
        if (start ? !is_alpha(*s) : !is_alpha(*s) && !strchr("0123456789_+-/", *s))
            return false;
        start = *s == '/';
    }
    return !start;
}

/* --- reading --- */

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t be64(const unsigned char *p)
{
    return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

/* The six counts of a header, in file order. */
struct counts {
    size_t isut, isstd, leap, time, type, chars;
};

static bool read_head(const unsigned char *p, size_t len, struct counts *ret)
{
    if (len < HEAD_SIZE || memcmp(p, "TZif", 4) != 0 || p[4] < '2')
        return false;
    *ret = (struct counts){be32(p + 20), be32(p + 24), be32(p + 28),
                           be32(p + 32), be32(p + 36), be32(p + 40)};
    /* No count can pass the file's size: sums of them cannot overflow after this. */
    return ret->isut <= len && ret->isstd <= len && ret->leap <= len && ret->time <= len &&
           ret->type <= len && ret->chars <= len;
}

static size_t block_size(const struct counts *c, size_t time_size)
{
    return c->time * (time_size + 1) + c->type * TYPE_SIZE + c->chars + c->leap * (time_size + 4) +
           c->isstd + c->isut;
}

/* Ascending times, known types, sane offsets. */
static bool table_is_sound(const struct tz *z)
{
    for (size_t i = 0; i < z->time_count; i++) {
        if (z->indexes[i] >= z->type_count)
            return false;
        if (i && be64(z->times + i * 8) <= be64(z->times + (i - 1) * 8))
            return false;
    }
    for (size_t i = 0; i < z->type_count; i++) {
        int32_t offset = (int32_t)be32(z->types + i * TYPE_SIZE);

        if (offset <= -OFFSET_MAX || offset >= OFFSET_MAX)
            return false;
    }
    return z->type_count > 0;
}

/* "\n<rule>\n" at the end; an empty rule means that nothing is known. */
static bool read_footer(const unsigned char *p, size_t len, struct tz *z)
{
    char rule[128];

    if (len < 2 || len - 2 >= sizeof rule || p[0] != '\n' || p[len - 1] != '\n')
        return false;
    memcpy(rule, p + 1, len - 2);
    rule[len - 2] = 0;
    z->has_rule = rule[0] != 0;
    return !z->has_rule || tz_rule_parse(rule, z);
}

static bool read_file(const unsigned char *p, size_t len, struct tz *z)
{
    struct counts c;
    size_t skip, size;

    if (!read_head(p, len, &c))
        return false;
    skip = HEAD_SIZE + block_size(&c, 4); /* the 32-bit block is for old readers */
    if (skip > len || !read_head(p + skip, len - skip, &c))
        return false;
    p += skip + HEAD_SIZE;
    len -= skip + HEAD_SIZE;
    size = block_size(&c, 8);
    if (size > len || c.leap) /* "right/" zones count leap seconds; Unix time does not */
        return false;
    z->times = p;
    z->indexes = p + c.time * 8;
    z->types = z->indexes + c.time;
    z->time_count = c.time;
    z->type_count = c.type;
    return table_is_sound(z) && read_footer(p + size, len - size, z);
}

enum sq_err tz_parse(const void *data, size_t len, struct tz *ret)
{
    struct tz z = {.data = NULL};

    if (!len || len > TZ_FILE_MAX)
        return SQ_ERR_INVALID;
    z.data = mem_alloc(len);
    memcpy(z.data, data, len);
    if (!read_file(z.data, len, &z)) {
        tz_free(&z);
        return SQ_ERR_INVALID;
    }
    *ret = z;
    return SQ_OK;
}

void tz_free(struct tz *z)
{
    if (!z)
        return;
    free(z->data);
    memset(z, 0, sizeof *z);
}

static enum sq_err load_fd(int fd, struct tz *ret)
{
    unsigned char *data = mem_alloc(TZ_FILE_MAX);
    size_t len = 0;
    ssize_t n;
    enum sq_err err;

    while ((n = read(fd, data + len, TZ_FILE_MAX - len)) > 0)
        len += (size_t)n;
    err = n < 0 || len == TZ_FILE_MAX ? SQ_ERR_INVALID : tz_parse(data, len, ret);
    free(data);
    return err;
}

enum sq_err tz_load(const char *name, struct tz *ret)
{
    const char *dir = getenv("TZDIR");
    char path[512];
    enum sq_err err;
    int fd;

    if (!tz_name_is_valid(name))
        return SQ_ERR_NOT_FOUND;
    if (strcmp(name, "UTC") == 0) {
        *ret = (struct tz){.has_rule = true};
        return SQ_OK;
    }
    if ((size_t)snprintf(path, sizeof path, "%s/%s", dir && *dir ? dir : TZ_DEFAULT_DIR, name) >=
        sizeof path)
        return SQ_ERR_NOT_FOUND;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return SQ_ERR_NOT_FOUND;
    err = load_fd(fd, ret);
    close(fd);
    return err;
}

/* --- use --- */

static int type_offset(const struct tz *z, unsigned type)
{
    return (int)(int32_t)be32(z->types + type * TYPE_SIZE);
}

/* How many transitions lie at or before unix_s. */
static size_t transitions_before(const struct tz *z, int64_t unix_s)
{
    size_t low = 0, high = z->time_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (be64(z->times + mid * 8) <= unix_s)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

int tz_offset(const struct tz *z, int64_t unix_s, int64_t *ret_next)
{
    size_t n = transitions_before(z, unix_s);

    if (n == z->time_count && z->has_rule)
        return tz_rule_offset(z, unix_s, ret_next);
    *ret_next = n < z->time_count ? be64(z->times + n * 8) : TZ_NEVER;
    return type_offset(z, n ? z->indexes[n - 1] : 0);
}

int64_t tz_day_start(const struct tz *z, int64_t day)
{
    int64_t midnight = day * DAY_S;
    int64_t at = midnight - OFFSET_MAX - 3600; /* surely before, whatever the offset */

    for (;;) {
        int64_t next;
        int64_t start = midnight - tz_offset(z, at, &next);

        if (start < at) /* the clock jumped over midnight: the day begins with the jump */
            start = at;
        if (start < next)
            return start;
        at = next;
    }
}
