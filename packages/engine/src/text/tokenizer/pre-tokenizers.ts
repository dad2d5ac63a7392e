import { byteCharacters } from "./byte-characters.ts";
import type { Part } from "./part.ts";
import { escaped, PUNCTUATION, patternOf, SPACE, type Stretch, stretches, WORD } from "./pattern.ts";

/** Cuts a text into pieces that no token crosses. `isStart` tells whether the text before it is empty. */
export type PreTokenize = (text: string, isStart: boolean) => string[];

/** GPT-2's words. */
const WORDS =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** @throws {TokenizerError} where it is none that is known */
export function preTokenizer(part: Part | undefined): PreTokenize {
  if (part === undefined) return (text) => [text];
  switch (part.type) {
    case "Sequence": {
      const steps = part.parts("pretokenizers").map(preTokenizer);
      return (text, isStart) =>
        steps.reduce((pieces, step) => pieces.flatMap((piece, i) => step(piece, isStart && i === 0)), [text]);
    }
    case "Split": {
      const [pattern, behavior, invert] = [patternOf(part), part.text("behavior"), part.flag("invert")];
      return splitter(part, pattern, behavior, invert);
    }
    case "Punctuation":
      return splitter(
        part,
        new RegExp(`[${PUNCTUATION}!-/:-@[-\`{-~]`, "gu"),
        part.text("behavior", "Isolated"),
      );
    case "Digits":
      return splitter(part, /\p{N}/gu, part.flag("individual_digits") ? "Isolated" : "Contiguous");
    case "Whitespace":
      return splitter(part, new RegExp(`[${WORD}]+|[^${WORD}${SPACE}]+`, "gu"), "Removed", true);
    case "WhitespaceSplit":
      return splitter(part, new RegExp(SPACE, "gu"), "Removed");
    case "CharDelimiterSplit":
      return splitter(part, new RegExp(escaped(part.text("delimiter")), "gu"), "Removed");
    case "BertPreTokenizer": {
      const [words, marks] = [
        splitter(part, new RegExp(SPACE, "gu"), "Removed"),
        splitter(part, new RegExp(`[${PUNCTUATION}!-/:-@[-\`{-~]`, "gu"), "Isolated"),
      ];
      return (text) => words(text, false).flatMap((word) => marks(word, false));
    }
    case "ByteLevel": {
      const [prefix, words] = [part.flag("add_prefix_space", true), part.flag("use_regex", true)];
      return (text) => {
        const whole = prefix && !text.startsWith(" ") ? ` ${text}` : text;
        return (words ? (whole.match(WORDS) ?? []) : [whole]).map(byteCharacters);
      };
    }
    case "Metaspace":
      return metaspace(part);
    case "FixedLength": {
      const length = Math.max(1, part.count("length", 5));
      return (text) => {
        const points = [...text];
        const starts = Array.from({ length: Math.ceil(points.length / length) }, (_, i) => i * length);
        return starts.map((start) => points.slice(start, start + length).join(""));
      };
    }
    default:
      throw part.unknown("pre-tokenizer");
  }
}

function metaspace(part: Part): PreTokenize {
  const mark = part.text("replacement", "▁");
  const older = part.flag("add_prefix_space", true) ? "always" : "never";
  const [scheme, split] = [part.text("prepend_scheme", older), part.flag("split", true)];
  const pieces = splitter(part, new RegExp(escaped(mark), "gu"), "MergedWithNext");
  return (text, isStart) => {
    const marked = text.replaceAll(" ", mark);
    const begins = scheme === "always" || (scheme === "first" && isStart);
    const whole = begins && !marked.startsWith(mark) ? mark + marked : marked;
    return split ? pieces(whole, isStart) : [whole];
  };
}

/** What becomes of what a pattern found: the five ways of Rust's `SplitDelimiterBehavior`. */
function splitter(part: Part, pattern: RegExp, behavior: string, invert = false): PreTokenize {
  const join = BEHAVIORS[behavior];
  if (join === undefined) throw part.wrong("behavior", `one of ${Object.keys(BEHAVIORS).join(", ")}`);
  return (text) => {
    const found = stretches(text, pattern);
    return join(
      invert ? found.map(({ text: piece, isMatch }) => ({ text: piece, isMatch: !isMatch })) : found,
    );
  };
}

const BEHAVIORS: Readonly<Record<string, (found: readonly Stretch[]) => string[]>> = {
  Isolated: (found) => found.map(({ text }) => text),
  Removed: (found) => found.flatMap(({ text, isMatch }) => (isMatch ? [] : [text])),
  Contiguous: (found) => merged(found, ({ isMatch }, before) => isMatch === before),
  MergedWithPrevious: (found) => merged(found, ({ isMatch }, before) => isMatch && !before),
  MergedWithNext: (found) =>
    merged(
      found.toReversed(),
      ({ isMatch }, before) => isMatch && !before,
      (piece, text) => text + piece,
    ).reverse(),
};

/** Stretches with those joined to the one before that should be. */
function merged(
  found: readonly Stretch[],
  joins: (stretch: Stretch, before: boolean) => boolean,
  join = (piece: string, text: string): string => piece + text,
): string[] {
  const pieces: string[] = [];
  let before: boolean | undefined;
  for (const stretch of found) {
    const last = pieces.at(-1);
    if (last !== undefined && before !== undefined && joins(stretch, before))
      pieces[pieces.length - 1] = join(last, stretch.text);
    else pieces.push(stretch.text);
    before = stretch.isMatch;
  }
  return pieces;
}
