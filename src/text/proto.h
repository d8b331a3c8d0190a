/* proto.h: reading protocol buffers (proto2 wire format). Owns what a message may look like: every length is checked, groups are refused, unknown fields
 * are passed over. What a field means is in the caller's rows. */
#ifndef QBIN_TEXT_PROTO_H
#define QBIN_TEXT_PROTO_H

#include <stdint.h>

#include "text/buffer.h"

typedef enum proto_wire { PROTO_VARINT = 0, PROTO_FIXED64 = 1, PROTO_BYTES = 2, PROTO_FIXED32 = 5 } proto_wire;

typedef struct proto_field {
    uint32_t number;
    proto_wire wire;
    uint64_t value; /* of a number */
    slice bytes;    /* of text or a message; borrowed */
} proto_field;

typedef struct proto_reader {
    slice all, rest; /* rest: what is not read yet */
    size_t base;     /* where `all` stands in the file, for messages */
} proto_reader;

/* The next field; there is one while rest.n > 0. E_FILE says where the message is broken. */
status proto_next(proto_reader *r, proto_field *f, error *e);

/* A field of a message that is wanted: an int64_t, a float or a slice at `offset` of a struct. Of a field that is there twice the last counts. */
typedef struct proto_row {
    uint32_t number;
    proto_wire wire; /* PROTO_VARINT: int64_t; PROTO_FIXED32: float; PROTO_BYTES: slice */
    size_t offset;
} proto_row;

/* Reads a message to *out by rows, which end with number 0. E_FILE: broken, or a wanted field of another type. */
status proto_read(slice message, size_t base, const proto_row *rows, void *out, error *e);

#endif
