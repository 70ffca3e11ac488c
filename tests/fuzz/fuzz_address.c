/* Any bytes as an address list; what is accepted must survive printing and reading again. */
#include "recipient.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* The address is an address by the other check too, and its own canonical form. */
static void check_address(const struct address *a)
{
    struct address_list again = {.count = 0};
    struct arena arena = {.head = NULL};
    struct buf text = {.max = 0};

    require(address_is_email(a->addr));
    require(!a->name || (a->name[0] && !text_has_control(a->name)));
    address_print(a, &text);
    require(address_parse_list(buf_str(&text), 1, &arena, &again, NULL) == SQ_OK);
    require(again.count == 1 && text_eq(again.items[0].addr, a->addr));
    require(text_eq(again.items[0].name, a->name));
    buf_free(&text);
    arena_free(&arena);
}

/* Stored in a message and taken apart again, they are the same. */
static void check_stored(const struct address_list *list)
{
    struct message m = {.channel = CHANNEL_EMAIL};
    char one[RECIPIENT_TEXT];
    const char *cursor;

    recipient_set_list(&m, list);
    cursor = m.text[MSG_RECIPIENT];
    for (unsigned i = 0; i < list->count; i++) {
        require(recipient_next(m.channel, &cursor, one));
        require(text_eq(one, list->items[i].addr));
    }
    require(!recipient_next(m.channel, &cursor, one));
    message_clear(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err_text e = {.text = ""};
    struct address_list list = {.count = 0};
    struct arena arena = {.head = NULL};
    char *text = malloc(size + 1);
    enum sq_err err;

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    err = address_parse_list(text, 50, &arena, &list, &e);
    require(err == SQ_OK ? list.count > 0 : e.text[0] != 0);
    for (unsigned i = 0; i < list.count; i++)
        check_address(&list.items[i]);
    if (!err)
        check_stored(&list);
    arena_free(&arena);
    free(text);
    return 0;
}
