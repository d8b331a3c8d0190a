/* error.h: how a function says that it failed.
 *
 * A function that reads a file, allocates or takes a user's word returns a status (0 is success) and fills an `error` with one line
 * that names the file, the tensor and the offset. Library code never prints and never exits; a tool prints the line once and
 * returns the status as its exit code. Programmer errors are asserts. Kernels cannot fail. */
#ifndef QBIN_BASE_ERROR_H
#define QBIN_BASE_ERROR_H

typedef enum status {
    OK = 0,
    E_RUN = 1,         /* something failed while running */
    E_USAGE = 2,       /* the command line is wrong */
    E_FILE = 3,        /* a file is missing, unreadable or malformed */
    E_MEMORY = 4,      /* no memory or no space */
    E_INTERRUPT = 130, /* stopped by SIGINT */
} status;

typedef struct error {
    status code;
    char text[1024]; /* one line without a newline; cut, never overrun */
} error;

/* Fills *e (which may be NULL) and returns `code`, so that `return fail(...)` is one line. */
status fail(error *e, status code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "what: " before the text that a callee left in *e and returns its code: adds the file or tensor name on the way up. */
status fail_in(error *e, const char *what);

#define TRY(call)                    \
    do {                             \
        const status try_ = (call);  \
        if (try_ != OK) return try_; \
    } while (0)

#endif
