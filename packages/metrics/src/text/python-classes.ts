/** What `\s`, `\d`, `\w` and `[^\W\d]` stand for, for use inside brackets of a pattern with the flag u. */
export interface PythonClasses {
  readonly space: string;
  readonly digit: string;
  readonly word: string;
  readonly wordNotDigit: string;
}

/** Of Python's `re` over str, which calls the file separators U+001C–U+001F white space, and combining marks no part of a word. */
export const re: PythonClasses = {
  space: "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000",
  digit: "\\p{Nd}",
  word: "\\p{L}\\p{N}_",
  wordNotDigit: "\\p{L}\\p{Nl}\\p{No}_",
};

/** Of the package `regex`, which NLTK uses from 3.10 on: those of Unicode's technical standard 18. */
export const regex: PythonClasses = {
  space: "\\t-\\r\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000",
  digit: "\\p{Nd}",
  word: "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}",
  wordNotDigit: "\\p{Alphabetic}\\p{M}\\p{Pc}\\p{Join_Control}",
};

const SPACE = new RegExp(`[${re.space}]`, "u");
const WORDS = new RegExp(`[^${re.space}]+`, "gu");

/** str.strip(), whose white space is not that of JavaScript's trim: U+001C to U+001F and U+0085 belong to it, U+FEFF does not. */
export function strip(text: string): string {
  let start = 0;
  while (start < text.length && SPACE.test(text[start] as string)) start++;
  return trimEnd(text.slice(start));
}

/** str.rstrip() */
export function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && SPACE.test(text[end - 1] as string)) end--;
  return text.slice(0, end);
}

/** str.split() */
export function splitWords(text: string): string[] {
  return text.match(WORDS) ?? [];
}
