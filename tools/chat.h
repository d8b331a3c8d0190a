/* chat.h: a conversation with a model, as the files of `chat` share it: what was said, what of it is in the session, and how it goes on. The command, its
 * options and the loop are in chat.c, an answer is made in chat_answer.c, the commands that begin with a slash are a table in chat_commands.c. */
#ifndef QBIN_TOOLS_CHAT_H
#define QBIN_TOOLS_CHAT_H

#include "tools/chat_messages.h"
#include "tools/chat_template.h"
#include "tools/constrain.h"
#include "tools/generator.h"
#include "tools/lines.h"
#include "tools/sampling.h"
#include "tools/session_flags.h"
#include "tools/stops.h"
#include "tools/thinking.h"

typedef struct chat_settings {
    const char *model, *prompt, *file, *system, *system_file, *template, *template_args, *show_thinking;
    text_list stops;
    int64_t predict;
    bool escape, single_turn, lookup, no_history, json_timings, quiet;
    session_flags session;
    sampling_flags sampling;
    constrain_flags constrain;
} chat_settings;

typedef struct chat {
    args args; /* a copy: /set changes what is given */
    chat_settings *set;
    generator on;
    constrained *constrained; /* NULL: an answer may be anything */
    chat_template template;
    json_t *messages;
    id_list ids; /* of the tokens in the session */
    int32_t end; /* the token that the template puts behind an answer, or -1 */
    stops stops;
    bool typed;    /* a person sits at a terminal: an error or Ctrl-C ends an answer, not the chat */
    bool shown;    /* answers go to a terminal: without control characters, */
    bool dim;      /* thoughts dimmed */
    bool thoughts; /* thoughts are shown */
    bool leave;    /* /exit */
} chat;

/* Answers the messages, and appends the answer to them. Only tokens that the session does not have at the same place are computed. E_RUN if the conversation
 * does not fit in the context or the template refuses it, E_INTERRUPT: what there was of the answer has been appended, if there was any. */
status chat_answer(chat *c, error *e);

/* Appends a message and answers it; without an answer the message is taken back. On a terminal Ctrl-C is no error. */
status chat_say(chat *c, const char *text, size_t n, error *e);

/* The same with the last message, whose answer, if there is one, is replaced, or stays if there is no other. */
status chat_say_again(chat *c, error *e);

/* ---- commands ---- */

/* Does what line[n], which begins with a slash, says. E_USAGE: there is no such command, or it wants something else. */
status chat_command(chat *c, const char *line, error *e);

/* For completion: the i-th command, or NULL; does it take a file? */
const char *chat_command_name(size_t i);
bool chat_command_takes_file(size_t i);

/* /set (chat_set.c). */
status chat_set(chat *c, const char *text, error *e);

#endif
