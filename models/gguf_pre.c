/* The ways to split text before byte-level merging that tokenizer.ggml.pre names (llama.cpp, src/llama-vocab.cpp), as tokenizer.json has them. */
#include "models/gguf.h"

#define BYTES(with_regex) "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": " with_regex "}"
#define SPLIT(regex)      "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"" regex "\"}, \"behavior\": \"Isolated\", \"invert\": false}"
#define SEQUENCE(members) "{\"type\": \"Sequence\", \"pretokenizers\": [" members "]}"
#define ONE_SPLIT(regex)  SEQUENCE(SPLIT(regex) ", " BYTES("false"))

/* Parts of patterns, escaped for JSON. */
#define SHORT_FORMS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define WORDS       "[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+"
#define REST        " ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"
#define REST_SLASH  " ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n/]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"
#define CASED_1     "[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?[\\\\p{Lu}\\\\p{Lt}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]*[\\\\p{Ll}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]+"
#define CASED_2     "[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?[\\\\p{Lu}\\\\p{Lt}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]+[\\\\p{Ll}\\\\p{Lm}\\\\p{Lo}\\\\p{M}]*"
#define GPT2        "'s|'t|'re|'ve|'m|'ll|'d| ?\\\\p{L}+| ?\\\\p{N}+| ?[^\\\\s\\\\p{L}\\\\p{N}]+|\\\\s+(?!\\\\S)"
#define CJK_KANA    "[\\u4e00-\\u9fa5\\u3040-\\u309f\\u30a0-\\u30ff]+"
#define DEEPSEEK_3                                                                                                                  \
    "[!\\\"#$%&'()*+,\\\\-./:;<=>?@\\\\[\\\\\\\\\\\\]^_`{|}~][A-Za-z]+|[^\\\\r\\\\n\\\\p{L}\\\\p{P}\\\\p{S}]?[\\\\p{L}\\\\p{M}]+| " \
    "?[\\\\p{P}\\\\p{S}]+[\\\\r\\\\n]*"                                                                                             \
    "|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"

static const char *const gpt2[] = {"gpt-2",       "phi-2",   "jina-es", "jina-de", "gigachat", "jina-v2-es", "jina-v2-de",      "a.x-4.0", "mellum",
                                   "modern-bert", "exaone4", "olmo",    "jais",    "mpt",      "trillion",   "granite-docling", NULL};
static const char *const smollm[] = {"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2", NULL};
static const char *const llama3[] = {"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", NULL};
static const char *const dbrx[] = {"dbrx", "smaug-bpe", "chatglm-bpe", NULL};
static const char *const glm4[] = {"glm4", "glm5", NULL};
static const char *const qwen2[] = {"qwen2", "deepseek-r1-qwen", "megrez", "kormo", NULL};
static const char *const stablelm2[] = {"stablelm2", "hunyuan", "solar-open", "grok-2", NULL};
static const char *const deepseek3[] = {"deepseek-v3", "hunyuan-dense", "joyai-llm", NULL};
static const char *const deepseek_coder[] = {"deepseek-coder", NULL};
static const char *const tekken[] = {"tekken", NULL};
static const char *const gpt4o[] = {"gpt-4o", "llama4", "kanana2", NULL};
static const char *const plain[] = {"default", NULL};

const gguf_pre gguf_pres[] = {
    {.names = gpt2, .splitters = BYTES("true")},
    {.names = smollm, .splitters = SEQUENCE("{\"type\": \"Digits\", \"individual_digits\": true}, " BYTES("true"))},
    {.names = llama3, .splitters = ONE_SPLIT(SHORT_FORMS "|" WORDS "|\\\\p{N}{1,3}|" REST), .ignore_merges = true, .bos = true},
    {.names = qwen2, .splitters = ONE_SPLIT(SHORT_FORMS "|" WORDS "|\\\\p{N}|" REST), .normalizer = "{\"type\": \"NFC\"}"},
    {.names = dbrx, .splitters = ONE_SPLIT(SHORT_FORMS "|" WORDS "|\\\\p{N}{1,3}|" REST)},
    {.names = glm4, .splitters = ONE_SPLIT(SHORT_FORMS "|" WORDS "|\\\\p{N}{1,3}|" REST), .ignore_merges = true},
    {.names = stablelm2, .splitters = ONE_SPLIT(SHORT_FORMS "|" WORDS "|\\\\p{N}|" REST)},
    {.names = deepseek3, .splitters = SEQUENCE(SPLIT("\\\\p{N}{1,3}") ", " SPLIT(CJK_KANA) ", " SPLIT(DEEPSEEK_3) ", " BYTES("false"))},
    {.names = deepseek_coder,
     .splitters = SEQUENCE(SPLIT("[\\\\r\\\\n]") ", " SPLIT("\\\\s?\\\\p{L}+") ", " SPLIT("\\\\s?\\\\p{P}+") ", " SPLIT(
         "[\\u4e00-\\u9fa5\\u0800-\\u4e00\\uac00-\\ud7ff]+") ", {\"type\": \"Digits\", \"individual_digits\": true}, " BYTES("false"))},
    {.names = tekken, .splitters = ONE_SPLIT(CASED_1 "|" CASED_2 "|\\\\p{N}|" REST_SLASH), .ignore_merges = true, .bos = true},
    {.names = gpt4o, .splitters = ONE_SPLIT(CASED_1 SHORT_FORMS "?|" CASED_2 SHORT_FORMS "?|\\\\p{N}{1,3}|" REST_SLASH)},
    {.names = plain,
     .splitters = SEQUENCE(
         SPLIT("[\\\\p{P}\\\\$\\\\+<=>\\\\^~\\\\|]+") ", " SPLIT(GPT2) ", " SPLIT("\\\\p{N}+") ", " SPLIT("[0-9][0-9][0-9]") ", " BYTES("false"))},
    {0},
};
