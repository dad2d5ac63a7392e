import { ConfigError } from "@vlmopt/models";
import type { Filter } from "../resample.ts";
import type { Colour } from "../rgb-image.ts";

export type Json = Readonly<Record<string, unknown>>;

/** Typed access to preprocessor_config.json; what is missing or null takes the class's default. */
export interface ProcessorSettings {
  has(key: string): boolean;
  /** False where it is missing. */
  flag(key: string): boolean;
  number(key: string): number;
  /** One number for each channel; a single one counts for all. */
  colour(key: string): Colour;
  /** A list of pairs `[height, width]`. */
  pairs(key: string): readonly (readonly [number, number])[];
  /** An object of numbers. */
  sides(key: string): Sides;
  filter(): Filter;
}

/** `height` and `width`, or `shortest_edge`, `longest_edge` … in pixels. */
export type Sides = Readonly<Partial<Record<string, number>>>;

/** Pillow's numbers for its filters. */
const filters: readonly Filter[] = ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"];

/**
 * @param config the contents of preprocessor_config.json
 * @param defaults what the class of transformers has for keys that are missing
 */
export function processorSettings(config: Json, defaults: Json): ProcessorSettings {
  const settingOf = (key: string): unknown => config[key] ?? defaults[key] ?? undefined;
  const wrong = (key: string, wanted: string): never => {
    const value = settingOf(key);
    const state = value === undefined ? "is missing" : `is ${JSON.stringify(value)}`;
    throw new ConfigError(`${key} of preprocessor_config.json ${state}; it must be ${wanted}`);
  };
  return {
    has: (key) => settingOf(key) !== undefined,
    flag(key) {
      const value = settingOf(key) ?? false;
      return typeof value === "boolean" ? value : wrong(key, "true or false");
    },
    number(key) {
      const value = settingOf(key);
      return typeof value === "number" ? value : wrong(key, "a number");
    },
    colour(key) {
      const value = settingOf(key);
      if (typeof value === "number") return [value, value, value];
      return isNumbers(value) && value.length === 3
        ? (value as unknown as Colour)
        : wrong(key, "three numbers, one for each channel");
    },
    pairs(key) {
      const value = settingOf(key);
      const all = Array.isArray(value) && value.every((pair) => isNumbers(pair) && pair.length === 2);
      return all ? (value as [number, number][]) : wrong(key, "a list of pairs of numbers");
    },
    sides(key) {
      const value = settingOf(key);
      const isSquare = settingOf("default_to_square") === true || key === "crop_size";
      if (typeof value === "number") {
        return isSquare ? { height: value, width: value } : { shortest_edge: value };
      }
      if (typeof value !== "object" || value === null || Array.isArray(value)) {
        return wrong(key, "a number or an object of sides");
      }
      const given = Object.entries(value).filter(([, side]) => side !== null);
      const all = given.every(([, side]) => Number.isSafeInteger(side) && (side as number) > 0);
      return all ? Object.fromEntries(given) : wrong(key, "an object of whole numbers of pixels");
    },
    filter() {
      const value = settingOf("resample");
      const filter = typeof value === "number" ? filters[value] : undefined;
      return filter ?? wrong("resample", "one of Pillow's filters, a number from 0 to 5");
    },
  };
}

function isNumbers(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((item) => typeof item === "number");
}
