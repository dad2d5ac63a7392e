import { GgufError } from "./gguf-error.ts";
import type { Metadata, ScalarType, ValueList } from "./metadata.ts";

/** Values of a GGUF file's metadata by key, each of the kind that is asked for. */
export interface MetadataReader {
  /** Of the architecture's own keys: `llama.block_count` is asked for as `block_count`. */
  at(prefix: string): MetadataReader;
  has(key: string): boolean;
  /** @throws {GgufError} where it is no number, or is missing and there is no fallback */
  number(key: string, fallback?: number): number;
  /** A number, or a list of them that has one for each layer. */
  numbers(key: string, fallback?: readonly number[]): readonly number[];
  /** @throws {GgufError} where it is no text, or is missing and there is no fallback */
  text(key: string, fallback?: string): string;
  flag(key: string, fallback: boolean): boolean;
  /** @throws {GgufError} where it is no list of texts, or is missing */
  texts(key: string): readonly string[];
  error(message: string, hint?: string): GgufError;
}

/** @param file what errors call it */
export function metadataReader(metadata: Metadata, file: string, prefix = ""): MetadataReader {
  const error = (message: string, hint?: string) => new GgufError(`${file}: ${message}`, hint);
  const wrong = (key: string, kind: string) => {
    const found = metadata.get(prefix + key);
    const what = found === undefined ? "missing" : `of type ${found.type}`;
    return error(`${prefix}${key} is ${what}, and must be ${kind}`);
  };
  const isNumeric = (type: ScalarType) => type !== "string" && type !== "bool";
  const listAt = (key: string): ValueList | undefined => {
    const value = metadata.get(prefix + key);
    return value?.type === "array" ? value : undefined;
  };
  return {
    at: (deeper) => metadataReader(metadata, file, prefix + deeper),
    has: (key) => metadata.has(prefix + key),
    number(key, fallback) {
      const value = metadata.get(prefix + key);
      if (value === undefined && fallback !== undefined) return fallback;
      if (value === undefined || value.type === "array" || !isNumeric(value.type))
        throw wrong(key, "a number");
      const number = shortest(value.type, Number(value.value));
      if (Number.isFinite(number)) return number;
      throw wrong(key, "a finite number");
    },
    numbers(key, fallback) {
      const list = listAt(key);
      if (list === undefined)
        return metadata.has(prefix + key) || fallback === undefined ? [this.number(key)] : fallback;
      if (!isNumeric(list.of)) throw wrong(key, "a list of numbers");
      return list.values.map((value) => shortest(list.of, Number(value)));
    },
    text(key, fallback) {
      const value = metadata.get(prefix + key);
      if (value === undefined && fallback !== undefined) return fallback;
      if (value?.type !== "string") throw wrong(key, "a text");
      return value.value;
    },
    flag(key, fallback) {
      const value = metadata.get(prefix + key);
      if (value === undefined) return fallback;
      if (value.type !== "bool") throw wrong(key, "true or false");
      return value.value;
    },
    texts(key) {
      const list = listAt(key);
      if (list?.of !== "string") throw wrong(key, "a list of texts");
      return list.values;
    },
    error,
  };
}

/** 1e-5 was rounded to 9.99999974737875e-6 when it became a float32: the shortest decimal that rounds to the same one is what was meant. */
function shortest(type: ScalarType, number: number): number {
  if (type !== "float32") return number;
  for (let digits = 6; digits <= 9; digits++) {
    const shorter = Number(number.toPrecision(digits));
    if (Math.fround(shorter) === number) return shorter;
  }
  return number;
}
