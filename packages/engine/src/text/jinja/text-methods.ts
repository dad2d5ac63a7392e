import { CallArguments } from "./call-arguments.ts";
import { TemplateError } from "./template-error.ts";
import { textOf } from "./text-of.ts";
import { Callable, iterate, none, sequence, Tuple, typeName, type Value } from "./values.ts";
import { bounded, spendLength } from "./work-limit.ts";

/** What Python takes for white space; JavaScript's has U+FEFF, and lacks four separators and U+0085. */
const SPACE =
  "\\t\\n\\v\\f\\r\\x1c-\\x1f \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const BLANK = new RegExp(`^[${SPACE}]$`);
const WORDS = new RegExp(`[^${SPACE}]+`, "g");
const LINE_END_CHARACTERS = "\\n\\r\\v\\f\\x1c-\\x1e\\x85\\u2028\\u2029";
const LINE_END = new RegExp(`\\r\\n|[${LINE_END_CHARACTERS}]`, "g");

type Method = (text: string, args: CallArguments) => Value;

/** `str.strip`, of given characters or of white space. */
export function strip(text: string, characters: string | undefined, left: boolean, right: boolean): string {
  const points = [...text];
  const blank = characters === undefined ? (point: string) => BLANK.test(point) : setOf(characters);
  let [start, end] = [0, points.length];
  while (left && start < end && blank(points[start] as string)) start += 1;
  while (right && end > start && blank(points[end - 1] as string)) end -= 1;
  return points.slice(start, end).join("");
}

function setOf(characters: string): (point: string) => boolean {
  const set = new Set(characters);
  return (point) => set.has(point);
}

/** `str.split` at white space: at most `most` cuts, any number where it is below 0; what is left uncut keeps the blanks on its far side. */
function splitAtSpaces(text: string, most: number, fromRight: boolean): string[] {
  const words = [...text.matchAll(WORDS)].map(({ 0: word, index }) => ({
    word,
    start: index,
    end: index + word.length,
  }));
  const texts = words.map(({ word }) => word);
  if (most < 0 || words.length <= most) return texts;
  const rest = words[fromRight ? words.length - most - 1 : most];
  if (rest === undefined) return texts;
  if (fromRight) return [text.slice(0, rest.end), ...texts.slice(words.length - most)];
  return [...texts.slice(0, most), text.slice(rest.start)];
}

/** `str.split` at a text. */
function splitAt(text: string, by: string, most: number, fromRight: boolean): string[] {
  if (by === "") throw new TemplateError("split(): the separator is empty");
  if (!fromRight) {
    const pieces = text.split(by);
    return most < 0 || pieces.length <= most + 1
      ? pieces
      : [...pieces.slice(0, most), pieces.slice(most).join(by)];
  }
  const pieces: string[] = [];
  let end = text.length;
  for (;;) {
    const at = end < by.length || pieces.length === most ? -1 : text.lastIndexOf(by, end - by.length);
    pieces.unshift(text.slice(at < 0 ? 0 : at + by.length, end));
    if (at < 0) return pieces;
    end = at;
  }
}

function split(fromRight: boolean): Method {
  return (text, args) => {
    const [by, most] = [args.maybeText("sep"), args.integer("maxsplit", -1)];
    return by === undefined ? splitAtSpaces(text, most, fromRight) : splitAt(text, by, most, fromRight);
  };
}

export function splitLines(text: string, keepEnds = false): string[] {
  const lines: string[] = [];
  let start = 0;
  for (const match of text.matchAll(LINE_END)) {
    lines.push(text.slice(start, keepEnds ? match.index + match[0].length : match.index));
    start = match.index + match[0].length;
  }
  if (start < text.length) lines.push(text.slice(start));
  return lines;
}

/** `str.replace`, of the first `count` places or of all. */
export function replace(text: string, old: string, by: string, count: number): string {
  const most = count < 0 ? Number.POSITIVE_INFINITY : count;
  const places = old === "" ? [...text].length + 1 : text.split(old).length - 1;
  spendLength(text.length + Math.min(most, places) * by.length);
  if (old === "") {
    const points = [...text];
    return (
      points.map((point, i) => (i < most ? by + point : point)).join("") + (points.length < most ? by : "")
    );
  }
  const pieces = text.split(old);
  if (pieces.length - 1 <= most) return pieces.join(by);
  return pieces.slice(0, most + 1).join(by) + old + pieces.slice(most + 1).join(old);
}

/** First letter large, the others small. */
export function capitalize(text: string): string {
  const [first = "", ...rest] = text;
  return titleLetter(first) + rest.join("").toLowerCase();
}

/** A letter at a word's beginning: digraphs have a form for it. */
function titleLetter(letter: string): string {
  if (/^[\u01c4-\u01cc\u01f1-\u01f3]$/.test(letter)) {
    return String.fromCharCode(
      letter >= "\u01f1" ? 0x1f2 : letter <= "\u01c6" ? 0x1c5 : letter <= "\u01c9" ? 0x1c8 : 0x1cb,
    );
  }
  const upper = letter.toUpperCase();
  if (upper.length <= letter.length || letter === "ŉ") return upper;
  // "ß" begins a word as "Ss".
  const [first = "", ...rest] = upper;
  return first + rest.join("").toLowerCase();
}

function titled(text: string): string {
  return text.replace(
    /(\p{Cased})((?:\p{Cased}|[^\P{Case_Ignorable}'’\-.:_])*)/gu,
    (_, first: string, rest: string) => titleLetter(first) + rest.toLowerCase(),
  );
}

function affixes(value: Value, name: string): string[] {
  const items = value instanceof Tuple ? value.items : [value];
  return items.map((item) => {
    if (typeof item !== "string") throw new TemplateError(`${name}(): ${typeName(item)} is no str`);
    return item;
  });
}

/** Part of a text by code points, as `start` and `end` of Python's searches say. */
function window(
  text: string,
  args: CallArguments,
): { readonly points: string[]; readonly start: number; readonly end: number } {
  const points = [...text];
  const clamp = (index: number) =>
    Math.min(Math.max(index < 0 ? index + points.length : index, 0), points.length);
  const [start, end] = [args.or("start", none), args.or("end", none)];
  return {
    points,
    start: start === none ? 0 : clamp(args.integer("start")),
    end: end === none ? points.length : clamp(args.integer("end")),
  };
}

function find(text: string, args: CallArguments, last: boolean): number {
  const { points, start, end } = window(text, args);
  const part = points.slice(start, end).join("");
  const at = last ? part.lastIndexOf(args.text("sub")) : part.indexOf(args.text("sub"));
  return at < 0 || start > end ? -1 : start + [...part.slice(0, at)].length;
}

function affixed(name: "startswith" | "endswith"): Method {
  return (text, args) => {
    const { points, start, end } = window(text, args);
    const part = points.slice(start, end).join("");
    return affixes(args.value("affix"), name).some((affix) =>
      name === "startswith" ? part.startsWith(affix) : part.endsWith(affix),
    );
  };
}

function padded(side: "left" | "right" | "both"): Method {
  return (text, args) => {
    const fill = args.text("fillchar", " ");
    const missing = args.integer("width") - [...text].length;
    if (missing <= 0) return text;
    spendLength(missing);
    // Python puts the odd one on the left where the width is odd.
    const left =
      side === "left"
        ? missing
        : side === "right"
          ? 0
          : Math.floor(missing / 2) + (missing & args.integer("width") & 1);
    return fill.repeat(left) + text + fill.repeat(missing - left);
  };
}

function every(pattern: RegExp): Method {
  return (text) => text !== "" && [...text].every((point) => pattern.test(point));
}

function partition(last: boolean): Method {
  return (text, args) => {
    const by = args.text("sep");
    const at = last ? text.lastIndexOf(by) : text.indexOf(by);
    if (at < 0) return new Tuple(last ? ["", "", text] : [text, "", ""]);
    return new Tuple([text.slice(0, at), by, text.slice(at + by.length)]);
  };
}

const SEARCH = ["sub", "start", "end"];
const AFFIX = ["affix", "start", "end"];

const METHODS: Readonly<Record<string, readonly [readonly string[], Method]>> = {
  upper: [[], (text) => text.toUpperCase()],
  lower: [[], (text) => text.toLowerCase()],
  casefold: [[], (text) => text.toUpperCase().toLowerCase()],
  swapcase: [
    [],
    (text) =>
      [...text]
        .map((point) => (point === point.toUpperCase() ? point.toLowerCase() : point.toUpperCase()))
        .join(""),
  ],
  title: [[], (text) => titled(text)],
  capitalize: [[], (text) => capitalize(text)],
  strip: [["chars"], (text, args) => strip(text, args.maybeText("chars"), true, true)],
  lstrip: [["chars"], (text, args) => strip(text, args.maybeText("chars"), true, false)],
  rstrip: [["chars"], (text, args) => strip(text, args.maybeText("chars"), false, true)],
  split: [["sep", "maxsplit"], split(false)],
  rsplit: [["sep", "maxsplit"], split(true)],
  splitlines: [["keepends"], (text, args) => splitLines(text, args.flag("keepends"))],
  replace: [
    ["old", "new", "count"],
    (text, args) => replace(text, args.text("old"), args.text("new"), args.integer("count", -1)),
  ],
  startswith: [AFFIX, affixed("startswith")],
  endswith: [AFFIX, affixed("endswith")],
  removeprefix: [
    ["prefix"],
    (text, args) => (text.startsWith(args.text("prefix")) ? text.slice(args.text("prefix").length) : text),
  ],
  removesuffix: [
    ["suffix"],
    (text, args) =>
      args.text("suffix") !== "" && text.endsWith(args.text("suffix"))
        ? text.slice(0, -args.text("suffix").length)
        : text,
  ],
  find: [SEARCH, (text, args) => find(text, args, false)],
  rfind: [SEARCH, (text, args) => find(text, args, true)],
  index: [SEARCH, (text, args) => found(find(text, args, false))],
  rindex: [SEARCH, (text, args) => found(find(text, args, true))],
  count: [
    SEARCH,
    (text, args) => {
      const { points, start, end } = window(text, args);
      const part = points.slice(start, end);
      return args.text("sub") === "" ? part.length + 1 : part.join("").split(args.text("sub")).length - 1;
    },
  ],
  join: [
    ["iterable"],
    (text, args) => {
      const items = iterate(args.value("iterable"));
      const texts = items.map((item) =>
        typeof item === "string" ? item : args.text(`item of ${typeName(item)}`),
      );
      spendLength(texts.reduce((sum, { length }) => sum + length + text.length, 0));
      return texts.join(text);
    },
  ],
  partition: [["sep"], partition(false)],
  rpartition: [["sep"], partition(true)],
  center: [["width", "fillchar"], padded("both")],
  ljust: [["width", "fillchar"], padded("right")],
  rjust: [["width", "fillchar"], padded("left")],
  zfill: [
    ["width"],
    (text, args) => {
      const missing = Math.max(0, args.integer("width") - [...text].length);
      spendLength(missing);
      const sign = /^[+-]/.exec(text)?.[0] ?? "";
      return sign + "0".repeat(missing) + text.slice(sign.length);
    },
  ],
  isalpha: [[], every(/^\p{L}$/u)],
  isdecimal: [[], every(/^\p{Nd}$/u)],
  isdigit: [
    [],
    every(
      /^[\p{Nd}\u00b2\u00b3\u00b9\u1369-\u1371\u19da\u2070\u2074-\u2079\u2080-\u2089\u2460-\u2468\u2474-\u247c\u2488-\u2490\u24ea\u24f5-\u24fd\u24ff\u2776-\u277e\u2780-\u2788\u278a-\u2792]$/u,
    ),
  ],
  isnumeric: [
    [],
    every(
      /^[\p{N}\u3405\u3483\u382a\u3b4d\u4e00\u4e03\u4e07\u4e09\u4e5d\u4e8c\u4e94\u4ebf\u516b\u516d\u5341\u5343\u56db\u767e\u96f6]$/u,
    ),
  ],
  isalnum: [[], every(/^[\p{L}\p{N}]$/u)],
  isspace: [[], every(BLANK)],
  isascii: [[], (text) => /^\p{ASCII}*$/u.test(text)],
  isidentifier: [[], (text) => /^[\p{XID_Start}_]\p{XID_Continue}*$/u.test(text)],
  isupper: [[], (text) => /\p{Lu}/u.test(text) && text === text.toUpperCase()],
  islower: [[], (text) => /\p{Ll}/u.test(text) && text === text.toLowerCase()],
  istitle: [[], (text) => /\p{Cased}/u.test(text) && text === titled(text)],
  format: [[], (text) => text],
};

function found(at: number): number {
  if (at < 0) throw new TemplateError("index(): the text is not found");
  return at;
}

/** A method of Python's `str`; undefined where it has none of the name. */
export function textMethod(text: string, name: string): Callable | undefined {
  if (!Object.hasOwn(METHODS, name)) return undefined;
  if (name === "format") return new Callable(name, (args, named) => bounded(formatted(text, args, named)));
  const [parameters, method] = METHODS[name] as (typeof METHODS)[string];
  return new Callable(name, (args, named) => {
    spendLength(text.length);
    return method(text, new CallArguments(name, parameters, args, named));
  });
}

/** `str.format` with plain fields: `{}`, `{0}`, `{name}`. */
function formatted(text: string, args: readonly Value[], named: ReadonlyMap<string, Value>): string {
  let next = 0;
  return text.replace(/\{\{|\}\}|\{([^{}]*)\}|[{}]/g, (whole, field: string | undefined) => {
    if (whole === "{{" || whole === "}}") return whole.charAt(0);
    if (field === undefined) throw new TemplateError("format(): a brace stands alone");
    const value = field === "" ? args[next++] : /^\d+$/.test(field) ? args[Number(field)] : named.get(field);
    if (value === undefined)
      throw new TemplateError(`format(): the field "{${field}}" is not given or not supported`);
    return textOf(value);
  });
}

/** Python's `%` on a text: `%s`, `%d`, `%f` and kin, without the names of fields. */
export function percentFormatted(
  text: string,
  value: Value,
  numberText: (kind: string, precision: number | undefined, value: Value) => string,
): string {
  const values = value instanceof Tuple ? [...value.items] : [value];
  const made = text.replace(
    /%(-?)(0?)(\d*)(?:\.(\d+))?([%sdifgreEGxX])/g,
    (_, left: string, zero: string, width: string, precision: string | undefined, kind: string) => {
      if (kind === "%") return "%";
      const next = values.shift();
      if (next === undefined) throw new TemplateError("not enough values for the text's fields");
      const shown = numberText(kind, precision === undefined ? undefined : Number(precision), next);
      const size = Math.min(Number(width), 100_000);
      return left === "-"
        ? shown.padEnd(size)
        : shown.padStart(size, zero === "0" && kind !== "s" ? "0" : " ");
    },
  );
  if (values.length > 0 && sequence(value) !== undefined)
    throw new TemplateError("not all values have a field in the text");
  return made;
}
