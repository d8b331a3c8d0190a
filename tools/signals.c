#include "tools/signals.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/map.h"

static volatile sig_atomic_t caught;

static void note(int number) {
    caught = number;
}

static void say(const char *text) {
    const ssize_t written = write(STDERR_FILENO, text, strlen(text));
    (void)written; /* nobody is left to tell */
}

static void lost(const char *path) {
    say("error: ");
    say(path);
    say(" was truncated while in use\n");
    _exit(E_FILE);
}

void signals_start(void) {
    map_on_truncated(lost);
}

void signals_catch(void) {
    struct sigaction once = {.sa_handler = note, .sa_flags = (int)SA_RESETHAND}, always = {.sa_handler = note};
    sigaction(SIGINT, &once, NULL);
    sigaction(SIGTERM, &once, NULL);
    sigaction(SIGPIPE, &always, NULL);
}

int signals_caught(void) {
    return caught;
}
