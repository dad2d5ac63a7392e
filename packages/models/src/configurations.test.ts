import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { ConfigError, clipForward, gpt2Forward, textEncoder } from "@vlmopt/models";
import type { TensorSpec } from "@vlmopt/tensor-io";
import { describe, expect, test } from "vitest";
import { writtenModel, writtenPass } from "./test-support/written-pass.ts";

type Json = Record<string, unknown>;

/** What transformers makes of a fixture's config.json, edited (tools/reference/models_configs.py). */
interface Case {
  readonly edits: Readonly<Record<string, unknown>>;
  /** What differs then in the configuration that it works with, by path. */
  readonly effective?: Readonly<Record<string, unknown>>;
  readonly refused?: string;
}

const goldens = JSON.parse(
  gunzipSync(readFileSync(new URL("../goldens/configs.json.gz", import.meta.url))).toString(),
) as Record<string, Case[]>;

const fixtureFile = (name: string, file: string) =>
  readFileSync(new URL(`../../../fixtures/${name}/${file}`, import.meta.url));

function edited(config: Json, edits: Readonly<Record<string, unknown>>): Json {
  const copy = structuredClone(config);
  for (const [path, value] of Object.entries(edits)) {
    const keys = path.split(".");
    let part: Json = copy;
    for (const key of keys.slice(0, -1)) {
      part[key] ??= {};
      part = part[key] as Json;
    }
    const key = keys.at(-1) as string;
    if (value === "gone") delete part[key];
    else part[key] = value;
  }
  return copy;
}

/** The configuration, and the paths that are asked for while it is read. */
function watched(config: Json, asked: Set<string>, path: readonly string[] = []): Json {
  return new Proxy(config, {
    get(target, key: string) {
      const value = target[key];
      asked.add([...path, key].join("."));
      return typeof value === "object" && value !== null && !Array.isArray(value)
        ? watched(value as Json, asked, [...path, key])
        : value;
    },
  });
}

function tensorsOf(name: string): Map<string, TensorSpec> {
  const bytes = fixtureFile(name, "model.safetensors");
  const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString()) as Record<
    string,
    TensorSpec
  >;
  return new Map(Object.entries(header).map(([key, spec]) => [key, { ...spec, name: key }]));
}

function written(name: string, config: Json): string {
  if (name.startsWith("checkpoints/")) return writtenModel(config);
  const tensors = tensorsOf(name);
  if (name === "encoders/gpt2") {
    const { maxTokens, pass } = gpt2Forward(config, tensors);
    return JSON.stringify({ maxTokens, pass: writtenPass(pass) });
  }
  if (name === "encoders/clip") {
    const { maxTokens, text, vision } = clipForward(config, tensors);
    return JSON.stringify({ maxTokens, text: writtenPass(text), vision: writtenPass(vision) });
  }
  const encoder = textEncoder(config, tensors);
  return JSON.stringify({
    maxTokens: encoder.maxTokens,
    pass: writtenPass(encoder.pass(encoder.layers)),
    inputs: encoder.inputsOf([[5, 6, 7], [5]]),
  });
}

/** The same for equal ways of reading, errors among them. */
function outcome(name: string, config: Json): string {
  try {
    return written(name, config);
  } catch (error) {
    if (error instanceof ConfigError) return "Error: it is refused";
    return String(error);
  }
}

describe.each(Object.keys(goldens))("the configuration of %s", (name) => {
  const config = JSON.parse(fixtureFile(name, "config.json").toString()) as Json;
  const cases = goldens[name] as Case[];

  test.each(
    cases.filter(({ effective }) => effective).map((one) => [JSON.stringify(one.edits), one] as const),
  )("is read as transformers reads it with %s", (_, { edits, effective = {} }) => {
    const told = Object.entries(effective).map(([path, value]) => [
      path,
      value ?? (edits[path] === null ? null : "gone"),
    ]);
    const explicit = edited(config, Object.fromEntries(told));
    expect(outcome(name, edited(config, edits))).toBe(outcome(name, explicit));
  });

  test("is refused where transformers refuses null or what was written, as far as it is read", () => {
    const asked = new Set<string>();
    outcome(name, watched(config, asked));
    const read = cases.filter(
      ({ refused, edits }) =>
        refused !== undefined &&
        Object.values(edits).every((value) => value !== "gone") &&
        Object.keys(edits).every((path) => asked.has(path)),
    );
    const accepted = read.filter(({ edits }) => !/Error: /.test(outcome(name, edited(config, edits))));
    expect(accepted.map(({ edits }) => JSON.stringify(edits))).toEqual([]);
  });

  test("is compared in all that is read of it", () => {
    const asked = new Set<string>();
    outcome(name, watched(config, asked));
    const compared = new Set(cases.flatMap(({ edits }) => Object.keys(edits)));
    const elsewhere =
      /(^|\.)(model_type|talking_head|embedding_size|conv_kernel_size|rope_scaling|rope_theta|type|tie_word_embeddings|image_token_id)$/;
    const parts =
      /^(text_config|vision_config|vision_config\.spatial_merge_size|text_config\.(patch|image)_size)$/;
    const left = [...asked].filter(
      (path) => !compared.has(path) && !elsewhere.test(path) && !parts.test(path),
    );
    expect(left).toEqual([]);
  });
});
