import { type EnglishLists, englishLists } from "./meteor15-english.ts";

/** The letters that METEOR 1.5 knows: Latin without the marks × and ÷ and Cyrillic, with their phonetic extensions. */
const LETTER =
  "A-Za-zŠŽšžŸÀ-ÖØ-öø-ž\\u0400-\\u04ff\\u0500-\\u0527\\ua640-\\ua66e\\ua67e-\\ua697\\u1d00-\\u1d7f";

type Substitution = readonly [pattern: RegExp, replacement: string];

const SUBSTITUTIONS: readonly Substitution[] = [
  // Whatever is no letter, digit, white space, period, quote, comma or hyphen stands alone.
  [new RegExp(`([^0-9${LETTER} \\t-\\r.'\`,\\-‘’])`, "gu"), " $1 "],
  // So do two dots and more.
  [/\.{2,}/gu, " $& "],
  // Commas, unless between digits
  [/([^0-9]),([^0-9])/gu, "$1 , $2"],
  [/([0-9]),([^0-9])/gu, "$1 , $2"],
  [/([^0-9]),([0-9])/gu, "$1 , $2"],
  // Quotes and dashes in one form each
  [/[`‘’]/gu, "'"],
  [/[“”]|''/gu, ' " '],
  [/–/gu, "-"],
  [/--/gu, "-"],
  [new RegExp(`([0-9${LETTER}.])-([0-9${LETTER}])`, "gu"), "$1 $2"],
  // English contractions
  [new RegExp(`([^${LETTER}])'([^${LETTER}])`, "gu"), "$1 ' $2"],
  [new RegExp(`([^${LETTER}0-9])'([${LETTER}])`, "gu"), "$1 ' $2"],
  [new RegExp(`([${LETTER}])'([^${LETTER}])`, "gu"), "$1 ' $2"],
  [new RegExp(`([${LETTER}])'([${LETTER}])`, "gu"), "$1 '$2"],
  [/([0-9])'(s)/gu, "$1 '$2"],
];

const ANY_LETTER = new RegExp(`[${LETTER}]`, "u");
const SPACES = /[ \u2000-\u200a\u202f\u205f\u3000\xa0]+/gu;

/** Words of an English text as METEOR 1.5 sees them with `-norm`: punctuation split off, acronyms without periods, all lower-cased. */
export function meteor15Words(text: string): string[] {
  const separated = SUBSTITUTIONS.reduce(
    (result, [pattern, replacement]) => result.replace(pattern, replacement),
    ` ${text} `,
  );
  const tokens = split(separated);
  const lists = englishLists();
  const sentence = tokens.map((token, i) => splitPeriod(token, tokens[i + 1], lists)).join(" ");
  return split(trim(sentence.replace(SPACES, " ")).toLowerCase());
}

/** Splits off a period that ends a sentence, as far as the word before and the one after tell. */
function splitPeriod(
  token: string,
  next: string | undefined,
  { prefixes, numericPrefixes }: EnglishLists,
): string {
  if (token.length < 2 || !token.endsWith(".") || token.startsWith("..")) return token;
  const word = token.slice(0, -1);
  if (word.includes(".") && ANY_LETTER.test(word)) return token.replaceAll(".", "");
  if (prefixes.has(word)) return token;
  if (next !== undefined && (/^[a-z]/.test(next) || (numericPrefixes.has(word) && /^[0-9]/.test(next))))
    return token;
  return `${word} .`;
}

/** Java's StringTokenizer: blanks that are not ASCII part no words. */
function split(text: string): string[] {
  return text.split(/[ \t\n\r\f]+/).filter((token) => token !== "");
}

/** Java's String.trim(): control characters go with the blanks. */
function trim(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && text.charCodeAt(start) <= 32) start++;
  while (end > start && text.charCodeAt(end - 1) <= 32) end--;
  return text.slice(start, end);
}
