/** Words that stand for values, in JSON, Python and numpy. */
const WORDS: Readonly<Record<string, unknown>> = {
  None: null,
  null: null,
  nan: null,
  NaN: null,
  True: true,
  true: true,
  False: false,
  false: false,
};
/** What Python and numpy write around a value: `array([…], dtype=object)`, `np.str_('red')`. */
const WRAPPER = /(?:(?:np|numpy)\.)?(?:array|list|tuple|set|str_|bool_?|float\d+|int\d+|uint\d+)\(/y;
const WORD = /[A-Za-z]+/y;
const NUMBER = /[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?/y;
const ARGUMENT = /\s*,\s*(?:dtype\s*=\s*)?(?:'[^']*'|[\w.<>|]+)/y;
const ESCAPES: Readonly<Record<string, string>> = {
  ...{ a: "\x07", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v", "0": "\0", "\n": "" },
  ...{ "\\": "\\", "'": "'", '"': '"', "/": "/" },
};
const CODE = /x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})/y;

/**
 * Reads a list, tuple, set or dictionary as Python or numpy print it, or as JSON. Elements of numpy's arrays are parted by blanks: `['red'
 * 'dark red']` are two. Numbers are given as they are written.
 * @returns undefined where the text is not that from its beginning to its end
 */
export function parseLiteral(text: string): { readonly value: unknown } | undefined {
  let at = 0;
  const fail = () => new SyntaxError(`no literal at ${at}`);
  const blanks = () => {
    while (/\s/.test(text[at] ?? "")) at++;
  };
  const matched = (pattern: RegExp) => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found !== null) at = pattern.lastIndex;
    return found;
  };
  const expect = (character: string) => {
    blanks();
    if (text[at] !== character) throw fail();
    at++;
  };

  function value(): unknown {
    blanks();
    const first = text[at] ?? "";
    if (first === "[") return elements("]");
    if (first === "(") return elements(")");
    if (first === "{") return braces();
    if (first === "'" || first === '"') return quoted();
    if (/[-+.\d]/.test(first)) {
      const [number] = matched(NUMBER) ?? [];
      if (number === undefined) throw fail();
      return String(Number(number)) === number ? Number(number) : number;
    }
    if (matched(WRAPPER) !== null) {
      const inner = value();
      while (matched(ARGUMENT) !== null);
      expect(")");
      return inner;
    }
    const [word = ""] = matched(WORD) ?? [];
    if (!Object.hasOwn(WORDS, word)) throw fail();
    return WORDS[word];
  }

  function elements(end: string): unknown[] {
    at++;
    const found: unknown[] = [];
    for (;;) {
      blanks();
      if (text[at] === end) break;
      if (found.length > 0 && text[at] === ",") at++;
      blanks();
      if (text[at] === end) break;
      found.push(value());
    }
    at++;
    return found;
  }

  function braces(): unknown {
    at++;
    const members: [string, unknown][] = [];
    const found: unknown[] = [];
    for (;;) {
      blanks();
      if (text[at] === "}") break;
      if (found.length + members.length > 0) expect(",");
      blanks();
      if (text[at] === "}") break;
      const key = value();
      blanks();
      if (text[at] === ":") {
        at++;
        members.push([String(key), value()]);
      } else found.push(key);
    }
    at++;
    if (found.length > 0 && members.length > 0) throw fail();
    return found.length > 0 ? found : Object.fromEntries(members);
  }

  function quoted(): string {
    const quote = text[at++];
    let [result, from] = ["", at];
    for (;;) {
      const character = text[at];
      if (character === undefined) throw fail();
      if (character === quote) break;
      if (character !== "\\") {
        at++;
        continue;
      }
      result += text.slice(from, at++);
      result += escaped();
      from = at;
    }
    return result + text.slice(from, at++);
  }

  function escaped(): string {
    const code = matched(CODE);
    if (code !== null) return String.fromCodePoint(Number.parseInt(code[1] ?? code[2] ?? code[3] ?? "", 16));
    const character = text[at++] ?? "";
    return ESCAPES[character] ?? `\\${character}`;
  }

  try {
    const read = value();
    blanks();
    return at === text.length ? { value: read } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return undefined;
    throw error;
  }
}
