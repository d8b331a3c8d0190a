#include "tools/chat_messages.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "file/temporary.h"
#include "text/unicode.h"

enum { FILE_MAX = 64 << 20, MESSAGES_MAX = 100000, ROLE_MAX = 64 };

/* ---- a list ---- */

/* JSON text has neither bad UTF-8 nor, here, NUL. */
static status clean(buffer *out, const char *text, size_t n, error *e) {
    while (n) {
        const size_t part = strnlen(text, n);
        TRY(utf8_repair(out, (slice){(const uint8_t *)text, part}, e));
        if (part == n) break;
        TRY(buffer_add(out, "\xef\xbf\xbd", 3, e));
        text += part + 1;
        n -= part + 1;
    }
    return buffer_add(out, "", 1, e);
}

static status new_message(json_t **out, const char *role, const char *text, size_t n, error *e) {
    buffer b = {0};
    const status s = clean(&b, text, n, e);
    *out = s == OK ? json_pack("{s:s, s:s}", "role", role, "content", (char *)b.p) : NULL;
    buffer_free(&b);
    return *out ? OK : fail(e, E_MEMORY, "no memory for a message");
}

status messages_add(json_t *messages, const char *role, const char *text, size_t n, error *e) {
    json_t *message;
    TRY(new_message(&message, role, text, n, e));
    return json_array_append_new(messages, message) ? fail(e, E_MEMORY, "no memory for a message") : OK;
}

static bool has_role(const json_t *message, const char *role) {
    const char *own = json_string_value(json_object_get(message, "role"));
    return own && !strcmp(own, role);
}

bool messages_end_with(const json_t *messages, const char *role) {
    const size_t n = json_array_size(messages);
    return n && has_role(json_array_get(messages, n - 1), role);
}

void messages_remove_last(json_t *messages) {
    const size_t n = json_array_size(messages);
    if (n) json_array_remove(messages, n - 1);
}

const char *messages_system(const json_t *messages) {
    const json_t *first = json_array_get(messages, 0);
    return has_role(first, "system") ? json_string_value(json_object_get(first, "content")) : NULL;
}

status messages_set_system(json_t *messages, const char *text, error *e) {
    json_t *message = NULL;
    if (text) TRY(new_message(&message, "system", text, strlen(text), e));
    if (messages_system(messages)) json_array_remove(messages, 0);
    if (message && json_array_insert_new(messages, 0, message)) return fail(e, E_MEMORY, "no memory for a message");
    return OK;
}

void messages_clear(json_t *messages) {
    const size_t kept = messages_system(messages) != NULL;
    while (json_array_size(messages) > kept) messages_remove_last(messages);
}

/* ---- reading ---- */

static status check_message(const json_t *message, size_t i, error *e) {
    const char *text, *role;
    char name[32];
    snprintf(name, sizeof name, "message %zu", i + 1);
    TRY(json_to_object(message, name, e));
    status s = json_to_text(json_object_get(message, "role"), "role", &role, e);
    if (s == OK) s = json_to_text(json_object_get(message, "content"), "content", &text, e);
    if (s == OK && (!*role || strlen(role) > ROLE_MAX)) s = fail(e, E_FILE, "'role' is empty or longer than %d bytes", ROLE_MAX);
    return s == OK ? OK : fail_in(e, name);
}

static status check_messages(const json_t *file, json_t **messages, error *e) {
    json_t *list = json_is_object(file) ? json_object_get(file, "messages") : (json_t *)(uintptr_t)file, *message;
    size_t n, i;
    TRY(json_to_array(list, "messages", MESSAGES_MAX, &n, e));
    json_array_foreach(list, i, message) TRY(check_message(message, i, e));
    *messages = json_incref(list);
    return OK;
}

status messages_load(json_t **messages, const char *path, error *e) {
    json_t *file;
    *messages = NULL;
    TRY(json_parse_file(&file, path, FILE_MAX, e));
    const status s = check_messages(file, messages, e);
    json_decref(file);
    return s == OK ? OK : fail_in(e, path);
}

/* ---- writing ---- */

/* What is not ours is not overwritten. */
static status check_target(const char *path, error *e) {
    struct stat info;
    if (stat(path, &info) != 0) return errno == ENOENT ? OK : fail(e, E_RUN, "%s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode)) return fail(e, E_RUN, "%s: is no regular file", path);
    if (info.st_size == 0) return OK;
    json_t *old;
    if (messages_load(&old, path, NULL) != OK) return fail(e, E_RUN, "%s: is there already and holds no messages; it stays as it is", path);
    json_decref(old);
    return OK;
}

static status sync_folder(const char *path, error *e) {
    char *copy = strdup(path);
    const int folder = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    const bool failed = folder < 0 || fsync(folder);
    const int reason = errno;
    free(copy);
    if (folder >= 0) close(folder);
    return failed ? fail(e, E_RUN, "the folder of %s: %s", path, strerror(reason)) : OK;
}

static status fail_write(error *e, const char *path) {
    return fail(e, errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? E_MEMORY : E_RUN, "%s: %s", path, strerror(errno));
}

static status write_text(const char *text, const char *temp, const char *path, error *e) {
    const int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600); /* what people say to a model is their own */
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!out) return fail_write(e, path);
    status s = fputs(text, out) < 0 || fputc('\n', out) < 0 || fflush(out) || fsync(fd) ? fail_write(e, path) : OK;
    if (fclose(out) && s == OK) s = fail_write(e, path);
    if (s == OK && rename(temp, path)) s = fail_write(e, path);
    if (s != OK) unlink(temp);
    return s == OK ? sync_folder(path, e) : s;
}

status messages_save(const json_t *messages, const char *path, error *e) {
    TRY(check_target(path, e));
    temporary_remove_litter(path);
    char *temp = temporary_name(path, NULL);
    json_t *file = json_pack("{s:O}", "messages", messages);
    char *text = file ? json_dumps(file, JSON_INDENT(2)) : NULL;
    const status s = temp && text ? write_text(text, temp, path, e) : fail(e, E_MEMORY, "no memory for %s", path);
    json_decref(file);
    free(text);
    free(temp);
    return s;
}
