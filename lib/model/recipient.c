/* Recipients of a message. */
#include "recipient.h"

#include <string.h>

void recipient_set_list(struct message *m, const struct address_list *list)
{
    struct buf bare = {.max = 0}, full = {.max = 0};
    bool named = false;

    for (unsigned i = 0; i < list->count; i++) {
        buf_adds(&bare, i ? "," : "");
        buf_adds(&bare, list->items[i].addr);
        buf_adds(&full, i ? ", " : "");
        address_print(&list->items[i], &full);
        named |= list->items[i].name != NULL;
    }
    message_set(m, MSG_RECIPIENT, buf_str(&bare));
    message_set(m, MSG_TO, named ? buf_str(&full) : NULL);
    m->units = list->count + m->list[MSG_CC].count + m->list[MSG_BCC].count;
    buf_free(&bare);
    buf_free(&full);
}

enum sq_err recipient_set(struct message *m, const char *text, unsigned max, struct err_text *e)
{
    struct address_list list = {.count = 0};
    enum sq_err err;

    if (m->channel != CHANNEL_EMAIL) {
        err = address_check(m->channel, text, e);
        if (!err)
            message_set(m, MSG_RECIPIENT, text);
        return err;
    }
    if (address_is_plain(text)) {
        message_set(m, MSG_RECIPIENT, text);
        message_set(m, MSG_TO, NULL);
        m->units = 1 + m->list[MSG_CC].count + m->list[MSG_BCC].count;
        return SQ_OK;
    }
    err = address_parse_list(text, max, &m->arena, &list, e);
    if (!err)
        recipient_set_list(m, &list);
    return err;
}

/* The length of the first address of a list of canonical ones: to the first comma that is not
 * inside quotes. */
static size_t first_length(const char *s)
{
    bool quoted = false;
    size_t i = 0;

    for (; s[i] && (quoted || s[i] != ','); i++) {
        if (s[i] == '"')
            quoted = !quoted;
        else if (s[i] == '\\' && quoted && s[i + 1])
            i++;
    }
    return i;
}

bool recipient_next(enum channel c, const char **cursor, char ret[RECIPIENT_TEXT])
{
    const char *s = *cursor;
    size_t len;

    if (!s || !*s)
        return false;
    len = c == CHANNEL_EMAIL ? first_length(s) : strlen(s);
    *cursor = s + len + (s[len] == ',');
    if (len >= RECIPIENT_TEXT)
        len = RECIPIENT_TEXT - 1;
    memcpy(ret, s, len);
    ret[len] = 0;
    return true;
}
