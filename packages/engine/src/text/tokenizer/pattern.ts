import { TokenizerError } from "../tokenizer-error.ts";
import { libraryPart } from "./library.ts";
import type { Part } from "./part.ts";

/** White space, word characters and punctuation as Rust's char and regex crates take them; JavaScript's `\s` and `\w` are others. */
export const SPACE = "\\p{White_Space}";
export const WORD = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}";
export const PUNCTUATION = "\\p{P}$+<=>^`|~";

/**
 * What a part looks for: a text as it is, or a pattern of Oniguruma in JavaScript's terms.
 * @throws {TokenizerError} where it is neither, or no pattern
 */
export function patternOf(part: Part, name = "pattern"): RegExp {
  const pattern = part.part(name);
  if (pattern?.has("String")) return new RegExp(escaped(pattern.text("String")) || "(?!)", "gu");
  if (!pattern?.has("Regex")) throw part.wrong(name, "a pattern");
  const source = pattern.text("Regex");
  try {
    // The library knows how; its types do not tell that it keeps what it made.
    const split = { type: "Split", pattern: { Regex: source }, behavior: "Isolated", invert: false };
    return (libraryPart("pre_tokenizer", split) as unknown as { readonly pattern: RegExp }).pattern;
  } catch (error) {
    throw new TokenizerError(`${pattern.path}.Regex is no pattern: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

export function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, (character) =>
    character === "-" ? "\\x2d" : `\\${character}`,
  );
}

/** A stretch of a text, and whether the pattern found it. */
export interface Stretch {
  readonly text: string;
  readonly isMatch: boolean;
}

/** A text in stretches that the pattern found, and what is between them. */
export function stretches(text: string, pattern: RegExp): Stretch[] {
  const found: Stretch[] = [];
  let end = 0;
  for (const { 0: match, index } of text.matchAll(pattern)) {
    if (index > end) found.push({ text: text.slice(end, index), isMatch: false });
    if (match !== "") found.push({ text: match, isMatch: true });
    end = index + match.length;
  }
  if (end < text.length) found.push({ text: text.slice(end), isMatch: false });
  return found;
}
