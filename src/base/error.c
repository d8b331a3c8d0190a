#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Names from files are quoted in messages: nothing in them may start a new line or speak to the terminal. */
static void keep_one_line(char *text) {
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f) *text = '?';
    }
}

status fail(error *e, status code, const char *format, ...) {
    if (e) {
        va_list args;
        va_start(args, format);
        vsnprintf(e->text, sizeof e->text, format, args);
        va_end(args);
        keep_one_line(e->text);
        e->code = code;
    }
    return code;
}

status fail_in(error *e, const char *what) {
    if (!e) return E_RUN;
    char text[sizeof e->text];
    memcpy(text, e->text, sizeof text);
    const int room = (int)(sizeof e->text / 2);
    snprintf(e->text, sizeof e->text, "%.*s: %.*s", room - 2, what, room - 1, text);
    keep_one_line(e->text);
    return e->code;
}
