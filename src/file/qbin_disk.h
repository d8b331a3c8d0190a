/* qbin_disk.h: the structures of a .qbin as they lie in the file (specified in qbin.h). Shared by the reader and the writer, and by nobody else. */
#ifndef QBIN_FILE_QBIN_DISK_H
#define QBIN_FILE_QBIN_DISK_H

#include <stdint.h>

#include "file/tensor.h"

#define QBIN_MAGIC   "QBIN\r\n\x1a\n"
#define DISK_META    "meta"
#define DISK_TOKENS  "tokens"
#define DISK_TENSORS "tensors"

enum {
    DISK_VERSION = 1,
    DISK_SECTIONS_MAX = 64,
    DISK_SECTION_ALIGN = 64,
    DISK_DATA_ALIGN = 4096,
    DISK_TENSOR_ALIGN = 64,
    DISK_BIG_TENSOR = 64 << 10, /* from here on aligned to DISK_DATA_ALIGN */
    DISK_REQUIRED = 1,
};

typedef struct disk_header {
    char magic[8];
    uint32_t version, n_sections;
    uint64_t file_bytes, table_offset, meta_end, data_offset;
    uint64_t meta_hash;
    uint64_t header_hash;
} disk_header;

typedef struct disk_section {
    char name[8];
    uint64_t offset, bytes, flags;
} disk_section;

typedef struct disk_tensor {
    char name[TENSOR_NAME];
    uint8_t format[FORMAT_PACKED];
    uint32_t ndim, zero;
    uint64_t rows, k, offset, bytes, hash;
    float error, act_scale, act_center;
    uint8_t zeros[68];
} disk_tensor;

_Static_assert(sizeof(disk_header) == 64 && sizeof(disk_section) == 32 && sizeof(disk_tensor) == 256, "the structures have no padding");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "a .qbin is used in place, so the machine must be little-endian");

#endif
