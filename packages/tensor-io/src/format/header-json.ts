import { CheckpointError, type CheckpointErrorCode } from "../errors.ts";

/** One tensor as its header entry spells it, nothing checked yet but the grammar. */
export interface HeaderEntry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface HeaderText {
  readonly metadata: Readonly<Record<string, string>>;
  readonly entries: readonly HeaderEntry[];
}

/** Nested values in fields a newer writer may add are skipped to this depth, as serde_json does. */
const MAX_DEPTH = 128;

/**
 * Parses the JSON of a safetensors header: an object of tensor entries and, perhaps, `__metadata__`.
 *
 * `JSON.parse` would not do: it keeps the last of two equal keys in silence and rounds integers past 2^53, and both are ways to
 * make two readers see two different files. One pass with the grammar known is also faster than parsing and then checking.
 */
export function parseHeaderJson(text: string, file: string): HeaderText {
  let position = 0;
  let metadata: Record<string, string> | undefined;
  const entries: HeaderEntry[] = [];
  const names = new Set<string>();

  function fail(code: CheckpointErrorCode, message: string, tensor?: string): never {
    throw new CheckpointError(code, message, tensor === undefined ? { file } : { file, tensor });
  }

  function unexpected(wanted: string): never {
    const found = position < text.length ? JSON.stringify(text[position]) : "the end of the header";
    return fail(
      "invalid-json",
      `the header is not valid JSON: ${wanted} expected at character ${position}, found ${found}`,
    );
  }

  /** Skips white space and returns the next character's code, NaN at the end. */
  function peek(): number {
    let code = text.charCodeAt(position);
    while (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09)
      code = text.charCodeAt(++position);
    return code;
  }

  function expect(character: string): void {
    if (peek() !== character.charCodeAt(0)) unexpected(`"${character}"`);
    position++;
  }

  /** True and past it where `character` comes next. */
  function take(character: string): boolean {
    if (peek() !== character.charCodeAt(0)) return false;
    position++;
    return true;
  }

  function string(): string {
    expect('"');
    const start = position;
    for (;;) {
      const code = text.charCodeAt(position);
      if (code === 0x22) return text.slice(start, position++);
      if (code === 0x5c) return stringWithEscapes(start);
      // A control character, or (NaN) the end.
      if (!(code >= 0x20)) unexpected("the rest of a string");
      position++;
    }
  }

  function stringWithEscapes(start: number): string {
    for (;;) {
      const code = text.charCodeAt(position);
      if (!(code >= 0x20)) unexpected("the rest of a string");
      if (code === 0x22) break;
      position += code === 0x5c ? 2 : 1;
    }
    position++;
    try {
      const value = JSON.parse(text.slice(start - 1, position)) as string;
      // serde refuses half a surrogate pair; so must a name that has to be written as UTF-8 again.
      if (value.isWellFormed()) return value;
    } catch {
      // Falls through to the one error for both.
    }
    position = start;
    return unexpected("a string with valid escapes");
  }

  function size(what: string, tensor: string): number {
    let code = peek();
    const start = position;
    let value = 0;
    while (code >= 0x30 && code <= 0x39) {
      value = value * 10 + (code - 0x30);
      code = text.charCodeAt(++position);
    }
    const digits = position - start;
    if (digits === 0 || (digits > 1 && text.charCodeAt(start) === 0x30)) {
      position = start;
      return fail(
        "invalid-tensor-entry",
        `${what} holds something else than a size at character ${start}`,
        tensor,
      );
    }
    // ".", "e" or "E": a number, but not a size.
    if (code === 0x2e || code === 0x65 || code === 0x45) {
      return fail(
        "invalid-tensor-entry",
        `${what} holds a number that is not an integer at character ${start}`,
        tensor,
      );
    }
    if (!Number.isSafeInteger(value)) {
      return fail(
        "overflow",
        `${what} holds ${text.slice(start, position)}, more than any file can (2^53)`,
        tensor,
      );
    }
    return value;
  }

  function sizes(what: string, tensor: string): number[] {
    const list: number[] = [];
    if (!take("[")) return fail("invalid-tensor-entry", `${what} is not a list`, tensor);
    if (take("]")) return list;
    do list.push(size(what, tensor));
    while (take(","));
    expect("]");
    return list;
  }

  function entry(name: string): HeaderEntry {
    let dtype: string | undefined;
    let shape: number[] | undefined;
    let offsets: number[] | undefined;
    if (!take("{")) return fail("invalid-tensor-entry", "its header entry is not an object", name);
    if (!take("}")) {
      do {
        peek();
        const field = string();
        expect(":");
        const seen =
          field === "dtype"
            ? dtype
            : field === "shape"
              ? shape
              : field === "data_offsets"
                ? offsets
                : undefined;
        if (seen !== undefined) fail("duplicate-key", `its header entry has "${field}" twice`, name);
        if (field === "dtype") {
          if (peek() !== 0x22) fail("invalid-tensor-entry", "dtype is not a string", name);
          dtype = string();
        } else if (field === "shape") shape = sizes("shape", name);
        else if (field === "data_offsets") offsets = sizes("data_offsets", name);
        else skipValue();
      } while (take(","));
      expect("}");
    }
    const missing =
      dtype === undefined
        ? "dtype"
        : shape === undefined
          ? "shape"
          : offsets === undefined
            ? "data_offsets"
            : "";
    if (dtype === undefined || shape === undefined || offsets === undefined) {
      return fail("invalid-tensor-entry", `its header entry lacks "${missing}"`, name);
    }
    const [begin, end] = offsets;
    if (offsets.length !== 2 || begin === undefined || end === undefined) {
      return fail("invalid-tensor-entry", `data_offsets has ${offsets.length} numbers instead of 2`, name);
    }
    return { name, dtype, shape, begin, end };
  }

  function metadataObject(): Record<string, string> {
    const pairs = new Map<string, string>();
    if (!take("{")) {
      if (text.startsWith("null", position)) {
        position += 4;
        return {};
      }
      return fail("invalid-metadata", "__metadata__ is not an object");
    }
    if (!take("}")) {
      do {
        peek();
        const key = string();
        expect(":");
        if (peek() !== 0x22)
          fail("invalid-metadata", `the value of "${key}" in __metadata__ is not a string`);
        const value = string();
        if (pairs.has(key)) fail("duplicate-key", `__metadata__ has "${key}" twice`);
        pairs.set(key, value);
      } while (take(","));
      expect("}");
    }
    // fromEntries defines properties, so that "__proto__" stays a key like any other.
    return Object.fromEntries(pairs);
  }

  /** Skips any JSON value, without recursion so that depth costs no stack. */
  function skipValue(): void {
    const closers: string[] = [];
    do {
      const code = peek();
      if (code === 0x7b || code === 0x5b) {
        if (closers.length === MAX_DEPTH) unexpected(`fewer than ${MAX_DEPTH} nested values`);
        position++;
        const closer = code === 0x7b ? "}" : "]";
        if (!take(closer)) {
          closers.push(closer);
          if (closer === "}") key();
          continue;
        }
      } else if (code === 0x22) string();
      else literal();
      while (closers.length > 0) {
        if (take(",")) {
          if (closers.at(-1) === "}") key();
          break;
        }
        expect(closers.pop() ?? "");
      }
    } while (closers.length > 0);
  }

  function key(): void {
    peek();
    string();
    expect(":");
  }

  function literal(): void {
    const match = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)/y;
    match.lastIndex = position;
    if (!match.test(text)) unexpected("a value");
    position = match.lastIndex;
  }

  if (peek() !== 0x7b) {
    if (Number.isNaN(text.charCodeAt(position))) unexpected('"{"');
    fail(
      "not-an-object",
      `the header is JSON that starts with ${JSON.stringify(text[position])}, not an object of tensors`,
    );
  }
  position++;
  if (!take("}")) {
    do {
      peek();
      const name = string();
      expect(":");
      peek();
      if (name === "__metadata__") {
        if (metadata !== undefined) fail("duplicate-key", "the header has __metadata__ twice");
        metadata = metadataObject();
      } else {
        if (names.has(name)) fail("duplicate-key", "the header has two entries of this name", name);
        names.add(name);
        entries.push(entry(name));
      }
    } while (take(","));
    expect("}");
  }
  if (!Number.isNaN(peek())) unexpected("the end of the header");
  return { metadata: metadata ?? {}, entries };
}
