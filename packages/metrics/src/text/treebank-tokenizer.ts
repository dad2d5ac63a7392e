import { type PythonClasses, re, regex, splitWords } from "./python-classes.ts";

/** NLTK's releases differ in where they split words and sentences; 3.8 stands for all before 3.9. */
export type NltkRelease = "3.8" | "3.9" | "3.10";

interface Substitution {
  /** Kinds of characters of which a sentence must have one for the pattern to match, as bits. */
  readonly kinds: number;
  readonly pattern: RegExp;
  readonly replacement: string;
}

/** A bit for each character of ASCII that a pattern looks for; one for white space but the blank; one for all beyond ASCII. */
const SPECIAL = "`\"'.:,;@#$%&?!*[](){}<>-";
const SPACE = 1 << SPECIAL.length;
const BEYOND_ASCII = SPACE << 1;
const KINDS = Int32Array.from({ length: 128 }, (_, code) => {
  const index = SPECIAL.indexOf(String.fromCharCode(code));
  if (index !== -1) return 1 << index;
  return (code >= 9 && code <= 13) || (code >= 28 && code <= 31) ? SPACE : 0;
});

function kindsOf(text: string): number {
  let kinds = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    kinds |= code < 128 ? (KINDS[code] as number) : BEYOND_ASCII;
  }
  return kinds;
}

/** @param needed characters of which, or of those beyond ASCII, a sentence must have one */
function substitution(needed: string, pattern: RegExp, replacement: string): Substitution {
  return { kinds: kindsOf(needed) | BEYOND_ASCII, pattern, replacement };
}

const OPENING_QUOTES = [
  substitution("`", /([«“‘„]|`+)/gu, " $1 "),
  substitution('"', /^"/gu, "``"),
  substitution('`"', /(``)/gu, " $1 "),
  substitution("\"'", /([ ([{<])("|'{2})/gu, "$1 `` "),
];

const CLITIC = "(?:re|ve|ll|m|t|s|d|n)";
/** A quote before a single letter. */
const OPENING_APOSTROPHE = substitution(
  "'",
  new RegExp(`(')(?!${CLITIC})([${re.word}])(?![${re.word}])`, "giu"),
  "$1 $2",
);
/** A quote before a word that is no clitic. */
const OPENING_APOSTROPHE_3_10 = substitution(
  "'",
  new RegExp(`(?<![${regex.word}])(')(?!${CLITIC}(?![${regex.word}]))(?=[${regex.word}])`, "giu"),
  "$1 ",
);

const punctuation = ({ space, digit }: PythonClasses) => [
  substitution(".", new RegExp(`([^.])(\\.)([\\])}>"'»”’ ]*)[${space}]*$`, "gu"), "$1 $2 $3 "),
  substitution(":,", new RegExp(`([:,])([^${digit}])`, "gu"), " $1 $2"),
  substitution(":,", /([:,])(?=\n?$)/gu, " $1 "),
  substitution(".", /\.{2,}/gu, " $& "),
  substitution(";@#$%&", /[;@#$%&]/gu, " $& "),
];

const DASHES = substitution("", /[\u2012-\u2015]/gu, " $& ");

const closing = ({ space }: PythonClasses) => [
  substitution(".", new RegExp(`([^.])(\\.)([\\])}>"']*)[${space}]*$`, "gu"), "$1 $2$3 "),
  substitution("?!", /[?!]/gu, " $& "),
  substitution("'", /([^'])' /gu, "$1 ' "),
  substitution("*", /\*/gu, " $& "),
  substitution("[](){}<>", /[\][(){}<>]/gu, " $& "),
  substitution("-", /--/gu, " -- "),
];

const CLOSING_QUOTES = [
  substitution("", /([»”’])/gu, " $1 "),
  substitution("'", /''/gu, " '' "),
  substitution('"', /"/gu, " '' "),
];

const oneSpace = ({ space }: PythonClasses) => substitution("\n", new RegExp(`[${space}]+`, "gu"), " ");

const CLITICS = [
  substitution("'", /([^' ])('[sS]|'[mM]|'[dD]|') /gu, "$1 $2 "),
  substitution("'", /([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) /gu, "$1 $2 "),
];

/** Words that the Penn Treebank splits in two (Robert MacIntyre's list). */
const CONTRACTIONS = [
  ...["(can)(not)", "(d)('ye)", "(gim)(me)", "(gon)(na)", "(got)(ta)", "(lem)(me)", "(more)('n)"].map(
    (words) => new RegExp(`(?<![${re.word}])${words}(?![${re.word}])`, "giu"),
  ),
  new RegExp(`(?<![${re.word}])(wan)(na)(?=[${re.space}])`, "giu"),
  new RegExp(` ('t)(is|was)(?![${re.word}])`, "giu"),
];
const CONTRACTED = /cannot|d'ye|gimme|gonna|gotta|lemme|more'n|wanna|'tis|'twas/iu;

/** What is done to a sentence before it is put between blanks, and after. */
interface Rules {
  readonly before: readonly Substitution[];
  readonly after: readonly Substitution[];
}

const BEFORE = [...OPENING_QUOTES, OPENING_APOSTROPHE, ...punctuation(re), ...closing(re)];
const RULES: Readonly<Record<NltkRelease, Rules>> = {
  "3.8": { before: BEFORE, after: [...CLOSING_QUOTES, ...CLITICS] },
  "3.9": { before: BEFORE, after: [...CLOSING_QUOTES, oneSpace(re), ...CLITICS] },
  "3.10": {
    before: [...OPENING_QUOTES, OPENING_APOSTROPHE_3_10, ...punctuation(regex), DASHES, ...closing(regex)],
    after: [...CLOSING_QUOTES, oneSpace(regex), ...CLITICS],
  },
};

/** Words of one sentence as NLTK's `NLTKWordTokenizer` splits them: the Penn Treebank's rules with its own for Unicode quotes and dots. */
export function treebankTokens(sentence: string, release: NltkRelease): string[] {
  const { before, after } = RULES[release];
  const kinds = kindsOf(sentence);
  let text = substitute(` ${substitute(sentence, before, kinds)} `, after, kinds);
  if (CONTRACTED.test(sentence)) {
    for (const pattern of CONTRACTIONS) text = text.replace(pattern, " $1 $2 ");
  }
  return splitWords(text);
}

function substitute(text: string, substitutions: readonly Substitution[], present: number): string {
  let result = text;
  for (const { kinds, pattern, replacement } of substitutions) {
    if ((kinds & present) !== 0) result = result.replace(pattern, replacement);
  }
  return result;
}
