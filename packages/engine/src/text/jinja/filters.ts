import { round } from "./arithmetic.ts";
import type { CallArguments } from "./call-arguments.ts";
import { attributeOf, extreme, grouped, sorted, sortedDict, unique } from "./ordering.ts";
import { TemplateError } from "./template-error.ts";
import { capitalize, replace, splitLines, strip, textMethod } from "./text-methods.ts";
import { jsonOf, representation, textOf } from "./text-of.ts";
import {
  Float,
  isDict,
  iterate,
  lengthOf,
  none,
  numberOf,
  sequence,
  Tuple,
  truth,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";
import { bounded, spendLength, spendRange } from "./work-limit.ts";

type Filter = (value: Value, args: CallArguments) => Value;

/** A filter's parameters in Jinja2's order, and what it does. */
type Described = readonly [parameters: readonly string[], filter: Filter];

const ORDER = ["reverse", "case_sensitive", "attribute"];

/** The filters of Jinja2 by their names, without those that call other filters or tests. */
export const FILTERS: ReadonlyMap<string, Described> = new Map<string, Described>([
  ["safe", [[], (value) => textOf(value)]],
  ["string", [[], (value) => textOf(value)]],
  ["e", [[], (value) => escaped(textOf(value))]],
  ["escape", [[], (value) => escaped(textOf(value))]],
  ["forceescape", [[], (value) => escaped(textOf(value))]],
  ["upper", [[], (value) => textOf(value).toUpperCase()]],
  ["lower", [[], (value) => textOf(value).toLowerCase()]],
  ["capitalize", [[], (value) => capitalize(textOf(value))]],
  ["title", [[], (value) => titleOf(textOf(value))]],
  ["trim", [["chars"], (value, args) => strip(textOf(value), args.maybeText("chars"), true, true)]],
  [
    "striptags",
    [
      [],
      (value) =>
        textOf(value)
          .replace(/<!--.*?-->|<[^>]*>/gs, "")
          .split(/\s+/)
          .filter((word) => word !== "")
          .join(" "),
    ],
  ],
  ["wordcount", [[], (value) => textOf(value).match(/[\p{L}\p{N}\p{M}_]+/gu)?.length ?? 0]],
  ["center", [["width"], (value, args) => callMethod(textOf(value), "center", [args.integer("width", 80)])]],
  [
    "replace",
    [
      ["old", "new", "count"],
      (value, args) => {
        const count = args.or("count", none);
        return replace(
          textOf(value),
          textOf(args.value("old")),
          textOf(args.value("new")),
          count === none ? -1 : args.integer("count"),
        );
      },
    ],
  ],
  ["indent", [["width", "first", "blank"], indented]],
  ["truncate", [["length", "killwords", "end", "leeway"], truncated]],
  [
    "urlencode",
    [
      [],
      (value) =>
        encodeURIComponent(textOf(value))
          .replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
          .replaceAll("%2F", "/"),
    ],
  ],
  ["tojson", [["ensure_ascii", "indent", "separators", "sort_keys"], json]],
  ["pprint", [[], (value) => representation(value)]],
  ["length", [[], (value) => lengthOf(value)]],
  ["count", [[], (value) => lengthOf(value)]],
  ["list", [[], (value) => [...iterate(value)]]],
  ["items", [[], items]],
  ["first", [[], (value) => iterate(value)[0] ?? new Undefined("the first of nothing")]],
  ["last", [[], (value) => iterate(value).at(-1) ?? new Undefined("the last of nothing")]],
  [
    "reverse",
    [
      [],
      (value) => (typeof value === "string" ? [...value].reverse().join("") : [...iterate(value)].reverse()),
    ],
  ],
  ["join", [["d", "attribute"], join]],
  ["default", [["default_value", "boolean"], otherwise]],
  ["d", [["default_value", "boolean"], otherwise]],
  [
    "abs",
    [
      [],
      (value) =>
        value instanceof Float ? new Float(Math.abs(value.number)) : Math.abs(numberOrFail(value, "abs")),
    ],
  ],
  ["int", [["default", "base"], integer]],
  ["float", [["default"], (value, args) => float(value) ?? args.or("default", new Float(0))]],
  [
    "round",
    [
      ["precision", "method"],
      (value, args) =>
        round(
          numberOrFail(value, "round"),
          args.integer("precision", 0),
          args.text("method", "common"),
          value instanceof Float,
        ),
    ],
  ],
  ["sum", [["attribute", "start"], sum]],
  ["min", [["case_sensitive", "attribute"], (value, args) => extreme(value, args, -1)]],
  ["max", [["case_sensitive", "attribute"], (value, args) => extreme(value, args, 1)]],
  ["sort", [ORDER, sorted]],
  ["dictsort", [["case_sensitive", "by", "reverse"], sortedDict]],
  ["unique", [["case_sensitive", "attribute"], unique]],
  ["groupby", [["attribute", "default", "case_sensitive"], grouped]],
  ["batch", [["linecount", "fill_with"], batches]],
  ["slice", [["slices", "fill_with"], slices]],
]);

function callMethod(text: string, name: string, args: readonly Value[]): Value {
  return textMethod(text, name)?.call(args, new Map()) ?? text;
}

function escaped(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&#34;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (character) => entities[character] as string);
}

/** Jinja2's own: words begin after blanks, hyphens and opening brackets. */
function titleOf(text: string): string {
  return text
    .split(/([-\s({[<]+)/)
    .map((piece) => {
      const [first = "", ...rest] = piece;
      return first.toUpperCase() + rest.join("").toLowerCase();
    })
    .join("");
}

function indented(value: Value, args: CallArguments): Value {
  const width = args.or("width", 4);
  if (typeof width !== "string") spendLength(args.integer("width", 4));
  const by = typeof width === "string" ? width : " ".repeat(Math.max(0, args.integer("width", 4)));
  const lines = splitLines(`${textOf(value)}\n`);
  spendLength(by.length * lines.length);
  const made = lines
    .map((line, i) => (i > 0 && (line !== "" || args.flag("blank")) ? by + line : line))
    .join("\n");
  return args.flag("first") ? by + made : made;
}

function truncated(value: Value, args: CallArguments): Value {
  const points = [...textOf(value)];
  const [length, end] = [args.integer("length", 255), args.text("end", "...")];
  const leeway = args.or("leeway", none) === none ? 5 : args.integer("leeway");
  if (points.length <= length + leeway) return points.join("");
  const kept = points.slice(0, Math.max(0, length - [...end].length)).join("");
  const cut = args.flag("killwords") ? -1 : kept.lastIndexOf(" ");
  return (cut < 0 ? kept : kept.slice(0, cut)) + end;
}

function json(value: Value, args: CallArguments): Value {
  const indent = args.or("indent", none);
  const separators = sequence(args.or("separators", none));
  const [between, after] = separators?.map(textOf) ?? [];
  if (typeof indent === "number") spendLength(indent);
  return bounded(
    jsonOf(value, {
      asciiOnly: args.flag("ensure_ascii"),
      indent:
        indent === none
          ? undefined
          : typeof indent === "string"
            ? indent
            : " ".repeat(Math.max(0, args.integer("indent"))),
      separators: [between ?? (indent === none ? ", " : ","), after ?? ": "],
      sortKeys: args.flag("sort_keys"),
    }),
  );
}

function items(value: Value): Value {
  if (value instanceof Undefined) return [];
  if (!isDict(value)) throw new TemplateError(`"items" needs a dict, not ${typeName(value)}`);
  return [...value].map((pair) => new Tuple(pair));
}

function join(value: Value, args: CallArguments): Value {
  const attribute = args.or("attribute", none);
  const by = textOf(args.or("d", ""));
  const texts = iterate(value).map((item) =>
    textOf(attribute === none ? item : attributeOf(item, textOf(attribute))),
  );
  spendLength(texts.reduce((sum, { length }) => sum + length + by.length, 0));
  return texts.join(by);
}

function otherwise(value: Value, args: CallArguments): Value {
  const isMissing = value instanceof Undefined || (args.flag("boolean") && !truth(value));
  return isMissing ? args.or("default_value", "") : value;
}

function numberOrFail(value: Value, name: string): number {
  const number = numberOf(value);
  if (number === undefined) throw new TemplateError(`"${name}" needs a number, not ${typeName(value)}`);
  return number;
}

function integer(value: Value, args: CallArguments): Value {
  if (typeof value !== "string") {
    const number = numberOf(value);
    return number !== undefined && Number.isFinite(number) ? Math.trunc(number) : args.or("default", 0);
  }
  const base = args.integer("base", 10);
  const text = strip(value, undefined, true, true).replaceAll(/(?<=[\da-z])_(?=[\da-z])/gi, "");
  const digits =
    base === 16
      ? text.replace(/^([+-]?)0x/i, "$1")
      : base === 8
        ? text.replace(/^([+-]?)0o/i, "$1")
        : base === 2
          ? text.replace(/^([+-]?)0b/i, "$1")
          : text;
  const allowed = "0123456789abcdefghijklmnopqrstuvwxyz".slice(0, base);
  if (new RegExp(`^[+-]?[${allowed}]+$`, "i").test(digits)) return Number.parseInt(digits, base) + 0;
  const asFloat = float(value);
  return asFloat !== undefined && Number.isFinite(asFloat.number)
    ? Math.trunc(asFloat.number) + 0
    : args.or("default", 0);
}

function float(value: Value): Float | undefined {
  if (typeof value !== "string") {
    const number = numberOf(value);
    return number === undefined ? undefined : new Float(number);
  }
  const text = strip(value, undefined, true, true).replaceAll(/(?<=\d)_(?=\d)/g, "");
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return new Float(Number(text));
  const named = /^([+-]?)(inf|infinity|nan)$/i.exec(text);
  if (named === null) return undefined;
  return new Float(
    (named[1] === "-" ? -1 : 1) * (/^nan$/i.test(named[2] as string) ? Number.NaN : Number.POSITIVE_INFINITY),
  );
}

function sum(value: Value, args: CallArguments): Value {
  const attribute = args.or("attribute", none);
  let isFloat = false;
  const total = [
    args.or("start", 0),
    ...iterate(value).map((item) => (attribute === none ? item : attributeOf(item, textOf(attribute)))),
  ].reduce<number>((before, item) => {
    isFloat ||= item instanceof Float;
    return before + numberOrFail(item, "sum");
  }, 0);
  return isFloat ? new Float(total) : total;
}

function batches(value: Value, args: CallArguments): Value {
  const [size, fill] = [Math.max(1, args.integer("linecount")), args.or("fill_with", none)];
  const all = iterate(value);
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => {
    const batch = all.slice(i * size, (i + 1) * size);
    return fill === none ? batch : [...batch, ...Array<Value>(size - batch.length).fill(fill)];
  });
}

function slices(value: Value, args: CallArguments): Value {
  const [count, fill] = [Math.max(1, args.integer("slices")), args.or("fill_with", none)];
  spendRange(count);
  const all = iterate(value);
  const [least, more] = [Math.floor(all.length / count), all.length % count];
  let at = 0;
  return Array.from({ length: count }, (_, i) => {
    const part = all.slice(at, at + least + (i < more ? 1 : 0));
    at += part.length;
    return fill !== none && i >= more ? [...part, fill] : part;
  });
}
