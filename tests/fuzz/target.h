/* target.h: what fuzz targets share. A target is fuzz_<name>.c with the one function that libFuzzer calls; `make fuzz` runs it with the fuzzer, `make test`
 * replays corpus/<name> through it. It owns nothing between two inputs, and it must not crash, leak or hang for any. */
#ifndef QBIN_TESTS_FUZZ_TARGET_H
#define QBIN_TESTS_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The path of a file with these bytes, good until the next call. */
const char *target_file(const void *data, size_t size);

/* The same for a .qbin, whose checksums and size are made right: otherwise nearly every mutation would end at a checksum. */
const char *target_qbin(const uint8_t *data, size_t size);

/* Ends the program, which the fuzzer takes for a crash: a promise of the library is broken. */
void target_promise(int kept, const char *promise);

#endif
