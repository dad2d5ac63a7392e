import { TokenizerError } from "../tokenizer-error.ts";
import type { Normalize } from "./normalizers.ts";
import type { Part } from "./part.ts";
import { escaped, SPACE, WORD } from "./pattern.ts";

/** A token that stands beside the vocabulary and is found in the text itself. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly isSpecial: boolean;
  /** Found in the text after it is normalized. */
  readonly isNormalized: boolean;
  /** Only where no word goes on before or after it. */
  readonly isSingleWord: boolean;
  /** White space before and after it belongs to it. */
  readonly takesLeft: boolean;
  readonly takesRight: boolean;
}

/** A text in which added tokens were found: their ids, and what is between them. */
export type Section = number | string;

const ENDS_IN_WORD = new RegExp(`[${WORD}]$`, "u");
const BEGINS_WITH_WORD = new RegExp(`^[${WORD}]`, "u");
const TRAILING = new RegExp(`${SPACE}*$`, "u");
const LEADING = new RegExp(`^${SPACE}*`, "u");

/** @throws {TokenizerError} where one has no number or no text */
export function addedTokens(tokenizer: Part): AddedToken[] {
  return tokenizer.parts("added_tokens").map((part) => {
    const content = part.text("content");
    if (content === "") throw new TokenizerError(`${part.path}.content is empty`);
    const isSpecial = part.flag("special");
    return {
      id: part.count("id"),
      content,
      isSpecial,
      isNormalized: part.flag("normalized", !isSpecial),
      isSingleWord: part.flag("single_word"),
      takesLeft: part.flag("lstrip"),
      takesRight: part.flag("rstrip"),
    };
  });
}

/** Finds tokens in a text, the longest where several begin, as Rust's `AddedVocabulary` does. */
export function tokenFinder(
  tokens: readonly AddedToken[],
  normalize: Normalize,
): (text: string) => Section[] {
  const byText = new Map(tokens.map((token) => [normalize(token.content), token]));
  const texts = [...byText.keys()].filter((text) => text !== "").sort((a, b) => b.length - a.length);
  if (texts.length === 0) return (text) => (text === "" ? [] : [text]);
  const pattern = new RegExp(texts.map(escaped).join("|"), "gu");
  return (text) => {
    const sections: Section[] = [];
    let done = 0;
    for (const { 0: match, index } of text.matchAll(pattern)) {
      const token = byText.get(match) as AddedToken;
      const [before, after] = [text.slice(0, index), text.slice(index + match.length)];
      if (token.isSingleWord && (ENDS_IN_WORD.test(before) || BEGINS_WITH_WORD.test(after))) continue;
      const start = token.takesLeft ? Math.max(done, before.search(TRAILING)) : index;
      const blanks = token.takesRight ? (LEADING.exec(after)?.[0].length ?? 0) : 0;
      if (start > done) sections.push(text.slice(done, start));
      sections.push(token.id);
      done = index + match.length + blanks;
    }
    if (done < text.length) sections.push(text.slice(done));
    return sections;
  };
}
