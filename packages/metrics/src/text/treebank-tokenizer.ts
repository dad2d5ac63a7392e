import { boundary, type PythonClasses, re, regex, splitWords } from "./python-classes.ts";

/** NLTK's releases differ in where they split words and sentences; 3.8 stands for all before 3.9. */
export type NltkRelease = "3.8" | "3.9" | "3.10";

type Substitution = readonly [pattern: RegExp, replacement: string];

const OPENING_QUOTES: readonly Substitution[] = [
  [/([«“‘„]|`+)/gu, " $1 "],
  [/^"/gu, "``"],
  [/(``)/gu, " $1 "],
  [/([ ([{<])("|'{2})/gu, "$1 `` "],
];

const CLITIC = "(?:re|ve|ll|m|t|s|d|n)";
/** A quote before a single letter. */
const OPENING_APOSTROPHE: Substitution = [
  new RegExp(`(')(?!${CLITIC})([${re.word}])${boundary(re)}`, "giu"),
  "$1 $2",
];
/** A quote before a word that is no clitic. */
const OPENING_APOSTROPHE_3_10: Substitution = [
  new RegExp(`(?<![${regex.word}])(')(?!${CLITIC}${boundary(regex)})(?=[${regex.word}])`, "giu"),
  "$1 ",
];

const punctuation = ({ space, digit }: PythonClasses): readonly Substitution[] => [
  [new RegExp(`([^.])(\\.)([\\])}>"'»”’ ]*)[${space}]*$`, "gu"), "$1 $2 $3 "],
  [new RegExp(`([:,])([^${digit}])`, "gu"), " $1 $2"],
  [/([:,])(?=\n?$)/gu, " $1 "],
  [/\.{2,}/gu, " $& "],
  [/[;@#$%&]/gu, " $& "],
];

const DASHES: Substitution = [/[\u2012-\u2015]/gu, " $& "];

const closing = ({ space }: PythonClasses): readonly Substitution[] => [
  [new RegExp(`([^.])(\\.)([\\])}>"']*)[${space}]*$`, "gu"), "$1 $2$3 "],
  [/[?!]/gu, " $& "],
  [/([^'])' /gu, "$1 ' "],
  [/\*/gu, " $& "],
  [/[\][(){}<>]/gu, " $& "],
  [/--/gu, " -- "],
];

const CLOSING_QUOTES: readonly Substitution[] = [
  [/([»”’])/gu, " $1 "],
  [/''/gu, " '' "],
  [/"/gu, " '' "],
];

const oneSpace = ({ space }: PythonClasses): Substitution => [new RegExp(`[${space}]+`, "gu"), " "];

const CLITICS: readonly Substitution[] = [
  [/([^' ])('[sS]|'[mM]|'[dD]|') /gu, "$1 $2 "],
  [/([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) /gu, "$1 $2 "],
];

/** Words that the Penn Treebank splits in two (Robert MacIntyre's list). */
const CONTRACTIONS: readonly Substitution[] = [
  ...["(can)(not)", "(d)('ye)", "(gim)(me)", "(gon)(na)", "(got)(ta)", "(lem)(me)", "(more)('n)"].map(
    (words): Substitution => [new RegExp(boundary(re) + words + boundary(re), "giu"), " $1 $2 "],
  ),
  [new RegExp(`${boundary(re)}(wan)(na)(?=[${re.space}])`, "giu"), " $1 $2 "],
  [new RegExp(` ('t)(is)${boundary(re)}`, "giu"), " $1 $2 "],
  [new RegExp(` ('t)(was)${boundary(re)}`, "giu"), " $1 $2 "],
];

/** What is done to a sentence before it is put between blanks, and after. */
interface Rules {
  readonly before: readonly Substitution[];
  readonly after: readonly Substitution[];
}

const BEFORE = [...OPENING_QUOTES, OPENING_APOSTROPHE, ...punctuation(re), ...closing(re)];
const RULES: Readonly<Record<NltkRelease, Rules>> = {
  "3.8": { before: BEFORE, after: [...CLOSING_QUOTES, ...CLITICS, ...CONTRACTIONS] },
  "3.9": { before: BEFORE, after: [...CLOSING_QUOTES, oneSpace(re), ...CLITICS, ...CONTRACTIONS] },
  "3.10": {
    before: [...OPENING_QUOTES, OPENING_APOSTROPHE_3_10, ...punctuation(regex), DASHES, ...closing(regex)],
    after: [...CLOSING_QUOTES, oneSpace(regex), ...CLITICS, ...CONTRACTIONS],
  },
};

/** Only letters, digits below 128 and blanks, and no letters of a contraction: nothing to substitute. */
const PLAIN = /^[a-z0-9 ]*$/i;
const CONTRACTED = /cannot|gimme|gonna|gotta|lemme|wanna/i;

/** Words of one sentence as NLTK's `NLTKWordTokenizer` splits them: the Penn Treebank's rules with its own for Unicode quotes and dots. */
export function treebankTokens(sentence: string, release: NltkRelease): string[] {
  if (PLAIN.test(sentence) && !CONTRACTED.test(sentence)) return splitWords(sentence);
  const { before, after } = RULES[release];
  return splitWords(substitute(` ${substitute(sentence, before)} `, after));
}

function substitute(text: string, substitutions: readonly Substitution[]): string {
  return substitutions.reduce((result, [pattern, replacement]) => result.replace(pattern, replacement), text);
}
