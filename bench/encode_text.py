#!/usr/bin/env python3
"""How fast is a text encoded by one thread? Ours beside tiktoken and the tokenizers library of Hugging Face, from the same tokenizer.json.

  bench/encode_text.py TEXT FOLDER ...       each FOLDER has a tokenizer.json

Needs the peers from PyPI:  python3 -m venv V && V/bin/pip install tiktoken tokenizers;  then V/bin/python bench/encode_text.py ...
tiktoken runs byte-level vocabularies only (the expression of the pre-tokenizer, the vocabulary as ranks); the others are left out there. All programs take
turns, ROUNDS times; each reads the whole text in one call, and a turn is the median of several calls (ours: of a second of calls), in processor time of
the thread. What is printed: megabytes a second (median of the turns), the ratio of ours to each peer in the same round (median), and whether the ids are
equal. From the environment: ROUNDS=5 BIN=bin.
"""

import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import tiktoken
import tokenizers

ROUNDS = int(os.environ.get("ROUNDS", "5"))
PROGRAM = pathlib.Path(os.environ.get("BIN", "bin")) / "tokenize"


def letters():
    """GPT-2's alphabet: letter -> byte."""
    prints = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [b for b in range(256) if b not in prints]
    return {chr(b): b for b in prints} | {chr(256 + i): b for i, b in enumerate(hidden)}


def tiktoken_of(data):
    """The same tokenizer in tiktoken; None if its vocabulary is not of bytes."""
    split = (data.get("pre_tokenizer") or {}).get("pretokenizers", [{}])
    pattern = split[0].get("pattern", {}).get("Regex")
    if pattern is None or len(split) != 2 or split[1]["type"] != "ByteLevel":
        return None
    byte = letters()
    added = {token["content"] for token in data["added_tokens"]}
    ranks = {bytes(byte[c] for c in token): rank for token, rank in data["model"]["vocab"].items() if token not in added}
    return tiktoken.Encoding("bench", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})


def timed(encode, calls):
    seconds = []
    for _ in range(calls):
        start = time.thread_time()
        encode()
        seconds.append(time.thread_time() - start)
    return statistics.median(seconds)


def ours(folder, path):
    out = subprocess.run([PROGRAM, "-m", folder, "--bench", path], check=True, capture_output=True, text=True).stdout
    return float(re.search(r"median ([0-9.]+) MB/s", out).group(1))


def compare(folder, path):
    text = path.read_bytes().decode()
    size = len(text.encode()) / 1e6
    data = json.loads((folder / "tokenizer.json").read_text())
    theirs = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    encoding = tiktoken_of(data)
    peers = {"tokenizers": (lambda: theirs.encode(text, add_special_tokens=False), 1)}
    if encoding:
        peers["tiktoken"] = (lambda: encoding.encode_ordinary(text), 5)
    speeds = {name: [] for name in ["ours", *peers]}
    for _ in range(ROUNDS):
        speeds["ours"].append(ours(folder, path))
        for name, (encode, calls) in peers.items():
            speeds[name].append(size / timed(encode, calls))
    out = subprocess.run([PROGRAM, "-m", folder], stdin=path.open("rb"), check=True, capture_output=True, text=True).stdout
    ids = [int(i) for i in out.split(",")]
    same = {"tokenizers": theirs.encode(text, add_special_tokens=False).ids == ids}
    if encoding:
        same["tiktoken"] = encoding.encode_ordinary(text) == ids
    print(f"{folder.name:12} ours {statistics.median(speeds['ours']):8.2f} MB/s", end="")
    for name in peers:
        ratio = statistics.median(a / b for a, b in zip(speeds["ours"], speeds[name]))
        print(f"   {name} {statistics.median(speeds[name]):7.2f} MB/s, ratio {ratio:6.2f}, ids {'equal' if same[name] else 'DIFFER'}", end="")
    print(flush=True)
    return all(same.values())


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__.strip())
    good = [compare(pathlib.Path(folder), pathlib.Path(sys.argv[1])) for folder in sys.argv[2:]]
    sys.exit(0 if all(good) else 1)


main()
