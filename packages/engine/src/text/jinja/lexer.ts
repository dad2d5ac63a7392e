import { TemplateError } from "./template-error.ts";

/** A piece of a template: text, the ends of tags, or what stands in them. */
export interface Token {
  readonly type:
    | "text"
    | "open-block"
    | "close-block"
    | "open-output"
    | "close-output"
    | "name"
    | "string"
    | "integer"
    | "float"
    | "operator"
    | "end";
  readonly value: string;
  readonly line: number;
}

const OPERATORS = /\/\/|\*\*|==|!=|>=|<=|[+\-/*%~[\](){}<>=.:|,;]/y;
const FLOAT = /(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy;
const INTEGER = /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy;
const NAME = /[\p{XID_Start}_][\p{XID_Continue}]*/uy;
const STRING = /'[^'\\]*(?:\\[\s\S][^'\\]*)*'|"[^"\\]*(?:\\[\s\S][^"\\]*)*"/y;
/** White space as Python takes it. */
const BLANK = "[\\s\\x1c-\\x1f\\x85]";
const SPACE = new RegExp(`${BLANK}+`, "y");
const TRAILING = new RegExp(`${BLANK}+$`);
const ALL_BLANK = new RegExp(`^${BLANK}+$`);
const TAG = /\{([%{#])([-+]?)/g;
const RAW = /\s*raw\s*(?:(-)%\}\s*|%\})/y;
const END_RAW = /\{%([-+]?)\s*endraw\s*(?:\+%\}|-%\}\s*|%\}\n?)/g;
const COMMENT_END = /\+#\}|-#\}\s*|#\}\n?/g;
const CLOSING: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

/**
 * A template's tokens, as Jinja2's lexer finds them with `trim_blocks` and `lstrip_blocks`, which transformers sets.
 * @throws {TemplateError} where a tag, a string or a comment has no end, or a character has no meaning
 */
export function tokenize(template: string): Token[] {
  const source = template.replace(/\r\n?/g, "\n").replace(/\n$/, "");
  const tokens: Token[] = [];
  let at = 0;
  let line = 1;
  let lineStarts = true;

  const matched = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(source) ?? undefined;
  };
  const take = (end: number): string => {
    const text = source.slice(at, end);
    for (const character of text) if (character === "\n") line += 1;
    at = end;
    return text;
  };
  const addText = (text: string, sign: string | undefined, isOutput: boolean): void => {
    let kept = text;
    if (sign === "-") kept = text.replace(TRAILING, "");
    else if (sign !== "+" && !isOutput) {
      const start = text.lastIndexOf("\n") + 1;
      // Blanks before a block go where nothing else stands before it in its line.
      if ((start > 0 || lineStarts) && ALL_BLANK.test(text.slice(start))) kept = text.slice(0, start);
    }
    if (kept !== "") tokens.push({ type: "text", value: kept, line });
  };

  while (at < source.length) {
    const tag = matched(TAG);
    if (tag === undefined) {
      addText(source.slice(at), "+", true);
      break;
    }
    const [whole, kind, sign] = tag;
    addText(source.slice(at, tag.index), sign, kind === "{");
    take(tag.index + whole.length);
    if (kind === "#") {
      const end = matched(COMMENT_END);
      if (end === undefined) throw new TemplateError(`line ${line}: a comment has no end`);
      take(end.index + end[0].length);
    } else {
      const raw = kind === "%" ? matched(RAW) : undefined;
      if (raw !== undefined) takeRaw(raw);
      else takeTag(kind === "%" ? "block" : "output");
    }
    lineStarts = source[at - 1] === "\n";
  }
  tokens.push({ type: "end", value: "", line });
  return tokens;

  function takeRaw(raw: RegExpExecArray): void {
    take(raw.index + raw[0].length);
    lineStarts = source[at - 1] === "\n";
    const end = matched(END_RAW);
    if (end === undefined) throw new TemplateError(`line ${line}: "raw" has no end`);
    addText(source.slice(at, end.index), end[1], false);
    take(end.index + end[0].length);
  }

  function takeTag(kind: "block" | "output"): void {
    const open: string[] = [];
    const end = kind === "block" ? /\+%\}|-%\}\s*|%\}\n?/y : /-\}\}\s*|\}\}/y;
    tokens.push({ type: `open-${kind}`, value: "", line });
    for (;;) {
      const closing = open.length === 0 ? matched(end) : undefined;
      if (closing !== undefined) {
        tokens.push({ type: `close-${kind}`, value: "", line });
        take(at + closing[0].length);
        return;
      }
      if (at >= source.length) throw new TemplateError(`line ${line}: a tag has no end`);
      takeOne(open);
    }
  }

  function takeOne(open: string[]): void {
    const started = line;
    const add = (type: Token["type"], value: string): void => {
      tokens.push({ type, value, line: started });
    };
    const space = matched(SPACE);
    if (space !== undefined) {
      take(at + space[0].length);
      return;
    }
    for (const [type, pattern] of [
      ["float", FLOAT],
      ["integer", INTEGER],
      ["name", NAME],
    ] as const) {
      const found = matched(pattern);
      if (found !== undefined) {
        add(type, take(at + found[0].length));
        return;
      }
    }
    const string = matched(STRING);
    if (string !== undefined) {
      add("string", unescaped(take(at + string[0].length).slice(1, -1), started));
      return;
    }
    const operator = matched(OPERATORS)?.[0];
    if (operator === undefined) {
      throw new TemplateError(`line ${line}: unexpected character ${JSON.stringify(source[at])}`);
    }
    const closes = CLOSING[operator];
    if (closes !== undefined) open.push(closes);
    if ((operator === ")" || operator === "]" || operator === "}") && open.pop() !== operator) {
      throw new TemplateError(`line ${line}: unexpected "${operator}"`);
    }
    add("operator", take(at + operator.length));
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\n": "",
  "\\": "\\",
  "'": "'",
  '"': '"',
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

/** Escapes as Python's "unicode-escape" reads them: an unknown one stays as it is. */
function unescaped(text: string, line: number): string {
  return text.replace(
    /\\(?:x([\s\S]{0,2})|u([\s\S]{0,4})|U([\s\S]{0,8})|([0-7]{1,3})|N|([\s\S]))/g,
    (whole, x, u, long, octal, simple) => {
      const hex = x ?? u ?? long;
      if (hex !== undefined) {
        const digits = x !== undefined ? 2 : u !== undefined ? 4 : 8;
        const code = /^[\da-f]+$/i.test(hex) && hex.length === digits ? Number.parseInt(hex, 16) : Number.NaN;
        if (!(code <= 0x10ffff)) throw new TemplateError(`line ${line}: the escape ${whole} is cut off`);
        return String.fromCodePoint(code);
      }
      if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8));
      if (simple === undefined)
        throw new TemplateError(`line ${line}: characters by name (\\N) are not supported`);
      return ESCAPES[simple] ?? whole;
    },
  );
}
