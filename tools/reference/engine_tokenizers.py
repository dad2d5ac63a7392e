"""What Hugging Face's tokenizers make of texts: each part of a tokenizer.json by itself, in a tokenizer whose vocabulary is the pieces it makes.

Needs: tokenizers (see requirements.txt, of transformers).
Run:   python3 tools/reference/engine_tokenizers.py
Writes packages/engine/goldens/tokenizers.json.gz
"""

import gzip
import itertools
import json
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

ROOT = Path(__file__).resolve().parents[2]
TEXTS = [
    "How many dogs? Three dogs, 12 cats.", "  two  spaces\tand\n\na line ", "naïve Café ÜNÏCÖDÉ 你好吗 🙂👩‍👩‍👧 ﬁ Å ẞ İ",
    "٣٤ ½ ² Ⅷ ④ १२ 12a34", "a-b_c--d...e!?", "don't I'll we've O'Neil 'tis", "x\u0085y\ufeffz\u200bw\u00a0v\u3000u\u2028t", "𠀀b \u0000\u0007bell \u00ad soft e\u0301",
    "<image>", "a <image> b", "a<image>b", " <image>\n<image> ", "foo.<image>,x", "_<image>_ é<image>é", "<IMAGE> image<image", "", " ", "▁a ▁ b", "Ünï<image>", "a\r\nb\rc",
]
GPT4 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN = GPT4.replace(r"\p{N}{1,3}", r"\p{N}")
GPT4O = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
BEHAVIORS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
PRE = {
    "digits": pre_tokenizers.Digits(), "digits, one by one": pre_tokenizers.Digits(individual_digits=True),
    "whitespace": pre_tokenizers.Whitespace(), "whitespace split": pre_tokenizers.WhitespaceSplit(), "bert": pre_tokenizers.BertPreTokenizer(),
    "delimiter": pre_tokenizers.CharDelimiterSplit("-"), "fixed length": pre_tokenizers.FixedLength(3),
    **{f"punctuation, {b}": pre_tokenizers.Punctuation(b) for b in BEHAVIORS},
    **{f"split at a text, {b}, {i}": pre_tokenizers.Split("-", b, invert=i) for b in BEHAVIORS for i in (False, True)},
    **{f"split at a pattern, {b}, {i}": pre_tokenizers.Split(Regex(r"\d+|[aeiou]"), b, invert=i) for b in BEHAVIORS for i in (False, True)},
    **{f"split with groups, {b}": pre_tokenizers.Split(Regex(r"(a|o)(\s|n)?"), b) for b in BEHAVIORS},
    **{f"byte level, {p}, {r}": pre_tokenizers.ByteLevel(add_prefix_space=p, use_regex=r) for p in (False, True) for r in (False, True)},
    **{f"metaspace, {s}, {p}": pre_tokenizers.Metaspace(prepend_scheme=p, split=s) for s in (False, True) for p in ("always", "first", "never")},
    "llama 3": pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(GPT4), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]),
    "qwen 2": pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]),
    "gpt-4o": pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(GPT4O), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]),
    "smollm": pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]),
    "deepseek": pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(r"[\r\n]"), "isolated"), pre_tokenizers.Split(Regex(r"\s?\p{L}+"), "isolated"), pre_tokenizers.Split(Regex(r"\s?\p{P}+"), "isolated"), pre_tokenizers.Split(Regex(r"[一-龥ࠀ-一가-퟿]+"), "isolated"), pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(False, use_regex=False)]),
    "words and blanks": pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()]),
    "gemma": pre_tokenizers.Split(" ", "merged_with_previous"),
}
NORMAL = {
    "nfc": normalizers.NFC(), "nfd": normalizers.NFD(), "nfkc": normalizers.NFKC(), "nfkd": normalizers.NFKD(), "lowercase": normalizers.Lowercase(),
    "strip": normalizers.Strip(), "strip left": normalizers.Strip(left=True, right=False), "strip right": normalizers.Strip(left=False, right=True), "strip accents": normalizers.StripAccents(),
    "decomposed without accents": normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase()]),
    "bert": normalizers.BertNormalizer(), "bert, cased": normalizers.BertNormalizer(lowercase=False), "bert, accents": normalizers.BertNormalizer(strip_accents=False), "bert, little": normalizers.BertNormalizer(False, False, True, False),
    "replace a text": normalizers.Replace("a", "$&x"), "replace a pattern": normalizers.Replace(Regex(r"\s+"), "_"), "prepend": normalizers.Prepend("▁"), "nmt": normalizers.Nmt(), "byte level": normalizers.ByteLevel(),
    "sentencepiece": normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), "clip": normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]),
}


def pieces_tokenizer(pieces, normalizer=None, pre=None, decoder=None):
    """A tokenizer whose words are these pieces, and `<unk>` for others."""
    vocabulary = {"<unk>": 0, **{piece: i + 1 for i, piece in enumerate(pieces)}}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>", ignore_merges=True))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if pre is not None:
        tokenizer.pre_tokenizer = pre
    if decoder is not None:
        tokenizer.decoder = decoder
    return tokenizer


def encoded(tokenizer, texts=TEXTS):
    return [tokenizer.encode(text).ids for text in texts]


def pre_cases():
    for name, pre in PRE.items():
        try:
            pieces = sorted({piece for text in TEXTS for piece, _ in pre.pre_tokenize_str(text)})
        except Exception:
            continue
        yield f"pre-tokenizer {name}", pieces_tokenizer(pieces, pre=pre)


def normal_cases():
    for name, normalizer in NORMAL.items():
        pieces = sorted({normalizer.normalize_str(text) for text in TEXTS} - {""})
        yield f"normalizer {name}", pieces_tokenizer(pieces, normalizer=normalizer)


def added_cases():
    for lstrip, rstrip, single, normalized, special in itertools.product((False, True), repeat=5):
        if special and normalized:
            continue
        for lower in (False, True):
            normalizer = normalizers.Lowercase() if lower else None
            tokenizer = pieces_tokenizer(sorted({c for text in TEXTS for c in text + text.lower()}), normalizer=normalizer, pre=pre_tokenizers.Split(Regex("[\\s\\S]"), "isolated"))
            token = AddedToken("<image>", lstrip=lstrip, rstrip=rstrip, single_word=single, normalized=normalized)
            (tokenizer.add_special_tokens if special else tokenizer.add_tokens)([token, AddedToken("image", single_word=not single, normalized=normalized)])
            options = [n for n, on in (("lstrip", lstrip), ("rstrip", rstrip), ("single word", single), ("normalized", normalized), ("special", special), ("lowercase", lower)) if on]
            yield f"added token, {', '.join(options) or 'plain'}", tokenizer


DECODERS = {
    "byte level": decoders.ByteLevel(), "metaspace": decoders.Metaspace(), "metaspace, never": decoders.Metaspace(prepend_scheme="never"), "wordpiece": decoders.WordPiece(), "wordpiece, as it is": decoders.WordPiece(cleanup=False), "bpe": decoders.BPEDecoder(suffix="</w>"), "fuse": decoders.Fuse(),
    "llama": decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]), "gemma": decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]), "strip": decoders.Strip("x", 1, 0), "replace": decoders.Replace(Regex("a+"), "$1"), "none": None,
}
TOKENS = ["a", "▁a", "▁", "##a", "</w>", "b</w>", "Ġdog", "Ċ", "x", "xx", "axa", "aaa", ".", "?", "n't", "'s", ",", "<0xE4>", "<0xBD>", "<0xA0>", "<0xFF>", "<0x41>", "é", "ä½ł", "🙂", "<image>", " ", "Ġ", "▁▁b"]
LISTS = [[1, 2, 3], [2, 1, 3, 2], [7, 8, 7, 1], [18, 19, 20], [18, 19, 1], [21, 22, 23], [4, 1, 4], [5, 6, 5, 6], [9, 10, 11, 12], [1, 13, 1, 14, 15, 16, 17], [24, 24, 1], [26, 7, 26], [26, 26], [27, 28, 29], [29, 2], [25, 1, 25], [0, 1], [3], [3, 3], [1, 27, 13]]


def model_cases():
    corpus = "▁how▁many▁dogs▁three▁cats"
    letters = sorted(set(corpus))
    merges = [("▁", "d"), ("o", "g"), ("▁d", "og"), ("▁dog", "s"), ("a", "t"), ("c", "at"), ("h", "o"), ("ho", "w")]
    vocabulary = ["<unk>", *letters, *("".join(m) for m in merges)]
    ids = {t: i for i, t in enumerate(dict.fromkeys(vocabulary))}
    bytes_ = {f"<0x{i:02X}>": len(ids) + i for i in range(256)}
    texts = ["how many dogs", "dogs dogs", "three cats 你好 ab", "é", "", "zzz cats zz", "▁"]
    normalizer = normalizers.Replace(" ", "▁")
    for name, options in {"plain": {}, "fused": {"fuse_unk": True}, "whole words": {"ignore_merges": True}, "no unknown": {"unk_token": None}}.items():
        tokenizer = Tokenizer(models.BPE(vocab=ids, merges=merges, **{"unk_token": "<unk>", **options}))
        tokenizer.normalizer = normalizer
        yield f"bpe, {name}", tokenizer, texts
    tokenizer = Tokenizer(models.BPE(vocab={**ids, **bytes_}, merges=merges, unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizer
    yield "bpe, bytes", tokenizer, texts
    words = {"l": 0, "o": 1, "w</w>": 2, "lo": 3, "low</w>": 4, "e": 5, "r</w>": 6, "w": 7, "<unk>": 8, "r": 9, "er</w>": 10}
    tokenizer = Tokenizer(models.BPE(vocab=words, merges=[("l", "o"), ("lo", "w</w>"), ("e", "r</w>")], unk_token="<unk>", end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    yield "bpe, ends of words", tokenizer, ["low lower", "w r e", "lower low", "x"]
    tokenizer = Tokenizer(models.WordPiece(vocab={"[UNK]": 0, "dog": 1, "##s": 2, "##gy": 3, "do": 4, "c": 5, "##at": 6, "[CLS]": 7, "[SEP]": 8}, unk_token="[UNK]", max_input_chars_per_word=10))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 8), ("[CLS]", 7))
    yield "wordpiece", tokenizer, ["dogs doggy cat dogsdogsdogs", "cats", "", "s"]
    scores = [("<unk>", 0.0), ("▁", -2.0), ("a", -3.0), ("b", -3.5), ("ab", -4.0), ("▁a", -3.2), ("▁ab", -6.0), ("c", -5.0), ("abc", -7.5), ("</s>", 0.0)]
    for name, more, fallback in (("plain", [], False), ("bytes", [(f"<0x{i:02X}>", -10.0) for i in range(256)], True)):
        tokenizer = Tokenizer(models.Unigram([*scores, *more], 0, fallback))
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 9)])
        yield f"unigram, {name}", tokenizer, ["abc ab", "aabbcc", "a 你好 b", "xyz", "", "ab abcab"]
    tokenizer = pieces_tokenizer(["a", "b", "<s>", "</s>"], pre=pre_tokenizers.Whitespace())
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 4), ("<s>", 3))
    yield "roberta", tokenizer, ["a b", "", "a"]
    tokenizer = Tokenizer(models.WordLevel({"<unk>": 0, "a": 1, "dog": 2}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    yield "words", tokenizer, ["a dog", "a cat dog", ""]


def main():
    goldens = {"texts": TEXTS, "encoding": [], "decoding": []}
    for name, tokenizer in [*pre_cases(), *normal_cases(), *added_cases()]:
        goldens["encoding"].append({"name": name, "tokenizer": json.loads(tokenizer.to_str()), "ids": encoded(tokenizer)})
    for name, tokenizer, texts in model_cases():
        goldens["encoding"].append({"name": name, "tokenizer": json.loads(tokenizer.to_str()), "texts": texts, "ids": encoded(tokenizer, texts)})
    for name, decoder in DECODERS.items():
        tokenizer = pieces_tokenizer(TOKENS, decoder=decoder)
        tokenizer.add_special_tokens(["<image>"])
        goldens["decoding"].append({"name": name, "decoder": json.loads(tokenizer.to_str())["decoder"], "texts": [tokenizer.decode(ids) for ids in LISTS]})
    base = pieces_tokenizer(TOKENS)
    base.add_special_tokens(["<image>"])
    goldens["decoded"] = {"tokenizer": json.loads(base.to_str()), "ids": LISTS}
    (ROOT / "packages/engine/goldens/tokenizers.json.gz").write_bytes(gzip.compress(json.dumps(goldens).encode(), mtime=0))


if __name__ == "__main__":
    main()
