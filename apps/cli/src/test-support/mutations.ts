/** Draws whole numbers below a bound; the same seed draws the same ones (mulberry32). */
export type Draw = (bound: number) => number;

export function seeded(seed: number): Draw {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}

export function pick<T>(draw: Draw, values: readonly T[]): T {
  return values[draw(values.length)] as T;
}

type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };

/** Mutates a value: changes its type, moves it out of range, or changes it slightly. */
const ODD: readonly JsonValue[] = [
  null,
  true,
  false,
  0,
  1,
  -1,
  2,
  0.5,
  1e-9,
  1e9,
  2 ** 31,
  1e308,
  "",
  "x",
  "0",
  "null",
  "é🙂\u0000",
  [],
  [0],
  {},
  { a: 1 },
  [[]],
  ["x", "x"],
];

/** JSON in which one value is another, is gone, stands twice, or whose text is broken. */
export function mutatedJson(json: string, draw: Draw): string {
  if (draw(8) === 0)
    return mutatedText(json, draw, ['"', "{", "}", "[", "]", ",", ":", "\\", "NaN", "1e999"]);
  const root = JSON.parse(json) as JsonValue;
  const places: { readonly parent: JsonValue[] | { [key: string]: JsonValue }; readonly key: string }[] = [];
  const collect = (value: JsonValue): void => {
    if (typeof value !== "object" || value === null) return;
    const keys = Object.keys(value);
    // A vocabulary has thousands of values, a model's settings some dozens: each object is drawn from alike.
    const some = keys.length > 12 ? Array.from({ length: 12 }, () => pick(draw, keys)) : keys;
    for (const key of some) {
      places.push({ parent: value as { [key: string]: JsonValue }, key });
      collect((value as { [key: string]: JsonValue })[key] as JsonValue);
    }
  };
  collect(root);
  const { parent, key } = pick(draw, places);
  const owner = parent as { [key: string]: JsonValue };
  const before = owner[key] as JsonValue;
  switch (draw(7)) {
    case 0:
      if (Array.isArray(parent)) parent.splice(Number(key), 1);
      else delete owner[key];
      break;
    case 1:
      owner[key] =
        typeof before === "number"
          ? pick(draw, [-before, before * 2, before + 1, before - 1, before / 3])
          : [before];
      break;
    case 2:
      owner[key] =
        typeof before === "string" ? mutatedText(before, draw, ["x", "", " ", "\u0000"]) : String(before);
      break;
    case 3:
      owner[`${key}x`] = before;
      delete owner[key];
      break;
    default:
      owner[key] = pick(draw, ODD);
  }
  return JSON.stringify(root);
}

/** A text with a piece cut out, put in twice, or another in its place. */
export function mutatedText(text: string, draw: Draw, pieces: readonly string[]): string {
  const at = draw(text.length + 1);
  const end = Math.min(text.length, at + 1 + draw(12));
  switch (draw(5)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return text.slice(0, at) + text.slice(end);
    case 2:
      return text.slice(0, end) + text.slice(at);
    case 3:
      return text.slice(0, at) + pick(draw, pieces) + text.slice(at);
    default:
      return text.slice(0, at) + pick(draw, pieces) + text.slice(end);
  }
}

/** What speaks of our code and not of the user's file. */
const INTERNAL =
  /Cannot read|is not a function|is not iterable|undefined \(|of undefined|of null|Maximum call stack|Invalid (array|typed array) length|is not defined|Unexpected token '?<|\n|at .*:\d+:\d+|offset is out of bounds|before initialization|Cannot convert|not valid JSON\b.*at async/;

/** The sentence of an error, where it is one that a user may see; else what is wrong with it. */
export function unfit(error: unknown): string | undefined {
  if (!(error instanceof Error)) return `no error was thrown, but ${String(error)}`;
  const isOurs =
    error.name !== "AssertionError" &&
    error.constructor !== TypeError &&
    error.constructor !== ReferenceError &&
    error.constructor !== SyntaxError;
  if (!isOurs || INTERNAL.test(error.message) || error.message.length > 1000 || error.message === "") {
    return `${error.name}: ${error.message.slice(0, 300)}\n${error.stack?.split("\n").slice(1, 5).join("\n")}`;
  }
  return undefined;
}
