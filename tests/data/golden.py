#!/usr/bin/env python3
"""Writes golden-FORMAT.bin: what `rtn` makes of one small matrix, computed from the text of format.h without the program.

Three rows of 80 values, so that rows and tiles are padded. Values are multiples of 1/64; for the codebook every value of a block is
one of 16 multiples of the largest, so that the levels are those and nothing has to be learned. All steps are rounded to float32
as the program rounds them.
"""
import os, struct

ROWS, K, TILES = 3, 80, 2
f32 = lambda x: struct.unpack('<f', struct.pack('<f', x))[0]
f16 = lambda x: struct.unpack('<e', struct.pack('<e', x))[0]
bf16 = lambda x: struct.pack('<I', (struct.unpack('<I', struct.pack('<f', x))[0] + 0x7fff + (struct.unpack('<I', struct.pack('<f', x))[0] >> 16 & 1)) & 0xffffffff)[2:]
LEVELS = [-120, -98, -80, -63, -50, -37, -24, -11, 0, 12, 25, 39, 54, 75, 99, 127]

def linear_value(r, k):
    return ((r * 7 + k * 13) % 31 - 15) / 64 * (1 + r)

def book_value(r, k):
    return LEVELS[(k * 5 + r) % 16] * (1 + r + k // 64) / 1024

def pad(b, to=64):
    return b + bytes(-len(b) % to)

def plain(pack):
    return b''.join(pack(linear_value(r, k)) if r < ROWS and k < K else pack(0.0) for k in range(TILES * 64) for r in range(16))

def planes(codes, bits):
    """codes[16][128] -> tiles of one plane of `bits`."""
    out = bytearray()
    for t in range(TILES):
        for c in range(2 * bits):
            for r in range(16):
                for i in range(4):
                    out.append(sum(codes[r][t * 64 + (c * (8 // bits) + j) * 4 + i] << j * bits for j in range(8 // bits)))
    return bytes(out)

def side(grids, block):
    """grids[16][blocks] of (scale, ...): for each tile all scales, block by block, then all minimums."""
    per, out = 64 // block, b''
    for t in range(TILES):
        for part in range(len(grids[0][0])):
            out += b''.join(struct.pack('<e', grids[r][t * per + s][part]) for s in range(per) for r in range(16))
    return out

def coded(bits, block, has_min, book=None):
    value = book_value if book else linear_value
    zero = book.index(0) if book else 0 if has_min else 1 << bits - 1
    lo = 0 if has_min else -127 if bits == 8 else -zero
    hi = (1 << bits) - 1 - (0 if has_min else zero)
    codes = [[zero] * 128 for _ in range(16)]
    grids = [[(0.0, 0.0) if has_min else (0.0,) for _ in range(128 // block)] for _ in range(16)]
    for r in range(ROWS):
        for b in range((K + block - 1) // block):
            x = [value(r, k) for k in range(b * block, min(K, (b + 1) * block))]
            low, high = min(x), max(x)
            extreme = low if -low > high else high
            minimum = f16(low) if has_min else 0.0
            if book: scale = f16(f32(extreme / 127))
            elif has_min: scale = f16(f32(f32(high / hi) - f32(low / hi)))
            elif lo == -hi: scale = f16(f32(abs(extreme) / hi))
            else: scale = f16(f32(extreme / lo))
            by = f32(1 / scale)
            grids[r][b] = (scale, minimum) if has_min else (scale,)
            for i, v in enumerate(x):
                u = f32(f32(v - minimum) * by)
                if book: code = min(range(16), key=lambda c: abs(u - book[c]))
                else: code = min(max(round(u), lo), hi) + (0 if has_min else zero)
                codes[r][b * block + i] = code
    head = pad(struct.pack('<16b', *book)) if book else b''
    return head + planes(codes, bits) + pad(side(grids, block))

golden = {
    'f32': plain(lambda x: struct.pack('<f', x)),
    'f16': plain(lambda x: struct.pack('<e', x)),
    'bf16': plain(bf16),
}
for name, bits, has_min, book in (('q8', 8, 0, None), ('q4', 4, 0, None), ('q4a', 4, 1, None), ('km4', 4, 0, LEVELS)):
    golden[name] = coded(bits, 64, has_min, book)
    golden[name + '-b32'] = coded(bits, 32, has_min, book)
for name, data in golden.items():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'golden-' + name + '.bin'), 'wb') as f:
        f.write(data)
