#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file/qbin.h"
#include "files.h"
#include "small_qbin.h"

TestSuite(qbin_write, .init = folder_open, .fini = folder_close);

static bool exists(const char *path) {
    struct stat info;
    return lstat(path, &info) == 0;
}

static const char *temporary(const char *target, long pid) {
    static char path[600];
    snprintf(path, sizeof path, "%s.tmp-%ld", target, pid);
    return path;
}

Test(qbin_write, targets_that_cannot_be_written_are_refused) {
    const struct {
        const char *path, *says;
    } rows[] = {
        {folder_path("folder"), "is a directory"},
        {folder_path("link"), "is a symbolic link"},
        {folder_path("nowhere/model.qbin"), "No such file or directory"},
        {folder_path("file/model.qbin"), "Not a directory"},
        {"/dev/null", "is not a regular file"},
        {"/proc/model.qbin", "cannot be created"},
        {"", "cannot be"},
    };
    mkdir(rows[0].path, 0755);
    cr_assert_eq(symlink("model.qbin", rows[1].path), 0);
    file_write_text(folder_path("file"), "");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        error e = {0};
        cr_assert_eq(small_write(rows[i].path, 64, &e), E_RUN, "%s", rows[i].path);
        cr_assert(strstr(e.text, rows[i].says), "'%s' does not say '%s'", e.text, rows[i].says);
    }
}

Test(qbin_write, litter_of_dead_processes_is_removed_and_that_of_live_ones_is_not) {
    const char *target = folder_path("model.qbin");
    const pid_t child = fork();
    if (!child) {
        qbin_entry entries[SMALL_TENSORS];
        qbin_writer *w;
        small_entries(entries);
        _exit((int)qbin_create(&w, target, entries, SMALL_TENSORS, 2, 0, NULL));
    }
    int state;
    waitpid(child, &state, 0);
    cr_assert_eq(state, 0);
    cr_assert(exists(temporary(target, child)));
    file_write_text(temporary(target, 1), "of a live process");
    file_write_text(temporary(target, getpid()), "of an earlier process with our number");
    file_write_text(folder_path("model.qbin.tmp-x"), "of somebody else");
    small_made();
    cr_assert_not(exists(temporary(target, child)));
    cr_assert_not(exists(temporary(target, getpid())));
    cr_assert(exists(temporary(target, 1)));
    cr_assert(exists(folder_path("model.qbin.tmp-x")));
}

Test(qbin_write, a_temporary_file_that_is_locked_is_not_litter) {
    const char *target = folder_path("model.qbin");
    const pid_t child = fork();
    if (!child) _exit(0);
    waitpid(child, NULL, 0);
    file_write_text(temporary(target, child), "of a process that we cannot see");
    const int fd = open(temporary(target, child), O_RDONLY);
    cr_assert_eq(flock(fd, LOCK_EX), 0);
    small_made();
    cr_assert(exists(temporary(target, child)));
    close(fd);
}

Test(qbin_write, nothing_is_left_of_an_abandoned_file) {
    const char *target = folder_path("model.qbin");
    qbin_entry entries[SMALL_TENSORS];
    qbin_writer *w;
    error e;
    file_write_text(target, "the old file");
    small_entries(entries);
    cr_assert_eq(qbin_create(&w, target, entries, SMALL_TENSORS, 2, 0, &e), OK, "%s", e.text);
    cr_assert(exists(temporary(target, getpid())));
    qbin_abandon(&w);
    cr_assert_null(w);
    qbin_abandon(&w);
    cr_assert_not(exists(temporary(target, getpid())));
    size_t bytes;
    uint8_t *old = file_read(target, &bytes);
    cr_assert_eq(bytes, strlen("the old file"));
    free(old);
}

Test(qbin_write, no_space_is_found_at_once) {
    signal(SIGXFSZ, SIG_IGN);
    const struct rlimit limit = {.rlim_cur = 4096, .rlim_max = 4096};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    const char *target = folder_path("model.qbin");
    error e = {0};
    cr_assert_eq(small_write(target, 64, &e), E_MEMORY, "%s", e.text);
    cr_assert(strstr(e.text, "no room for the file"), "%s", e.text);
    cr_assert_not(exists(target));
    cr_assert_not(exists(temporary(target, getpid())));
}

Test(qbin_write, plans_that_are_not_possible_are_refused) {
    uint64_t bytes;
    error e;
    qbin_entry twice[2] = {small_entry("a", "f32", 1, 1, 1), small_entry("a", "f32", 1, 1, 1)};
    cr_assert_eq(qbin_plan(twice, 2, 0, 0, &bytes, &e), E_RUN);
    cr_assert(strstr(e.text, "'a' is there twice"), "%s", e.text);
    qbin_entry huge = small_entry("a", "f32", 2, UINT64_MAX / 2, 64);
    cr_assert_eq(qbin_plan(&huge, 1, 0, 0, &bytes, &e), E_RUN);
    qbin_entry nameless = small_entry("", "f32", 1, 1, 1);
    cr_assert_eq(qbin_plan(&nameless, 1, 0, 0, &bytes, &e), E_RUN);
    qbin_entry full = small_entry("a", "f32", 1, 1, 1);
    memset(full.name, 'x', sizeof full.name);
    cr_assert_eq(qbin_plan(&full, 1, 0, 0, &bytes, &e), E_RUN);
    cr_assert_eq(qbin_plan(&full, 1, SIZE_MAX, 0, &bytes, &e), E_RUN);
    qbin_entry fine = small_entry("a", "f32", 1, 1, 1);
    qbin_writer *w;
    cr_assert_eq(qbin_create(&w, folder_path("a.qbin"), &fine, 1, 2, 0, &e), OK, "%s", e.text);
    cr_assert_eq(qbin_write(w, 0, 1, "1234", 4, &e), E_RUN);
    qbin_abandon(&w);
}
