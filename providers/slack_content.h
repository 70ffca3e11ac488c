/* What a Slack message shows. */
#ifndef SENDQ_PROVIDERS_SLACK_CONTENT_H
#define SENDQ_PROVIDERS_SLACK_CONTENT_H

#include "message.h"

/* Appends the members "text" and "blocks": a content that is Slack's own JSON (a list of blocks,
 * one block, or {"blocks", "text"}) becomes blocks, any other is mrkdwn text. */
void slack_write_content(const struct message *m, struct buf *b);
/* Appends "attachments" of the message's URLs: an image is shown, another file is a link. */
void slack_write_files(const struct message *m, struct buf *b);

#endif
