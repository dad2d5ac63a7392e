import { ConfigError } from "./description.ts";

/**
 * Typed access to an object of config.json; what is missing takes the family's default, what is wrong is an error that names it. null is
 * wrong as well, except where transformers gives it a meaning of its own.
 */
export interface ConfigReader {
  /** Where it lies in config.json, for errors: `text_config`. */
  readonly path: readonly string[];
  readonly isEmpty: boolean;
  /** Whether it is there and not null. */
  has(key: string): boolean;
  isNull(key: string): boolean;
  /** A whole number of at least 1. */
  size(key: string, fallback?: number): number;
  /** The same; undefined where it is null. */
  sizeOrNull(key: string, fallback: number): number | undefined;
  number(key: string, fallback: number): number;
  /** The same; undefined where it is null. */
  numberOrNull(key: string, fallback: number): number | undefined;
  /** A list of numbers; a single one counts as a list of one. */
  numbers(key: string, fallback: readonly number[]): readonly number[];
  flag(key: string, fallback: boolean): boolean;
  /** The same; undefined where it is null. */
  flagOrNull(key: string, fallback: boolean): boolean | undefined;
  text(key: string, fallback?: string): string;
  /** A list of texts; none where it is missing or null. */
  texts(key: string): readonly string[];
  sizes(key: string, fallback?: readonly number[]): readonly number[];
  /** A list of pairs of numbers; null is as if it were missing. */
  pairs(
    key: string,
    fallback: readonly (readonly [number, number])[],
  ): readonly (readonly [number, number])[];
  /** How many things a key holds: the length of a list, 1 for anything else. */
  count(key: string): number;
  /** An object in it; an empty one where it is missing or null. */
  child(key: string): ConfigReader;
}

/** @throws {ConfigError} where `value` is no object */
export function readConfig(value: unknown, path: readonly string[] = []): ConfigReader {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ConfigError(`${path.length === 0 ? "config.json" : path.join(".")} is not an object`);
  }
  const object = value as Readonly<Record<string, unknown>>;
  const wrong = (key: string, wanted: string): never => {
    const found = object[key] === undefined ? "is missing" : `is ${JSON.stringify(object[key])}`;
    throw new ConfigError(`${[...path, key].join(".")} of config.json ${found}; it must be ${wanted}`);
  };
  const fieldOf = (key: string, fallback?: unknown): unknown =>
    object[key] === undefined ? fallback : object[key];
  const isNull = (key: string) => object[key] === null;
  const isSize = (candidate: unknown): candidate is number =>
    Number.isSafeInteger(candidate) && (candidate as number) > 0;
  const size: ConfigReader["size"] = (key, fallback) => {
    const found = fieldOf(key, fallback);
    return isSize(found) ? found : wrong(key, "a whole number of at least 1");
  };
  const number: ConfigReader["number"] = (key, fallback) => {
    const found = fieldOf(key, fallback);
    return typeof found === "number" && Number.isFinite(found) ? found : wrong(key, "a number");
  };
  const flag: ConfigReader["flag"] = (key, fallback) => {
    const found = fieldOf(key, fallback);
    return typeof found === "boolean" ? found : wrong(key, "true or false");
  };
  return {
    path,
    isEmpty: Object.keys(object).length === 0,
    isNull,
    has: (key) => fieldOf(key) !== undefined && !isNull(key),
    size,
    sizeOrNull: (key, fallback) => (isNull(key) ? undefined : size(key, fallback)),
    number,
    numberOrNull: (key, fallback) => (isNull(key) ? undefined : number(key, fallback)),
    flag,
    flagOrNull: (key, fallback) => (isNull(key) ? undefined : flag(key, fallback)),
    numbers(key, fallback) {
      const found = [fieldOf(key, fallback)].flat();
      const all = found.every((item) => typeof item === "number");
      return all ? (found as number[]) : wrong(key, "a number or a list of numbers");
    },
    text(key, fallback) {
      const found = fieldOf(key, fallback);
      return typeof found === "string" ? found : wrong(key, "a text");
    },
    texts(key) {
      const found = fieldOf(key) ?? [];
      const all = Array.isArray(found) && found.every((item) => typeof item === "string");
      return all ? (found as string[]) : wrong(key, "a list of texts");
    },
    sizes(key, fallback) {
      const found = fieldOf(key, fallback);
      const all = Array.isArray(found) && found.every((item) => Number.isSafeInteger(item) && item >= 0);
      return all ? (found as number[]) : wrong(key, "a list of whole numbers");
    },
    pairs(key, fallback) {
      const found = fieldOf(key) ?? fallback;
      const isPair = (item: unknown) =>
        Array.isArray(item) && item.length === 2 && item.every((part) => typeof part === "number");
      const all = Array.isArray(found) && found.every(isPair);
      return all ? (found as [number, number][]) : wrong(key, "a list of pairs of numbers");
    },
    count(key) {
      const found = fieldOf(key);
      return Array.isArray(found) ? found.length : 1;
    },
    child: (key) => readConfig(fieldOf(key) ?? {}, [...path, key]),
  };
}
