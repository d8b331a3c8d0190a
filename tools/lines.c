#include "tools/lines.h"

#include <errno.h>
#include <histedit.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text/buffer.h"
#include "tools/history.h"
#include "tools/signals.h"

enum { LINE_BYTES_MAX = 64 << 20, HISTORY_SIZE = 1000 };

/* Where lines come from. */
typedef struct line_source {
    status (*open)(lines *l, error *e);
    status (*read)(lines *l, const char *prompt, error *e); /* into l->line; l->end at the end */
    void (*close)(lines *l);
} line_source;

struct lines {
    const line_source *source;
    lines_options options;
    buffer line;
    bool end;
    /* of a terminal: */
    EditLine *editor;
    History *history;
    FILE *out; /* where prompts go */
    const char *prompt;
};

/* ---- what is not a terminal ---- */

static status pipe_open(lines *l, error *e) {
    (void)l, (void)e;
    return OK;
}

static status pipe_read(lines *l, const char *prompt, error *e) {
    int c;
    (void)prompt;
    errno = 0;
    while ((c = getc_unlocked(stdin)) != EOF && c != '\n') {
        const char byte = (char)c;
        if (l->line.n == LINE_BYTES_MAX) return fail(e, E_RUN, "standard input: a line is longer than %d MiB", LINE_BYTES_MAX >> 20);
        TRY(buffer_add(&l->line, &byte, 1, e));
    }
    if (c == EOF && ferror(stdin)) return fail(e, errno == EINTR ? E_INTERRUPT : E_FILE, "standard input: %s", strerror(errno));
    l->end = c == EOF && !l->line.n;
    return OK;
}

static void pipe_close(lines *l) {
    (void)l;
}

/* ---- a terminal ---- */

static char *prompt_of(EditLine *editor) {
    lines *l = NULL;
    el_get(editor, EL_CLIENTDATA, &l);
    return (char *)(uintptr_t)l->prompt; /* libedit does not change it */
}

/* Words that begin with typed[n]: how many, the first, and how much of it all of them have in common. */
static size_t find_words(const lines *l, const char *typed, size_t n, const char **first, size_t *common) {
    size_t found = 0;
    const char *word;
    for (size_t i = 0; (word = l->options.word(i)); i++) {
        if (strncmp(word, typed, n) != 0) continue;
        if (!found++) {
            *first = word;
            *common = strlen(word);
        }
        size_t same = 0;
        while (same < *common && word[same] == (*first)[same]) same++;
        *common = same;
    }
    return found;
}

static void list_words(const lines *l, const char *typed, size_t n) {
    const char *word;
    fputc('\n', l->out);
    for (size_t i = 0; (word = l->options.word(i)); i++) {
        if (!strncmp(word, typed, n)) fprintf(l->out, "%s  ", word);
    }
    fputc('\n', l->out);
}

static bool wants_file(const lines *l, const char *typed, size_t n) {
    const char *word;
    for (size_t i = 0; (word = l->options.word(i)); i++) {
        const size_t length = strlen(word);
        if (length < n && !strncmp(word, typed, length) && typed[length] == ' ') return l->options.names_file(i);
    }
    return false;
}

static unsigned char complete(EditLine *editor, int key) {
    lines *l = NULL;
    el_get(editor, EL_CLIENTDATA, &l);
    const LineInfo *line = el_line(editor);
    const size_t n = (size_t)(line->cursor - line->buffer);
    if (wants_file(l, line->buffer, n)) return _el_fn_complete(editor, key);
    const char *first = "";
    char rest[64];
    size_t common = 0;
    const size_t found = n ? find_words(l, line->buffer, n, &first, &common) : 0;
    if (!found) return CC_ERROR;
    snprintf(rest, sizeof rest, "%.*s%s", (int)(common - n), first + n, found == 1 ? " " : "");
    if (*rest) return el_insertstr(editor, rest) ? CC_ERROR : CC_REFRESH;
    list_words(l, line->buffer, n);
    return CC_REDISPLAY;
}

static void remember(void *owner, const char *text) {
    HistEvent event;
    history(owner, &event, H_ENTER, text);
}

static void open_history(lines *l) {
    HistEvent event;
    l->history = history_init();
    if (!l->history) return;
    history(l->history, &event, H_SETSIZE, HISTORY_SIZE);
    history(l->history, &event, H_SETUNIQUE, 1);
    if (l->options.history) history_read(l->options.history, remember, l->history);
    el_set(l->editor, EL_HIST, history, l->history);
}

/* libedit would catch signals itself, but it sends them on to the whole process group. So a read ends with EINTR when the program goes on after a stop, and the
 * terminal is set up anew; a new size counts from the next line on. */
static volatile sig_atomic_t resized;

static void note_signal(int number) {
    if (number == SIGWINCH) resized = 1;
}

static status terminal_open(lines *l, error *e) {
    l->out = isatty(STDERR_FILENO) ? stderr : fopen("/dev/tty", "we");
    l->editor = l->out ? el_init("qbin", stdin, l->out, l->out) : NULL;
    if (!l->editor) return fail(e, E_RUN, "the terminal cannot be used: %s", strerror(errno));
    el_set(l->editor, EL_CLIENTDATA, l);
    el_set(l->editor, EL_PROMPT, prompt_of);
    el_set(l->editor, EL_EDITOR, "emacs");
    el_wset(l->editor, EL_ADDFN, L"complete-command", L"complete a command", complete); /* el_set would copy the names and lose them */
    el_set(l->editor, EL_BIND, "^I", "complete-command", NULL);
    el_set(l->editor, EL_BIND, "^R", "em-inc-search-prev", NULL);
    sigaction(SIGCONT, &(struct sigaction){.sa_handler = note_signal}, NULL);
    sigaction(SIGWINCH, &(struct sigaction){.sa_handler = note_signal, .sa_flags = (int)SA_RESTART}, NULL);
    open_history(l);
    el_source(l->editor, NULL); /* ~/.editrc has the last word */
    return OK;
}

static void keep(lines *l) {
    const char *text = (const char *)l->line.p;
    if (!l->line.n || !l->history) return;
    remember(l->history, text);
    if (!l->options.history || history_add(l->options.history, text)) return;
    fprintf(stderr, "warning: %s: what you type cannot be kept there (--no-history)\n", l->options.history);
    l->options.history = NULL;
}

static status terminal_read(lines *l, const char *prompt, error *e) {
    int n = 0;
    l->prompt = prompt;
    if (resized) el_resize(l->editor);
    resized = 0;
    errno = 0;
    const char *text = el_gets(l->editor, &n);
    if (!text && (errno == EINTR || signals_caught())) {
        fputc('\n', l->out);
        return signals_caught() ? fail(e, E_INTERRUPT, "interrupted") : OK;
    }
    l->end = !text || n <= 0;
    if (l->end) {
        fputc('\n', l->out);
        return OK;
    }
    const size_t bytes = (size_t)n - (text[n - 1] == '\n');
    TRY(buffer_add(&l->line, text, bytes, e));
    TRY(buffer_add(&l->line, "", 1, e));
    l->line.n = bytes;
    keep(l);
    return OK;
}

static void terminal_close(lines *l) {
    if (l->editor) el_end(l->editor);
    if (l->history) history_end(l->history);
    if (l->out && l->out != stderr) fclose(l->out);
}

/* ---- either ---- */

static const line_source from_pipe = {pipe_open, pipe_read, pipe_close}, from_terminal = {terminal_open, terminal_read, terminal_close};

status lines_open(lines **out, const lines_options *o, error *e) {
    lines *l = *out = calloc(1, sizeof *l);
    if (!l) return fail(e, E_MEMORY, "no memory");
    l->source = isatty(STDIN_FILENO) ? &from_terminal : &from_pipe;
    l->options = *o;
    const status s = l->source->open(l, e);
    if (s != OK) lines_close(out);
    return s;
}

void lines_close(lines **l) {
    if (!*l) return;
    (*l)->source->close(*l);
    buffer_free(&(*l)->line);
    free(*l);
    *l = NULL;
}

bool lines_are_typed(const lines *l) {
    return l->source == &from_terminal;
}

status lines_read(lines *l, const char *prompt, const char **text, size_t *n, error *e) {
    l->line.n = 0;
    *text = NULL;
    *n = 0;
    TRY(signals_check(e));
    TRY(l->source->read(l, prompt, e));
    if (l->end) return OK;
    TRY(buffer_add(&l->line, "", 1, e));
    *text = (const char *)l->line.p;
    *n = l->line.n - 1;
    return OK;
}
