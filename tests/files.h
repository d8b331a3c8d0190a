/* files.h: files that tests make. A folder of its own for each test (init and fini of a suite), removed with all that is in it. */
#ifndef QBIN_TESTS_FILES_H
#define QBIN_TESTS_FILES_H

#include <stddef.h>
#include <stdint.h>

void folder_open(void);
void folder_close(void);

/* The path of a file in the folder; good until eight more were asked for. */
const char *folder_path(const char *name);

/* The path of a file of the repository's sibling folder with third-party data, or NULL if it is not there. */
const char *shared_path(const char *name);

void file_write(const char *path, const void *data, size_t bytes);
void file_write_text(const char *path, const char *text);
uint8_t *file_read(const char *path, size_t *bytes); /* the caller frees */

/* A .safetensors with the header text and `data_bytes` bytes of data: 0, 1, 2 ... */
void file_write_safetensors(const char *path, const char *header, size_t data_bytes);

#endif
