#!/usr/bin/env python3
"""Makes the files of this folder that must be refused, and expected.txt, which says how.

    python3 tests/hostile/make.py

The output is committed, so nothing needs Python to test. Each line of expected.txt is FILE, a tab, and a part of the message.
tests/test_hostile.sh makes a model folder of each file and gives it to the real programs:

    NAME.safetensors    beside the good config.json
    NAME.config.json    beside the good model.safetensors
    NAME.index.json     beside the two good shards
    NAME.gguf           as it is
    NAME.qbin           as it is
    NAME.gbnf           as the grammar of what the good model writes
    NAME.schema.json    as its JSON Schema
    NAME.tokenizer.model  as it is, to tokenize

The good model is a Llama with one layer. Checksums of a .qbin are made right with libxxhash, unless they are what is wrong.
"""
import ctypes
import ctypes.util
import json
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIG = {"model_type": "llama", "hidden_size": 8, "intermediate_size": 6, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
          "vocab_size": 5, "max_position_embeddings": 32, "hidden_act": "silu", "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "bos_token_id": 1,
          "eos_token_id": 2, "tie_word_embeddings": True}
LAYER = "model.layers.0."
SHAPES = {"model.embed_tokens.weight": (5, 8), LAYER + "input_layernorm.weight": (8,), LAYER + "self_attn.q_proj.weight": (8, 8),
          LAYER + "self_attn.k_proj.weight": (4, 8), LAYER + "self_attn.v_proj.weight": (4, 8), LAYER + "self_attn.o_proj.weight": (8, 8),
          LAYER + "post_attention_layernorm.weight": (8,), LAYER + "mlp.gate_proj.weight": (6, 8), LAYER + "mlp.up_proj.weight": (6, 8),
          LAYER + "mlp.down_proj.weight": (8, 6), "model.norm.weight": (8,)}
Q = LAYER + "self_attn.q_proj.weight"
expected = []


def put(name, data, message=None):
    with open(os.path.join(HERE, name), "wb") as f:
        f.write(data)
    if message:
        expected.append(f"{name}\t{message}\n")


# ---- safetensors ----

def header(names=SHAPES):
    entries, at = {}, 0
    for name in names:
        size = 2
        for n in SHAPES[name]:
            size *= n
        entries[name] = {"dtype": "F16", "shape": list(SHAPES[name]), "data_offsets": [at, at + size]}
        at += size
    return entries, at


def pack(entries, data, length=None):
    text = entries if isinstance(entries, bytes) else json.dumps(entries, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def weights(size, bad=None):
    """f16 values between -1 and 1; `bad`: (byte offset, 16 bits)."""
    values = [0x3000 + (i * 37 % 0x0c00) + (0x8000 if i % 3 == 0 else 0) for i in range(size // 2)]
    if bad:
        values[bad[0] // 2] = bad[1]
    return struct.pack(f"<{len(values)}H", *values)


def edited(message, name, change, more=0):
    entries, size = header()
    change(entries)
    put(name + ".safetensors", pack(entries, weights(size) + bytes(more)), message)


def safetensors():
    entries, size = header()
    data = weights(size)
    good = pack(entries, data)
    put("model.safetensors", good)
    put("empty.safetensors", b"", "0 bytes are too few")
    put("short.safetensors", good[:5], "5 bytes are too few")
    put("no-header.safetensors", good[:8], "does not fit in a file of 8 bytes")
    put("half-header.safetensors", good[:300], "does not fit in a file of 300 bytes")
    put("half-data.safetensors", good[:-100], "leave the")
    put("one-byte-less.safetensors", good[:-1], "leave the")
    put("one-byte-more.safetensors", good + b"\0", "1 bytes at the end belong to no tensor")
    put("long-header.safetensors", pack(entries, data, 1 << 40), "longer than 100000000")
    put("largest-header.safetensors", pack(entries, data, (1 << 64) - 1), "longer than 100000000")
    put("shifted-header.safetensors", pack(entries, data, 10), "JSON")
    put("not-json.safetensors", pack(b"{", b""), "JSON")
    put("not-utf8.safetensors", pack(b"\xff", b""), "JSON")
    put("an-array.safetensors", pack(b"[]", b""), "'header' is an array")
    put("deep.safetensors", pack(b"[" * 5000, b""), "nested deeper than 32")
    put("key-twice.safetensors", pack(b'{"a":{"dtype":"F16","shape":[1],"data_offsets":[0,2]},"a":{"dtype":"F16","shape":[1],"data_offsets":[2,4]}}', b"1234"),
        "duplicate")
    put("all-overlap.safetensors", pack({f"t{i}": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]} for i in range(10)}, bytes(16)), "overlaps")
    put("no-tensors.safetensors", pack({}, b""), "tensor 'model.embed_tokens.weight' is missing")
    put("wrong-size.safetensors", pack({"test": {"dtype": "I32", "shape": [2, 2], "data_offsets": [0, 4]}}, bytes(4)), "4 values of dtype I32 need 16 bytes")
    big = (1 << 63) - 1
    put("product-overflow.safetensors", pack({"test": {"dtype": "I32", "shape": [2, big], "data_offsets": [0, 16]}}, bytes(16)), "overflows")
    put("bytes-overflow.safetensors", pack({"test": {"dtype": "I32", "shape": [1, big], "data_offsets": [0, 16]}}, bytes(16)), "overflows")
    put("huge-number.safetensors", pack(b'{"test":{"dtype":"I32","shape":[' + b"9" * 400 + b'],"data_offsets":[0,16]}}', bytes(16)), "JSON|'shape' is a number")

    def shape(name, value):
        return lambda h: h[name].update(shape=value)

    def offsets(name, value):
        return lambda h: h[name].update(data_offsets=value)

    edited("'shape' is -8", "negative-shape", shape(Q, [-8, -8]))
    edited(f"tensor '{Q}': the number of values|need", "huge-shape", shape(Q, [1 << 40, 1 << 40]))
    edited("0 values of dtype F16 need 0 bytes", "zero-dimension", shape(Q, [0, 8]))
    edited("'shape' has 9 entries", "nine-dimensions", shape(Q, [1] * 9))
    edited("'shape' is text", "text-shape", shape(Q, ["8", "8"]))
    edited(f"tensor '{Q}' has the shape [4, 16], [8, 8] is wanted", "other-shape", shape(Q, [4, 16]))
    edited(f"tensor '{Q}' has the shape [64], [8, 8] is wanted", "flat-shape", shape(Q, [64]))
    edited("leave the", "out-of-range", offsets(Q, [1 << 40, (1 << 40) + 128]))
    edited("end before they begin", "backwards", offsets(Q, [224, 96]))
    edited("'data_offsets[0]' is -2", "negative-offset", offsets(Q, [-2, 126]))
    edited("overlaps", "overlap", offsets(Q, [94, 222]))
    edited("belong to no tensor", "hole", lambda h: h.pop(Q))
    edited("tensor 'model.norm.weight' is missing", "missing-tensor", lambda h: h.update({"other": h.pop("model.norm.weight")}))
    edited("tensor 'extra' is not part of a llama model", "extra-tensor",
           lambda h: h.update(extra={"dtype": "F16", "shape": [1], "data_offsets": [size, size + 2]}), 2)
    edited(f"tensor '{Q}': dtype I16 cannot be read", "integers", lambda h: h[Q].update(dtype="I16"))
    edited(f"tensor '{Q}': dtype NEW16 cannot be read", "unknown-dtype", lambda h: h[Q].update(dtype="NEW16"))
    edited("'dtype' is missing", "no-dtype", lambda h: h[Q].pop("dtype"))
    edited("'data_offsets' is missing", "no-offsets", lambda h: h[Q].pop("data_offsets"))
    edited("keys other than", "strange-key", lambda h: h[Q].update(order="F"))
    edited("is an integer, not text", "metadata", lambda h: h.update(__metadata__={"format": 1}))
    at = entries[Q]["data_offsets"][0]
    put("nan.safetensors", pack(entries, weights(size, (at + 6, 0x7e00))), f"tensor '{Q}'")
    put("infinity.safetensors", pack(entries, weights(size, (at + 8, 0xfc00))), f"tensor '{Q}'")
    put("norm-nan.safetensors", pack(entries, weights(size, (entries["model.norm.weight"]["data_offsets"][0], 0x7e01))), "tensor 'model.norm.weight'")


# ---- GGUF ----

NAMES = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight", LAYER + "input_layernorm.weight": "blk.0.attn_norm.weight",
         LAYER + "self_attn.q_proj.weight": "blk.0.attn_q.weight", LAYER + "self_attn.k_proj.weight": "blk.0.attn_k.weight",
         LAYER + "self_attn.v_proj.weight": "blk.0.attn_v.weight", LAYER + "self_attn.o_proj.weight": "blk.0.attn_output.weight",
         LAYER + "post_attention_layernorm.weight": "blk.0.ffn_norm.weight", LAYER + "mlp.gate_proj.weight": "blk.0.ffn_gate.weight",
         LAYER + "mlp.up_proj.weight": "blk.0.ffn_up.weight", LAYER + "mlp.down_proj.weight": "blk.0.ffn_down.weight"}
U32, F32, BOOL, TEXT, ARRAY = 4, 6, 7, 8, 9
KEYS = {"general.architecture": (TEXT, "llama"), "llama.block_count": (U32, 1), "llama.context_length": (U32, 32), "llama.embedding_length": (U32, 8),
        "llama.feed_forward_length": (U32, 6), "llama.attention.head_count": (U32, 2), "llama.attention.head_count_kv": (U32, 1),
        "llama.attention.layer_norm_rms_epsilon": (F32, 1e-5), "llama.rope.freq_base": (F32, 10000.0), "tokenizer.ggml.model": (TEXT, "gpt2"),
        "tokenizer.ggml.pre": (TEXT, "gpt-2"), "tokenizer.ggml.tokens": (ARRAY, TEXT, ["a", "b", "ab", "c", "<e>"]),
        "tokenizer.ggml.token_type": (ARRAY, 5, [1, 1, 1, 1, 3]), "tokenizer.ggml.merges": (ARRAY, TEXT, ["a b"]), "tokenizer.ggml.eos_token_id": (U32, 4)}


def text(s):
    s = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<Q", len(s)) + s


def scalar(kind, x):
    return {U32: lambda: struct.pack("<I", x), 5: lambda: struct.pack("<i", x), F32: lambda: struct.pack("<f", x), BOOL: lambda: struct.pack("<B", x),
            TEXT: lambda: text(x)}[kind]()


def value(kind, *rest):
    if kind != ARRAY:
        return struct.pack("<I", kind) + scalar(kind, rest[0])
    return struct.pack("<IIQ", ARRAY, rest[0], len(rest[1])) + b"".join(scalar(rest[0], x) for x in rest[1])


def gguf(keys=KEYS, change=None, version=3, counts=None, align=32, raw=b"", magic=b"GGUF", cut=None):
    """The good model as F16 in GGUF. `change`: of the list of [name, shape as in the file, type, offset, data]; raw: bytes after the keys."""
    tensors, at = [], 0
    for name, shape in SHAPES.items():
        size = 2
        for n in shape:
            size *= n
        data = weights(size) if len(shape) > 1 else struct.pack(f"<{size // 2}f", *[1.0] * (size // 2))
        kind = 1 if len(shape) > 1 else 0
        tensors.append([NAMES[name], list(reversed(shape)), kind, at, data])
        at += (len(data) + align - 1) // align * align
    if change:
        change(tensors)
    head = magic + struct.pack("<IQQ", version, *(counts or (len(tensors), len(keys))))
    head += b"".join(text(k) + (v if isinstance(v, bytes) else value(*v)) for k, v in keys.items()) + raw
    for name, shape, kind, offset, _ in tensors:
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)
    head += bytes(-len(head) % align)
    body = b"".join(data + bytes(-len(data) % align) for *_, data in tensors)
    return (head + body)[:cut]


def changed(name, message, change=None, **how):
    put(name + ".gguf", gguf(change=change, **how), message)


def keyed(name, message, **changes):
    keys = {k: v for k, v in {**KEYS, **{k.replace("__", "."): v for k, v in changes.items()}}.items() if v is not None}
    put(name + ".gguf", gguf(keys), message)


def ggufs():
    good = gguf()
    put("model.gguf", good)
    changed("short", "3 bytes are too few for a safetensors file", cut=3)
    changed("half-head", "values do not fit in the file", cut=120)
    changed("half-data", "leave the file", cut=len(good) - 100)
    changed("old-version", "version 1 of GGUF is not supported", version=1)
    changed("new-version", "version 4 of GGUF is not supported", version=4)
    changed("big-endian", "a big-endian GGUF file", version=3 << 24)
    changed("many-values", "values do not fit in the file", counts=(11, 1 << 60))
    changed("many-tensors", "tensors do not fit in the file", counts=(1 << 60, len(KEYS)))
    put("long-text.gguf", gguf({**KEYS, "x": struct.pack("<IQ", TEXT, (1 << 64) - 1)}), "leaves the file")
    put("long-array.gguf", gguf({**KEYS, "x": struct.pack("<IIQ", ARRAY, U32, 1 << 62)}), "leave the file")
    put("long-texts.gguf", gguf({**KEYS, "x": struct.pack("<IIQ", ARRAY, TEXT, 1 << 62)}), "leaves the file|ends in the middle")
    put("array-of-arrays.gguf", gguf({**KEYS, "x": struct.pack("<IIQ", ARRAY, ARRAY, 1)}), "arrays of arrays are not supported")
    put("unknown-kind.gguf", gguf({**KEYS, "x": struct.pack("<I", 13)}), "key 'x': its type 13 is not known")
    put("key-twice.gguf", gguf(KEYS, raw=text("llama.block_count") + value(U32, 2), counts=(11, len(KEYS) + 1)), "'llama.block_count' comes twice")
    put("bad-flag.gguf", gguf({**KEYS, "x": struct.pack("<IB", BOOL, 7)}), "a flag is 7")
    keyed("bad-align", "'general.alignment' is 24, no power of two", general__alignment=(U32, 24))
    keyed("zero-align", "'general.alignment' is 0", general__alignment=(U32, 0))
    keyed("text-align", "'general.alignment' is text, not a number", general__alignment=(TEXT, "32"))
    keyed("split", "part 1 of a model split into 3 files", split__count=(U32, 3))
    keyed("no-architecture", "'general.architecture' is missing", general__architecture=None)
    keyed("unknown-architecture", "architecture 'hyena' is not supported in GGUF; known: llama, qwen2", general__architecture=(TEXT, "hyena"))
    keyed("no-width", "'llama.embedding_length' is missing", llama__embedding_length=None)
    keyed("text-width", "'llama.embedding_length' is text, not a number", llama__embedding_length=(TEXT, "8"))
    keyed("no-heads", "'llama.attention.head_count' is missing", llama__attention__head_count=None)
    keyed("odd-heads", "rows that are no pairs of 3 heads", llama__attention__head_count=(U32, 3))
    keyed("experts", "key 'llama.expert_count' is not understood", llama__expert_count=(U32, 8))
    keyed("strange-key", "key 'llama.bend' is not understood and might change the mathematics", llama__bend=(U32, 1))
    keyed("part-of-heads", "'llama.rope.dimension_count' is 2, but keys have 4", llama__rope__dimension_count=(U32, 2))
    keyed("spiral", "rope_type 'spiral' is not supported", llama__rope__scaling__type=(TEXT, "spiral"))
    keyed("unknown-tokenizer", "'tokenizer.ggml.model' is 'rwkv', which is not supported", tokenizer__ggml__model=(TEXT, "rwkv"))
    keyed("unknown-pre", "'tokenizer.ggml.pre' is 'comma', which is not known", tokenizer__ggml__pre=(TEXT, "comma"))
    keyed("no-tokens", "'tokenizer.ggml.tokens' is missing", tokenizer__ggml__tokens=None)
    keyed("number-tokens", "'tokenizer.ggml.tokens' is an array of i32", tokenizer__ggml__tokens=(ARRAY, 5, [1, 2]))
    keyed("few-types", "has not as many entries", tokenizer__ggml__token_type=(ARRAY, 5, [1]))
    keyed("no-merges", "'tokenizer.ggml.merges' is missing", tokenizer__ggml__merges=None)
    keyed("foreign-merge", "needs a token that is not in the vocabulary", tokenizer__ggml__merges=(ARRAY, TEXT, ["a x"]))
    keyed("nan-score", "entry 1 of 'tokenizer.ggml.scores' is not a number that can be compared", tokenizer__ggml__model=(TEXT, "llama"),
          tokenizer__ggml__scores=(ARRAY, 6, [0.0, float("nan"), 0.0, 0.0, 0.0]))
    keyed("not-utf8", "is not UTF-8", tokenizer__ggml__tokens=(ARRAY, TEXT, [b"\xff", "b", "ab", "c", "<e>"]))

    def edit(name, message, index, field, to):
        changed(name, message, lambda t: t[index].__setitem__(field, to))

    names = [NAMES[n] for n in SHAPES]
    q = names.index("blk.0.attn_q.weight")
    edit("no-dimensions", "tensor 'blk.0.attn_q.weight': 0 dimensions", q, 1, [])
    edit("five-dimensions", "tensor 'blk.0.attn_q.weight': 5 dimensions", q, 1, [1] * 5)
    edit("zero-dimension", "dimension 0 is 0", q, 1, [8, 0])
    edit("huge-shape", "the number of values overflows", q, 1, [1 << 40, 1 << 40])
    edit("flat-shape", "has the shape [64], [8, 8] is wanted", q, 1, [64])
    edit("unknown-number", "tensor 'blk.0.attn_q.weight' has the type 77, which cannot be read", q, 2, 77)
    edit("coarse-type", "tensor 'blk.0.attn_q.weight' has the type IQ2_XXS, which cannot be read", q, 2, 16)
    edit("no-blocks", "rows of 8 values are no whole blocks of 32", q, 2, 8)
    edit("odd-offset", "is no multiple of 32", q, 3, 1)
    edit("far-offset", "leave the file", q, 3, 1 << 62)
    edit("overlap", "overlaps", q, 3, 0)
    edit("name-twice", "tensor 'blk.0.attn_k.weight' comes twice", q, 0, "blk.0.attn_k.weight")
    edit("empty-name", "a name of 0 bytes", q, 0, "")
    edit("escape-name", "has a control character", q, 0, "\033[2J")
    edit("long-name", "a name of 200 bytes", q, 0, "n" * 200)
    edit("strange-name", "tensor 'blk.0.attn_z.weight' is not part of a GGUF file of architecture llama", q, 0, "blk.0.attn_z.weight")
    changed("no-norm", "tensor 'model.norm.weight' is missing", lambda t: t.pop(names.index("output_norm.weight")))
    changed("more-layers", "tensor 'model.layers.0.input_layernorm.weight' is missing", lambda t: t[1].__setitem__(0, "blk.1.attn_norm.weight"))
    changed("no-embedding", "tensor 'token_embd.weight' is missing", lambda t: t[0].__setitem__(0, "output.weight"))


# ---- config.json ----

def config(name, message, **changes):
    values = {k: v for k, v in {**CONFIG, **changes}.items() if v != "absent"}
    put(name + ".config.json", json.dumps(values).encode(), message)


def configs():
    put("config.json", json.dumps(CONFIG, indent=1).encode() + b"\n")
    put("empty.config.json", b"", "JSON")
    put("array.config.json", b"[]", "is not a JSON object")
    put("half.config.json", json.dumps(CONFIG).encode()[:100], "JSON")
    put("deep.config.json", b'{"a":' * 200 + b"1" + b"}" * 200, "nested deeper than 32")
    put("twice.config.json", b'{"model_type":"llama","model_type":"mistral"}', "duplicate")
    put("not-utf8.config.json", b'{"model_type":"\xff"}', "JSON")
    put("overflow.config.json", b'{"model_type":"llama","rms_norm_eps":1e999}', "JSON")
    config("no-type", "'model_type' is missing", model_type="absent")
    config("unknown-type", "model_type 'nobody' is not supported; known: llama", model_type="nobody")
    config("escape-type", "model_type '?[2J' is not supported", model_type="\033[2J")
    config("unknown-key", "key 'final_logit_softcapping' is not understood and might change the mathematics", final_logit_softcapping=30.0)
    config("unknown-activation", "'hidden_act' is 'relu'", hidden_act="relu")
    config("flat-rope", "'rope_scaling' is", rope_scaling="x", rope_parameters={"rope_type": "default", "rope_theta": 10000.0})
    config("long-factor", "'factor' is 4, but the contexts 32 and 16 say 2",
           rope_scaling={"rope_type": "longrope", "factor": 4, "original_max_position_embeddings": 16, "short_factor": [1, 1], "long_factor": [1, 1]})
    config("unknown-rope", "rope_type 'spiral' is not supported; known: default, linear", rope_scaling={"rope_type": "spiral", "factor": 2})
    config("dynamic-rope", "rope_type 'dynamic' is not supported", rope_scaling={"type": "dynamic", "factor": 2.0})
    config("odd-rope-key", "rope_scaling: key 'bend' is not understood", rope_scaling={"type": "linear", "factor": 2.0, "bend": 1})
    config("no-factor", "'factor' is missing", rope_scaling={"type": "linear"})
    config("text-size", "'hidden_size' is text", hidden_size="8")
    config("real-size", "'hidden_size' is a number, not an integer", hidden_size=8.5)
    config("no-size", "'hidden_size' is missing", hidden_size="absent")
    config("negative-size", "'hidden_size' is -8", hidden_size=-8)
    config("zero-layers", "'num_hidden_layers' is 0", num_hidden_layers=0)
    config("million-layers", "'num_hidden_layers' is 1000000", num_hidden_layers=1000000)
    config("zero-heads", "'num_attention_heads' is 0", num_attention_heads=0)
    config("odd-groups", "not a multiple of", num_attention_heads=4, num_key_value_heads=3, head_dim=4)
    config("zero-vocabulary", "'vocab' is 0|'vocab_size' is 0", vocab_size=0)
    config("huge-vocabulary", "'vocab' is 2147483647", vocab_size=2147483647)
    config("huge-heads", "is odd or above 1024|more than", head_dim=1 << 20)
    config("other-vocabulary", "tensor 'model.embed_tokens.weight' has the shape [5, 8], [6, 8] is wanted", vocab_size=6)
    config("more-layers", "tensor 'model.layers.1.input_layernorm.weight' is missing", num_hidden_layers=2)
    config("untied", "tensor 'lm_head.weight' is missing", tie_word_embeddings=False)
    config("with-bias", "bias' is missing", attention_bias=True)
    config("bad-token", "'eos_token_id' is 5, not in 0 .. 4", eos_token_id=5)
    config("negative-token", "'eos_token_id' is -1", eos_token_id=[-1])
    config("quantized", "'quant_method' is 'gptq', which cannot be read", quantization_config={"quant_method": "gptq"})
    config("quantized-blocks", "'weight_block_size' has 3 entries|'weight_block_size' is 0", quantization_config={"quant_method": "fp8", "weight_block_size": [0, 8]})
    put("text-inside.config.json", json.dumps({"model_type": "seer", "text_config": CONFIG, "bend": 1}).encode(), "key 'bend' is not understood")
    put("text-unknown.config.json", json.dumps({"text_config": {**CONFIG, "model_type": "nobody"}}).encode(), "model_type 'nobody' is not supported")
    put("text-array.config.json", json.dumps({"text_config": [CONFIG]}).encode(), "'text_config' is an array")


# ---- shards ----

def index(name, message, weight_map):
    put(name + ".index.json", json.dumps({"metadata": {}, "weight_map": weight_map}).encode(), message)


def shards():
    names = list(SHAPES)
    halves = {"1.shard": names[:5], "2.shard": names[5:]}
    good = {}
    for file, part in halves.items():
        entries, size = header(part)
        put(file, pack(entries, weights(size)))
        good.update({name: file for name in part})
    put("model.safetensors.index.json", json.dumps({"weight_map": good}).encode())
    index("missing-shard", "3.shard: No such file", {**good, "model.norm.weight": "3.shard"})
    index("missing-tensor", "tensor 'lm_head.weight' is in no shard, the index says 1.shard", {**good, "lm_head.weight": "1.shard"})
    index("wrong-shard", "tensor 'model.norm.weight' is in", {**good, "model.norm.weight": "1.shard"})
    index("parent-folder", "'../1.shard' is not allowed", {**good, "model.norm.weight": "../1.shard"})
    index("absolute-path", "'/etc/passwd' is not allowed", {**good, "model.norm.weight": "/etc/passwd"})
    index("empty-map", "'weight_map' is empty", {})
    index("numbers", "is an integer, not text", {**good, "model.norm.weight": 1})
    put("no-map.index.json", b"{}", "'weight_map' is missing")
    put("half-map.index.json", b'{"weight_map":{', "JSON")


# ---- .qbin ----

library = ctypes.CDLL(ctypes.util.find_library("xxhash"))
library.XXH3_64bits.restype = ctypes.c_uint64
library.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]


def xxh3(data):
    return library.XXH3_64bits(bytes(data), len(data))


SPEC = {"architecture": "llama", "layers": 1, "hidden": 8, "intermediate": 6, "heads": 2, "kv_heads": 1, "head_dim": 4, "vocab": 5, "context": 32,
        "tied": True, "norm_eps": 1e-5, "activation": "silu", "attention_scale": 0.5, "rope": "half", "rope_dims": 4, "rope_inverse": [1.0, 0.01]}


def tensor(name, rows, k, offset, size, ndim=2, family=b"f16", bits=16, digest=None):
    if digest is None:
        digest = xxh3(bytes(size))
    head = struct.pack("<112s8sBBBBBB2xI4x", name.encode(), family, bits, 0, 0, 0, 0, 0, ndim)
    return head + struct.pack("<QQQQQf76x", rows, k, offset, size, digest, 0.0)


def tensors(**changes):
    """The tensors that SPEC wants, all zeros, one 16-row group of 64 columns each; changes: canonical name with _ for . -> (rows, k)."""
    shapes = {"embed": (5, 8), "layers.0.q": (8, 8), "layers.0.k": (4, 8), "layers.0.v": (4, 8), "layers.0.o": (8, 8), "layers.0.gate": (6, 8),
              "layers.0.up": (6, 8), "layers.0.down": (8, 6), "layers.0.attn_norm": (8,), "layers.0.mlp_norm": (8,), "final_norm": (8,)}
    shapes.update({k.replace("__", "."): v for k, v in changes.items()})
    table, at = b"", 0
    for name, shape in shapes.items():
        if not shape:
            continue
        if len(shape) == 2:
            table += tensor(name, *shape, at, 2048)
            at += 2048
        else:
            table += tensor(name, shape[0], 1, at, 4 * shape[0], 1, b"f32", 32)
            at += (4 * shape[0] + 63) // 64 * 64
    last = list(shapes.values())[-1]
    return table, at if len(last) == 2 else at - (4 * last[0] + 63) // 64 * 64 + 4 * last[0]


def round_up(n, to):
    return (n + to - 1) // to * to


def qbin(spec=SPEC, table=None, data_bytes=None, meta=None, sections=(b"meta", b"tokens", b"tensors"), tokens=b""):
    if table is None:
        table, data_bytes = tensors()
    parts = [json.dumps(meta if meta is not None else {"spec": spec}).encode(), tokens, table]
    at, rows, body = 64 + 32 * len(parts), b"", b""
    for name, part in zip(sections, parts):
        start = round_up(at, 64)
        body += bytes(start - at) + part
        rows += struct.pack("<8sQQQ", name, start, len(part), 1)
        at = start + len(part)
    hashed = rows + body
    data = round_up(at, 4096)
    fields = struct.pack("<8sIIQQQQQ", b"QBIN\r\n\x1a\n", 1, len(parts), data + data_bytes, 64, at, data, xxh3(hashed))
    return bytearray(fields + struct.pack("<Q", xxh3(fields)) + hashed + bytes(data - at) + bytes(data_bytes))


def flipped(file, at):
    copy = bytearray(file)
    copy[at] ^= 0x40
    return copy


def qbins():
    put("model.qbin", qbin())
    vector = tensor("a", 8, 1, 0, 32, 1, b"f32", 32)
    plain = {"table": vector, "data_bytes": 32}
    good = qbin(**plain)
    put("empty.qbin", b"", "0 bytes are too few")
    put("header.qbin", good[:64], "truncated")
    put("half.qbin", good[:len(good) // 2], "truncated")
    put("one-less.qbin", good[:-1], "truncated")
    put("one-more.qbin", good + b"\0", "added")
    put("other-file.qbin", b"GGUF" + bytes(100), "not a .qbin file")
    put("flip-header.qbin", flipped(good, 20), "checksum of the header")
    put("flip-metadata.qbin", flipped(good, 200), "checksum of the metadata")
    put("flip-data.qbin", flipped(good, 4096 + 5), "tensor 'a' at offset 4096: the checksum is wrong")
    put("flip-padding.qbin", flipped(good, 4095), "offset 4095: a padding byte is not zero")
    put("unknown-section.qbin", qbin(sections=(b"meta", b"magic", b"tensors"), **plain), "section 'magic' is required, but not known")
    put("no-meta.qbin", qbin(sections=(b"tokens", b"tokens", b"tensors"), **plain), "section 'tokens' is there twice")
    put("requires.qbin", qbin(meta={"spec": SPEC, "requires": ["telepathy"]}, **plain), "requires 'telepathy'")
    put("no-spec.qbin", qbin(meta={}, **plain), "'spec' is missing")
    put("new-feature.qbin", qbin({**SPEC, "softcap": 50.0}, **plain), "the feature 'softcap' is not known")
    put("zero-heads.qbin", qbin({**SPEC, "heads": 0}, **plain), "'heads' is 0")
    put("huge-context.qbin", qbin({**SPEC, "context": 1 << 40}, **plain), "'context' is 1099511627776")
    put("overlap.qbin", qbin(table=tensor("a", 5, 8, 0, 2048) + tensor("b", 5, 8, 1984, 2048), data_bytes=4032), "overlaps")
    put("out-of-range.qbin", qbin(table=tensor("a", 5, 8, 0, 2048) + tensor("b", 5, 8, 1 << 40, 2048), data_bytes=4096), "leave the file")
    put("wrong-bytes.qbin", qbin(table=tensor("a", 50, 8, 0, 2048), data_bytes=2048), "2048 bytes instead of the 8192")
    put("overflow.qbin", qbin(table=tensor("a", 1 << 62, 1 << 62, 0, 2048), data_bytes=2048), "is not possible")
    put("family.qbin", qbin(table=tensor("a", 5, 8, 0, 2048, family=b"runes"), data_bytes=2048), "family 'runes'")
    for name, changes, message in [("no-tensor", {"layers__0__up": None}, "layers.0.up"), ("other-tensor", {"layers__0__up": (6, 7)}, "layers.0.up"),
                                   ("other-embedding", {"embed": (4, 8)}, "embed"), ("other-norm", {"layers__0__mlp_norm": (9,)}, "layers.0.mlp_norm")]:
        table, size = tensors(**changes)
        put(name + ".model.qbin", qbin(table=table, data_bytes=size), message)


# ---- tokenizer.model ----

def piece(text, kind=1, score=0.0):
    message = bytes([0x0a, len(text)]) + text + struct.pack("<Bf", 0x15, score) + bytes([0x18, kind])
    return bytes([0x0a, len(message)]) + message


def spm_models():
    good = piece(b"<unk>", 2) + piece(b"a") + piece(b"b") + piece(b"ab", 1, -1.0)
    bpe = bytes([0x12, 2, 0x18, 2])
    put("half.tokenizer.model", good[:20], "a field longer than its message")
    put("endless-number.tokenizer.model", good + b"\x10" + b"\xff" * 12, "a number without an end")
    put("unknown-type.tokenizer.model", good + bytes([0x12, 2, 0x18, 4]), "type 4 is neither Unigram nor BPE")
    put("no-unknown.tokenizer.model", piece(b"a") + bpe, "there is no unknown piece")
    put("twice.tokenizer.model", good + piece(b"a") + bpe, "piece 4 is there twice")
    put("not-utf8.tokenizer.model", good + piece(b"\xff") + bpe, "piece 4 is not text")
    put("nan.tokenizer.model", good + piece(b"c", 1, float("nan")) + bpe, "piece 4 has a score that is not a number")
    put("charsmap.tokenizer.model", good + bpe + b"\x1a\x07\x12\x05\xff\xff\xff\xff\x00", "a character map of 5 bytes is broken")

# ---- grammars and schemas ----

def grammars():
    put("empty.gbnf", b"", "there is no rule 'root'")
    put("binary.gbnf", bytes(range(256)), "this is not UTF-8")
    put("left-recursion.gbnf", b"root ::= a\na ::= b? a \"x\"\nb ::= \"y\"\n", "line 2: rule 'a' is left-recursive")
    put("endless.gbnf", b'root ::= "x" root\n', "nothing matches")
    put("undefined.gbnf", b"root ::= absent\n", "line 1, column 10: rule 'absent' is not defined")
    put("deep.gbnf", b"root ::= " + b"(" * 5000 + b'"a"' + b")" * 5000, "nested deeper than 200")
    put("many-states.gbnf", b'root ::= (("abcdefgh"{1000}){1000}){1000}\n', "more than 262144 states")
    put("exponential.gbnf", b'root ::= [ab]* "a" [ab]{30}\n', "too many states")
    put("huge-count.gbnf", b'root ::= "a"{99999999999999999999}\n', "more repetitions than 100000")
    put("tokens.gbnf", b"root ::= <[12]>\n", "references to tokens")
    put("not-json.schema.json", b"{", "JSON")
    put("deep.schema.json", b'{"items":' * 500 + b"{}" + b"}" * 500, "nested deeper than 32")
    put("keyword.schema.json", b'{"properties": {"a": {"not": {}}}}', "#/properties/a: the keyword 'not' is not supported")
    put("circle.schema.json", b'{"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}}', "refers to itself")
    put("remote.schema.json", b'{"$ref": "file:///etc/passwd"}', "'file:///etc/passwd' is not supported")
    put("look.schema.json", b'{"pattern": "(?<=a)b"}', "looking around is not supported")
    put("huge.schema.json", b'{"type": "array", "items": {"type": "integer"}, "minItems": 4000000000}', "more than 262144 states")



spm_models()
grammars()
safetensors()
configs()
ggufs()
shards()
qbins()
with open(os.path.join(HERE, "expected.txt"), "w") as f:
    f.writelines(sorted(expected))
