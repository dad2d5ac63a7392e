import { TemplateError } from "./template-error.ts";
import {
  Callable,
  Float,
  isDict,
  isList,
  Namespace,
  None,
  none,
  Tuple,
  Undefined,
  type Value,
} from "./values.ts";
import { bounded, spend } from "./work-limit.ts";

/** Python's `str`: what a value prints as. */
export function textOf(value: Value): string {
  if (typeof value === "string") return value;
  return value instanceof Undefined ? "" : bounded(representation(value));
}

/** Python's `repr`. */
export function representation(value: Value): string {
  spend();
  if (typeof value === "string") return quoted(value);
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return integerText(value);
  if (value instanceof Float) return floatText(value.number);
  if (value instanceof Undefined) return "Undefined";
  if (value instanceof Tuple) {
    const items = value.items.map(representation);
    return items.length === 1 ? `(${items[0]},)` : `(${items.join(", ")})`;
  }
  if (value instanceof Namespace) {
    return `<Namespace ${representation(value.attributes)}>`;
  }
  if (value instanceof Callable) return `<function ${value.name}>`;
  if (value instanceof None) return "None";
  if (isList(value)) return `[${value.map(representation).join(", ")}]`;
  const pairs = [...value].map(([key, of]) => `${representation(key)}: ${representation(of)}`);
  return `{${pairs.join(", ")}}`;
}

function integerText(value: number): string {
  if (!Number.isSafeInteger(value)) throw new TemplateError(`${value} is past 2^53`);
  return String(value);
}

function floatText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (Object.is(value, -0)) return "-0.0";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) {
    // Python writes two digits of an exponent at least.
    return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
  }
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  let inner = "";
  for (const character of text) {
    if (character === quote || character === "\\") inner += `\\${character}`;
    else if (character === "\n") inner += "\\n";
    else if (character === "\r") inner += "\\r";
    else if (character === "\t") inner += "\\t";
    else if (character !== " " && /[\p{C}\p{Z}]/u.test(character))
      inner += escapedPoint(character.codePointAt(0) as number);
    else inner += character;
  }
  return quote + inner + quote;
}

function escapedPoint(point: number): string {
  if (point < 0x100) return `\\x${point.toString(16).padStart(2, "0")}`;
  return point < 0x10000
    ? `\\u${point.toString(16).padStart(4, "0")}`
    : `\\U${point.toString(16).padStart(8, "0")}`;
}

export interface JsonOptions {
  readonly asciiOnly: boolean;
  /** Blanks of a level, or the text itself; on one line where there is none. */
  readonly indent: string | undefined;
  readonly separators: readonly [string, string];
  readonly sortKeys: boolean;
}

/** Python's `json.dumps`. */
export function jsonOf(value: Value, options: JsonOptions, depth = 0): string {
  spend();
  if (typeof value === "string") return jsonText(value, options.asciiOnly);
  if (value === none) return "null";
  if (typeof value === "boolean") return String(value);
  if (typeof value === "number") return integerText(value);
  if (value instanceof Float) return floatText(value.number).replace("inf", "Infinity").replace("nan", "NaN");
  const items = isList(value) ? value : value instanceof Tuple ? value.items : undefined;
  if (items !== undefined)
    return bracketed(
      "[",
      items.map((item) => jsonOf(item, options, depth + 1)),
      "]",
    );
  if (isDict(value)) {
    let pairs = [...value].map(
      ([key, of]) => [typeof key === "string" ? key : jsonOf(key, options), of] as const,
    );
    if (options.sortKeys) pairs = pairs.sort(([a], [b]) => (a < b ? -1 : Number(a > b)));
    const texts = pairs.map(
      ([key, of]) =>
        jsonText(key, options.asciiOnly) + options.separators[1] + jsonOf(of, options, depth + 1),
    );
    return bracketed("{", texts, "}");
  }
  throw new TemplateError(
    `"tojson": what is ${value instanceof Undefined ? "undefined" : "no data"} has no JSON`,
  );

  function bracketed(open: string, texts: readonly string[], close: string): string {
    if (texts.length === 0) return open + close;
    const { indent, separators } = options;
    if (indent === undefined) return open + texts.join(separators[0]) + close;
    const [inner, outer] = [`\n${indent.repeat(depth + 1)}`, `\n${indent.repeat(depth)}`];
    return open + inner + texts.join(separators[0] + inner) + outer + close;
  }
}

function jsonText(text: string, asciiOnly: boolean): string {
  const json = JSON.stringify(text);
  if (!asciiOnly) return json;
  return json.replace(/[\x7f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
