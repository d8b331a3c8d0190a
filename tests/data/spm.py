"""Trains the small SentencePiece models of tests/data/spm and writes what the library itself makes of some texts. Needs sentencepiece from PyPI.

    python tests/data/spm.py

The sentences are the texts of tests/data/tokenizers, which are our own. Each line of vectors.jsonl: text; ids, as encode gives them (nothing in the text is special); decoded,
or null where an unknown id would be spelled as the library likes.
"""

import io
import json
import pathlib

import sentencepiece

HERE = pathlib.Path(__file__).resolve().parent
LIMIT = 40_000

RULES = {chr(0xFF01 + i): chr(0x21 + i) for i in range(94)}
RULES |= {"\u3000": " ", "\u00a0": " ", "\t": " ", "\n": " ", "\r": " ", "\u200b": "", "\ufb03": "ffi", "\u2026": "...", "\u00bd": "1/2", "\u212b": "\u00c5", "e\u0301": "\u00e9", "e\u0301\u0323": "\u1eb9\u0301", "\u2460": "1"}

MODELS = {
    # like Llama: spaces kept, bytes for what is unknown
    "bpe": (dict(model_type="bpe", vocab_size=900, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False, control_symbols=["<mask>"]), {"add_bos_token": True, "add_eos_token": False, "bos_token": "<s>", "eos_token": {"content": "</s>"}}),
    # like Gemma: no space before the text, runs of spaces and line ends as symbols
    "bpe-symbols": (dict(model_type="bpe", vocab_size=900, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=False, user_defined_symbols=["\n", "\n\n", "\u2581\u2581", "\u2581\u2581\u2581\u2581", "<sep>", "river"]), None),
    # like T5: rules for characters, spaces squeezed, one unknown token
    "unigram": (dict(model_type="unigram", vocab_size=700, normalization_rule_tsv="RULES"), {"eos_token": "</s>"}),
    "unigram-bytes": (dict(model_type="unigram", vocab_size=900, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False, user_defined_symbols=["<sep>"]), {"add_bos_token": True, "add_eos_token": True, "added_tokens_decoder": {"900": {"content": "<new>", "special": True, "lstrip": False}}}),
    "suffix": (dict(model_type="bpe", vocab_size=600, treat_whitespace_as_suffix=True, normalization_rule_name="identity", character_coverage=0.98), None),
}


def sentences():
    out = []
    for path in sorted((HERE / "tokenizers").glob("*/vectors.jsonl")):
        out += [json.loads(line)["text"] for line in path.read_text().splitlines()]
    return [text for text in dict.fromkeys(out) if "\0" not in text]


def train(name, options, texts):
    folder = HERE / "spm" / name
    folder.mkdir(parents=True, exist_ok=True)
    if options.get("normalization_rule_tsv"):
        table = folder / "rules.tsv"
        table.write_text("".join(" ".join(f"{ord(c):X}" for c in a) + "\t" + " ".join(f"{ord(c):X}" for c in b) + "\n" for a, b in RULES.items()))
        options = options | {"normalization_rule_tsv": str(table)}
    out = io.BytesIO()
    lines = [line for text in texts for line in text.split("\n") if line]
    sentencepiece.SentencePieceTrainer.train(**({"sentence_iterator": iter(lines), "model_writer": out, "minloglevel": 2, "num_threads": 1, "hard_vocab_limit": False, "character_coverage": 0.99} | options))
    if "normalization_rule_tsv" in options:
        table.unlink()
    from sentencepiece import sentencepiece_model_pb2 as pb
    model = pb.ModelProto.FromString(out.getvalue())
    model.normalizer_spec.ClearField("normalization_rule_tsv")
    (folder / "tokenizer.model").write_bytes(model.SerializeToString())
    return folder


def write(folder, config, texts):
    sp = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    if config:
        (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
    size = 0
    with open(folder / "vectors.jsonl", "w", encoding="ascii") as f:
        for text in texts:
            ids = sp.encode(text)
            line = json.dumps({"text": text, "ids": ids, "decoded": None if sp.unk_id() in ids else sp.decode(ids)}, separators=(",", ":")) + "\n"
            if size + len(line) <= LIMIT:
                f.write(line)
                size += len(line)


def main():
    texts = sentences()
    some = texts[::7] + ["  two  spaces  ", " ", "   ", "", "\u2581", "a\u2581 b\u2581\u2581", "<s>x</s>", "<mask> <sep>a<sep>", "\n\n\nriver  rivers", "e\u0301\u0323 \u200b", "\u200b", "\U0001f600\U0001f600 \u4e2d", "aaaaaaaaaaaaaaaaaaaa", "<0x0A>", "<unk>"]
    for name, (options, config) in MODELS.items():
        write(train(name, options, texts), config, list(dict.fromkeys(some)))


main()
