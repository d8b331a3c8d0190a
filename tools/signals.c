#include "tools/signals.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/map.h"

static volatile sig_atomic_t caught;

/* What ends the process is not forgotten for a Ctrl-C that follows. */
static void note(int number) {
    if (!caught || caught == SIGINT) caught = number;
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
    signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes is an error like a full disk */
}

/* A signal that the parent has set to be ignored stays ignored: a job in the background of a script must outlive the Ctrl-C that is not meant for it. */
static void catch_signal(int number, int flags) {
    struct sigaction old, action = {.sa_handler = note, .sa_flags = flags};
    if (sigaction(number, NULL, &old) == 0 && old.sa_handler != SIG_IGN) sigaction(number, &action, NULL);
}

void signals_catch(void) {
    catch_signal(SIGINT, (int)SA_RESETHAND);
    catch_signal(SIGTERM, (int)SA_RESETHAND);
    catch_signal(SIGPIPE, 0);
}

void signals_catch_often(void) {
    signals_catch();
    catch_signal(SIGINT, 0);
}

bool signals_forget_interrupt(void) {
    const bool interrupted = caught == SIGINT;
    if (interrupted) caught = 0;
    return interrupted;
}

int signals_caught(void) {
    return caught;
}

status signals_check(error *e) {
    return caught ? fail(e, E_INTERRUPT, "interrupted") : OK;
}

bool signals_stopped(void) {
    return caught != 0;
}
