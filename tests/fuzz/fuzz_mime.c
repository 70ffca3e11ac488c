/* Fuzzes mails: whatever the fields hold, no header begins that was not asked for, no line is too
 * long, and the mail ends where it should. */
#include "crypto.h"
#include "mime.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FIELDS 14

static void require(bool ok)
{
    if (!ok)
        abort();
}

/* The input's fields, one after the other, each ended by a NUL. */
struct input {
    char *text;
    const char *field[FIELDS];
    struct buf base64;
};

static void read_input(struct input *in, const uint8_t *data, size_t size)
{
    const char *p;

    in->text = malloc(size + FIELDS + 1);
    if (!in->text)
        abort();
    memcpy(in->text, data, size);
    memset(in->text + size, 0, FIELDS + 1);
    p = in->text;
    for (int i = 0; i < FIELDS; i++) {
        in->field[i] = p;
        p += strlen(p);
        p += p < in->text + size;
    }
    base64_encode(&in->base64, in->field[FIELDS - 1], strlen(in->field[FIELDS - 1]));
}

/* Every line of the header is one that mime.c writes, or continues one. */
static void check_head(const char *mail)
{
    static const char *const names[] = {
        "From: ",         "Reply-To: ",
        "To: ",           "Cc: ",
        "Bcc: ",          "Subject: ",
        "Date: ",         "Message-Id: ",
        "In-Reply-To: ",  "References: ",
        "List-Extra: ",   "MIME-Version: ",
        "Content-Type: ", "Content-Transfer-Encoding: ",
    };
    unsigned seen[sizeof(names) / sizeof(names[0])] = {0};

    while (strncmp(mail, "\r\n", 2) != 0) {
        size_t i = 0;

        while (i < sizeof(names) / sizeof(names[0]) && !text_starts(mail, names[i]))
            i++;
        if (i < sizeof(names) / sizeof(names[0]))
            require(++seen[i] == 1);
        else
            require(*mail == ' ' || *mail == '\t');
        mail = strstr(mail, "\r\n");
        require(mail != NULL);
        mail += 2;
    }
}

static void check_lines(const struct buf *out)
{
    size_t line = 0;

    for (size_t i = 0; i < out->len; i++) {
        line = out->data[i] == '\n' ? 0 : line + 1;
        require(line <= 999 && out->data[i] != '\0');
        require(out->data[i] != '\r' || out->data[i + 1] == '\n');
        require(out->data[i] != '\n' || (i && out->data[i - 1] == '\r'));
    }
    require(out->len >= 2 && memcmp(out->data + out->len - 2, "\r\n", 2) == 0);
}

static void compose(const struct input *in, bool attached)
{
    struct address to[2] = {{in->field[0], in->field[1]}, {NULL, "a@x.example"}};
    struct mime_header extra = {"List-Extra", in->field[2]};
    struct message m = {.text[MSG_SUBJECT] = in->field[3],
                        .text[MSG_CONTENT] = in->field[4],
                        .text[MSG_HTML] = in->field[5]};
    struct mime_in mime = {.message = &m,
                           .from = {in->field[6], "s@acme.example"},
                           .to = {to, 2},
                           .bcc = {to, 1},
                           .headers = &extra,
                           .header_count = 1,
                           .date_ms = INT64_C(1614265330123)};
    struct err_text e = {.text = ""};
    struct buf out = {0};
    struct attachment *a;

    memcpy(m.id, in->field[7], strnlen(in->field[7], sizeof(m.id) - 1));
    if (*in->field[8])
        mime.in_reply_to = in->field[8];
    if (*in->field[9])
        mime.references = in->field[9];
    if (attached) {
        a = message_attachment_add(&m);
        *a = (struct attachment){.filename = in->field[10],
                                 .mime_type = in->field[11],
                                 .content_id = in->field[12],
                                 .content_base64 = buf_str(&in->base64)};
    }
    if (mime_compose(&mime, &out, &e) == SQ_OK) {
        check_head(buf_str(&out));
        check_lines(&out);
    } else {
        require(e.text[0] != '\0' && out.len == 0);
    }
    buf_free(&out);
    message_clear(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {.text = NULL};

    if (size == 0)
        return 0;
    read_input(&in, data + 1, size - 1);
    compose(&in, data[0] & 1);
    free(in.text);
    buf_free(&in.base64);
    return 0;
}
