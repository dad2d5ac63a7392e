import { GgufError } from "./gguf-error.ts";

/** An object of JSON. */
export type Json = Readonly<Record<string, unknown>>;

/** An object in it; an empty one where it is missing. */
export function objectAt(json: Json, key: string): Json {
  const value = json[key];
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

/** @throws {GgufError} where it is there and no number */
export function numberAt(json: Json, key: string, fallback: number): number {
  const value = json[key] ?? fallback;
  if (typeof value === "number") return value;
  throw new GgufError(`${key} of config.json is ${JSON.stringify(value)}; it must be a number`);
}
