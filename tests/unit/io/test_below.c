/* Reading below a directory: files in it, and nothing else. */
#include "unit.h"

#include "below.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    char top[64], root[80];
};

static void make_file(const char *dir, const char *name, const char *text)
{
    char path[200];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void make_link(const char *dir, const char *name, const char *target)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    assert_int_equal(symlink(target, path), 0);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    char path[200];

    strcpy(f->top, "/tmp/sendq-below-XXXXXX");
    assert_non_null(mkdtemp(f->top));
    snprintf(f->root, sizeof(f->root), "%s/root", f->top);
    assert_int_equal(mkdir(f->root, 0700), 0);
    snprintf(path, sizeof(path), "%s/sub", f->root);
    assert_int_equal(mkdir(path, 0700), 0);
    make_file(f->top, "secret", "secret");
    make_file(f->root, "a.txt", "hello");
    make_file(path, "b.txt", "below");
    make_link(f->root, "link", "a.txt");
    make_link(f->root, "out", "../secret");
    make_link(f->root, "dir", "sub");
    make_link(f->root, "up", "..");
    snprintf(path, sizeof(path), "%s/pipe", f->root);
    assert_int_equal(mkfifo(path, 0600), 0);
    snprintf(path, sizeof(path), "%s/socket", f->root);
    assert_int_equal(mknod(path, S_IFSOCK | 0600, 0), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"root/sub/b.txt", "root/sub", "root/a.txt", "root/link",
                                        "root/out",       "root/dir", "root/up",    "root/pipe",
                                        "root/socket",    "root",     "secret",     ""};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[200];

        snprintf(path, sizeof(path), "%s/%s", f->top, names[i]);
        assert_int_equal(remove(path), 0);
    }
    free(f);
    return 0;
}

static const struct {
    const char *path;
    enum sq_err err;
    const char *text;
} cases[] = {
    {"a.txt", SQ_OK, "hello"},
    {"sub/b.txt", SQ_OK, "below"},
    {"none", SQ_ERR_NOT_FOUND, "there is no such file"},
    {"none/none", SQ_ERR_NOT_FOUND, "there is no such file"},
    {"a.txt/x", SQ_ERR_NOT_FOUND, "there is no such file"},
    {"link", SQ_ERR_INVALID, "a symbolic link is not followed"},
    {"out", SQ_ERR_INVALID, "a symbolic link is not followed"},
    {"dir/b.txt", SQ_ERR_INVALID, "a symbolic link is not followed"},
    {"up/secret", SQ_ERR_INVALID, "a symbolic link is not followed"},
    {"../secret", SQ_ERR_INVALID, "the path is not a plain relative one"},
    {"sub/../../secret", SQ_ERR_INVALID, "the path is not a plain relative one"},
    {"sub/../a.txt", SQ_ERR_INVALID, "the path is not a plain relative one"},
    {"./a.txt", SQ_ERR_INVALID, "the path is not a plain relative one"},
    {"sub/./b.txt", SQ_ERR_INVALID, "the path is not a plain relative one"},
    {"sub//b.txt", SQ_ERR_INVALID, "the path is not a plain relative one"},
    {"/etc/passwd", SQ_ERR_INVALID, "the path is not a plain relative one"},
    {"sub/", SQ_ERR_INVALID, "the path is not a plain relative one"},
    {"", SQ_ERR_INVALID, "the path is not a plain relative one"},
    {"..", SQ_ERR_INVALID, "the path is not a plain relative one"},
    {"sub", SQ_ERR_INVALID, "it is not a regular file"},
    {"pipe", SQ_ERR_INVALID, "it is not a regular file"},
    {"socket", SQ_ERR_INVALID, "it is not a regular file"},
};

static void only_files_below_are_read(void **state)
{
    const struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf out = {.max = 0};
        struct err_text e = {.text = ""};
        enum sq_err err = below_read(f->root, cases[i].path, 100, &out, &e);

        if (err != cases[i].err)
            fail_msg("%s: %d %s", cases[i].path, (int)err, e.text);
        assert_string_equal(err == SQ_OK ? buf_str(&out) : e.text, cases[i].text);
        buf_free(&out);
    }
}

static void sizes_are_capped(void **state)
{
    const struct fixture *f = *state;
    struct buf out = {.max = 0};
    struct err_text e;

    assert_int_equal(below_read(f->root, "a.txt", 5, &out, &e), SQ_OK);
    assert_int_equal(below_read(f->root, "a.txt", 4, &out, &e), SQ_ERR_TOO_LARGE);
    assert_string_equal(e.text, "the file is larger than 4 bytes");
    assert_string_equal(buf_str(&out), "hello");
    buf_free(&out);
}

static void the_root_may_be_a_link_and_must_be_there(void **state)
{
    const struct fixture *f = *state;
    struct buf out = {.max = 0};
    struct err_text e;
    char path[200];

    snprintf(path, sizeof(path), "%s/dir", f->root);
    assert_int_equal(below_read(path, "b.txt", 100, &out, &e), SQ_OK);
    assert_string_equal(buf_str(&out), "below");
    snprintf(path, sizeof(path), "%s/gone", f->root);
    assert_int_equal(below_read(path, "b.txt", 100, &out, &e), SQ_ERR_IO);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_files_below_are_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sizes_are_capped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_root_may_be_a_link_and_must_be_there, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
