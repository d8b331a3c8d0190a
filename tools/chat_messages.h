/* chat_messages.h: the messages of a conversation: a JSON array of {"role", "content"} as every program of this trade has it, the system prompt first if there
 * is one. Owns what a message may be, and its file: JSON that is written whole or not at all, and read as something that a stranger wrote. */
#ifndef QBIN_TOOLS_CHAT_MESSAGES_H
#define QBIN_TOOLS_CHAT_MESSAGES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Appends a message; what is not UTF-8 in text[n] becomes U+FFFD, and NUL too. E_MEMORY. */
status messages_add(json_t *messages, const char *role, const char *text, size_t n, error *e);

/* Has the last one this role? False if there is none. */
bool messages_end_with(const json_t *messages, const char *role);
void messages_remove_last(json_t *messages);

/* The system prompt, or NULL; borrowed. */
const char *messages_system(const json_t *messages);
/* Sets it, or with NULL removes it; the rest stays. */
status messages_set_system(json_t *messages, const char *text, error *e);

/* Removes all but the system prompt. */
void messages_clear(json_t *messages);

/* {"messages": [...]}, to a file that is not there yet, is empty or holds messages: E_RUN for any other. Written beside it, synced, renamed. */
status messages_save(const json_t *messages, const char *path, error *e);

/* Such an object, or the array alone (new reference). E_FILE says what is wrong with which message. */
status messages_load(json_t **messages, const char *path, error *e);

#endif
