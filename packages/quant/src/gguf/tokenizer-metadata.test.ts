import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openCheckpoint, writeCheckpoint } from "@vlmopt/tensor-io";
import { afterAll, describe, expect, it } from "vitest";
import { fromBase64, golden } from "../test-support/inputs.ts";
import type { MetadataValue } from "./metadata.ts";
import { metadataReader } from "./metadata-reader.ts";
import { readSentencePieceModel } from "./sentencepiece-model.ts";
import { tokenizerJson } from "./tokenizer-files.ts";
import { type TokenizerJson, vocabularyOfTokenizerJson } from "./tokenizer-json.ts";
import { tokenizerMetadata } from "./tokenizer-metadata.ts";

/** By SentencePiece and transformers' converter: tools/reference/quant_gguf.py. */
const reference = golden<{
  readonly model: string;
  readonly json: TokenizerJson;
  readonly pieces: readonly [text: string, score: number, type: string][];
}>("gguf-tokenizer");

const pieces = reference.pieces.map(([text, score, type]) => ({ text, score, type }));
const model = fromBase64(reference.model);
const { json } = reference;

const root = mkdtempSync(join(tmpdir(), "vlmopt-gguf-tokenizer-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function metadataOf(
  name: string,
  files: Record<string, string | Uint8Array>,
  config = {},
  vocabSize = 404,
): Promise<Map<string, MetadataValue>> {
  const folder = join(root, name);
  const tensor = { name: "x", dtype: "F32" as const, shape: [1], bytes: new Uint8Array(4) };
  await writeCheckpoint([tensor], folder, { files });
  await using checkpoint = await openCheckpoint(folder);
  return new Map(await tokenizerMetadata(checkpoint, config, vocabSize));
}

function list(metadata: Map<string, MetadataValue>, key: string): readonly unknown[] {
  const value = metadata.get(`tokenizer.ggml.${key}`);
  return value?.type === "array" ? value.values : [];
}

function single(metadata: Map<string, MetadataValue>, key: string): unknown {
  const value = metadata.get(key);
  return value?.type === "array" ? value.values : value?.value;
}

describe("a SentencePiece vocabulary", () => {
  it("is read from tokenizer.model as SentencePiece reads it", () => {
    const { tokens, addSpacePrefix } = readSentencePieceModel(model);
    expect(tokens).toEqual(pieces);
    expect(addSpacePrefix).toBe(true);
  });

  it("is had from tokenizer.json with the scores of tokenizer.model", () => {
    const { tokens, addSpacePrefix } = vocabularyOfTokenizerJson(json);
    expect(tokens.map((token) => token && { ...token, score: token.score + 0 })).toEqual(
      pieces.map((piece) => ({ ...piece, score: piece.score + 0 })),
    );
    expect(addSpacePrefix).toBe(true);
  });

  it("has no tokens from a tokenizer of another kind, or a file that is cut", () => {
    const byteLevel = { ...json, model: { ...json.model, byte_fallback: false } };
    expect(() => vocabularyOfTokenizerJson(byteLevel)).toThrow("it is BPE without byte fallback");
    expect(() => readSentencePieceModel(model.subarray(0, model.length - 3))).toThrow(RangeError);
    expect(() => readSentencePieceModel(new Uint8Array(0))).toThrow("model type 1, and only BPE (2)");
  });
});

describe("the tokenizer of a GGUF file", () => {
  it("is the same from either file, with added tokens, and rows that have none filled up", async () => {
    const settings = JSON.stringify({ bos_token: { content: "<s>" }, eos_token: "</s>", unk_token: "<unk>" });
    const fromJson = await metadataOf("json", {
      "tokenizer.json": JSON.stringify(json),
      "tokenizer_config.json": settings,
    });
    const fromModel = await metadataOf("model", {
      "tokenizer.model": model,
      "tokenizer.json": JSON.stringify(json),
      "tokenizer_config.json": settings,
    });
    expect([...fromJson]).toEqual([...fromModel]);
    expect(list(fromModel, "tokens").slice(398)).toEqual([
      pieces[398]?.text,
      pieces[399]?.text,
      "<image>",
      "[PAD401]",
      "[PAD402]",
      "[PAD403]",
    ]);
    expect(list(fromModel, "token_type").slice(398)).toEqual([1, 1, 3, 5, 5, 5]);
    expect(list(fromModel, "token_type").slice(0, 4)).toEqual([2, 3, 3, 6]);
    expect(list(fromModel, "scores").slice(259, 262)).toEqual(
      pieces.slice(259, 262).map(({ score }) => score),
    );
    expect(single(fromModel, "tokenizer.ggml.bos_token_id")).toBe(1);
    expect(single(fromModel, "tokenizer.ggml.eos_token_id")).toBe(2);
    expect(single(fromModel, "tokenizer.ggml.unknown_token_id")).toBe(0);
    expect(single(fromModel, "tokenizer.ggml.add_bos_token")).toBe(true);
    expect(single(fromModel, "tokenizer.ggml.add_eos_token")).toBe(false);
  });

  it("takes what tokenizer.json does not say from the other files", async () => {
    const added = {
      "400": { content: "▁<image>", special: false },
      "401": { content: "<pad>", special: true },
    };
    const metadata = await metadataOf(
      "config",
      {
        "tokenizer.model": model,
        "tokenizer_config.json": JSON.stringify({
          added_tokens_decoder: added,
          add_bos_token: false,
          pad_token: "<pad>",
          chat_template: [
            { name: "tools", template: "no" },
            { name: "default", template: "yes" },
          ],
        }),
      },
      { bos_token_id: 1, eos_token_id: [2, 7] },
    );
    expect(list(metadata, "tokens").slice(400, 402)).toEqual([" <image>", "<pad>"]);
    expect(list(metadata, "token_type").slice(400, 402)).toEqual([4, 3]);
    expect(single(metadata, "tokenizer.ggml.add_bos_token")).toBe(false);
    expect(single(metadata, "tokenizer.ggml.eos_token_id")).toBe(2);
    expect(single(metadata, "tokenizer.ggml.padding_token_id")).toBe(401);
    expect(single(metadata, "tokenizer.chat_template")).toBe("yes");
    const jinja = { "tokenizer.model": model, "chat_template.jinja": "{{ x }}" };
    expect(single(await metadataOf("jinja", jinja), "tokenizer.chat_template")).toBe("{{ x }}");
  });

  it("is an error where there is none, or one too large, or one that is no JSON", async () => {
    await expect(metadataOf("none", {})).rejects.toThrow("there is no tokenizer.model and no tokenizer.json");
    await expect(metadataOf("large", { "tokenizer.model": model }, {}, 399)).rejects.toThrow(
      "the tokenizer has 400 tokens and the embedding 399 rows",
    );
    await expect(metadataOf("broken", { "tokenizer.json": "{" })).rejects.toThrow(
      "tokenizer.json is no JSON",
    );
  });

  it("of bytes has merges for scores, and comes back as the same tokenizer", async () => {
    const vocab = { "<|end|>": 0, a: 1, b: 2, Ġ: 3, ab: 4, Ġab: 5, "1": 6 };
    const byteLevel = (steps: object[], settings: object = {}) => ({
      added_tokens: [{ id: 0, content: "<|end|>", special: true }],
      normalizer: null,
      pre_tokenizer: { type: "Sequence", pretokenizers: steps },
      model: { type: "BPE", vocab, merges: ["a b", "Ġ ab"], ...settings },
    });
    const split = (Regex: string) => ({ type: "Split", pattern: { Regex }, behavior: "Isolated" });
    const bytes = { type: "ByteLevel", add_prefix_space: false, use_regex: false };
    // As the models' own files have them.
    const words = (digits: string) =>
      `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
    const settings = JSON.stringify({ eos_token: "<|end|>" });
    const of = (name: string, tokenizer: object) =>
      metadataOf(
        name,
        { "tokenizer.json": JSON.stringify(tokenizer), "tokenizer_config.json": settings },
        {},
        8,
      );
    const qwen = await of("qwen2", byteLevel([split(words("\\p{N}")), bytes]));
    expect(single(qwen, "tokenizer.ggml.model")).toBe("gpt2");
    expect(single(qwen, "tokenizer.ggml.pre")).toBe("qwen2");
    expect(list(qwen, "merges")).toEqual(["a b", "Ġ ab"]);
    expect(list(qwen, "token_type")).toEqual([3, 1, 1, 1, 1, 1, 1, 5]);
    expect(qwen.has("tokenizer.ggml.scores")).toBe(false);
    expect(single(qwen, "tokenizer.ggml.add_bos_token")).toBe(false);
    const llama3 = byteLevel([split(words("\\p{N}{1,3}")), bytes], { ignore_merges: true });
    expect(single(await of("llama3", llama3), "tokenizer.ggml.pre")).toBe("llama-bpe");
    const smol = byteLevel([
      { type: "Digits", individual_digits: true },
      { ...bytes, use_regex: true },
    ]);
    expect(single(await of("smollm", smol), "tokenizer.ggml.pre")).toBe("smollm");
    const back = tokenizerJson(metadataReader(qwen, "back.gguf")) as unknown as TokenizerJson;
    expect(back.model.merges).toEqual([
      ["a", "b"],
      ["Ġ", "ab"],
    ]);
    expect(back.model.vocab).toEqual({ ...vocab, "[PAD7]": 7 });
    await expect(of("strange", byteLevel([split("x+"), bytes]))).rejects.toThrow(
      "llama.cpp has no name for its way of cutting texts: x+",
    );
  });
});
