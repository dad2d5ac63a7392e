/**
 * Snowball's English stemmer ("Porter2", Porter 2002), as METEOR 1.5 has it: the algorithm as it was until 2018.
 * @param word in lower case; returned as it is where it has fewer than three characters
 */
export function snowballEnglishStem(word: string): string {
  const special = SPECIAL.get(word);
  if (special !== undefined) return special;
  if (word.length < 3) return word;
  const marked = markConsonantY(word.startsWith("'") ? word.slice(1) : word);
  const [r1, r2] = regions(marked);
  const singular = step1a(step0(marked));
  const stem = UNCHANGED_AFTER_1A.has(singular) ? singular : step5(steps1bTo4(singular, r1, r2), r1, r2);
  return stem.replaceAll("Y", "y");
}

const SPECIAL = new Map([
  ["skis", "ski"],
  ["skies", "sky"],
  ["dying", "die"],
  ["lying", "lie"],
  ["tying", "tie"],
  ["idly", "idl"],
  ["gently", "gentl"],
  ["ugly", "ugli"],
  ["early", "earli"],
  ["only", "onli"],
  ["singly", "singl"],
  ...["sky", "news", "howe", "atlas", "cosmos", "bias", "andes"].map((word) => [word, word] as const),
]);

const UNCHANGED_AFTER_1A = new Set("inning outing canning herring earring proceed exceed succeed".split(" "));

const VOWEL = /[aeiouy]/;
/** A vowel at the beginning and then a consonant; or consonant, vowel, and a consonant other than w, x and Y. */
const SHORT_SYLLABLE = /(?:^[aeiouy][^aeiouy]|[^aeiouy][aeiouy][^aeiouywxY])$/s;

/** A y at the beginning or after a vowel is a consonant: written Y meanwhile. */
function markConsonantY(word: string): string {
  if (!word.includes("y")) return word;
  let marked = "";
  for (const [i, letter] of word.split("").entries()) {
    marked += letter === "y" && (i === 0 || VOWEL.test(marked[i - 1] as string)) ? "Y" : letter;
  }
  return marked;
}

/** Where R1 and R2 begin: each after the first consonant that follows a vowel, R2 within R1; the word's length where there is none. */
function regions(word: string): [r1: number, r2: number] {
  const afterConsonant = (start: number) => {
    const match = /[aeiouy][^aeiouy]/s.exec(word.slice(start));
    return match === null ? word.length : start + match.index + 2;
  };
  const prefix = /^(?:gener|commun|arsen)/.exec(word)?.[0];
  const r1 = prefix?.length ?? afterConsonant(0);
  return [r1, afterConsonant(r1)];
}

function step0(word: string): string {
  return word.replace(/'(?:s'?)?$/, "");
}

function step1a(word: string): string {
  if (word.endsWith("sses")) return word.slice(0, -2);
  if (word.endsWith("ied") || word.endsWith("ies")) return word.slice(0, word.length > 4 ? -2 : -1);
  if (!word.endsWith("s") || word.endsWith("us") || word.endsWith("ss")) return word;
  return VOWEL.test(word.slice(0, -2)) ? word.slice(0, -1) : word;
}

function steps1bTo4(word: string, r1: number, r2: number): string {
  const second = replaceIn(step1c(step1b(word, r1)), STEP_2, r1, r2);
  return replaceIn(replaceIn(second, STEP_3, r1, r2), STEP_4, r2, r2);
}

function step1b(word: string, r1: number): string {
  const suffix = /(?:eed|ed|ing)(?:ly)?$/.exec(word)?.[0];
  if (suffix === undefined) return word;
  const stem = word.slice(0, -suffix.length);
  if (suffix.startsWith("eed")) return stem.length >= r1 ? `${stem}ee` : word;
  if (!VOWEL.test(stem)) return word;
  if (/(?:at|bl|iz)$/.test(stem)) return `${stem}e`;
  if (/(?:bb|dd|ff|gg|mm|nn|pp|rr|tt)$/.test(stem)) return stem.slice(0, -1);
  return stem.length === r1 && SHORT_SYLLABLE.test(stem) ? `${stem}e` : stem;
}

function step1c(word: string): string {
  return word.replace(/(?<=.[^aeiouy])[yY]$/s, "i");
}

type Rule = readonly [suffix: string, replacement: string, condition?: (stem: string, r2: number) => boolean];

/** Longer suffixes come before those that they end in. */
const STEP_2: readonly Rule[] = [
  ["ational", "ate"],
  ["tional", "tion"],
  ["enci", "ence"],
  ["anci", "ance"],
  ["abli", "able"],
  ["entli", "ent"],
  ["izer", "ize"],
  ["ization", "ize"],
  ["ation", "ate"],
  ["ator", "ate"],
  ["alism", "al"],
  ["aliti", "al"],
  ["alli", "al"],
  ["fulness", "ful"],
  ["ousli", "ous"],
  ["ousness", "ous"],
  ["iveness", "ive"],
  ["iviti", "ive"],
  ["biliti", "ble"],
  ["bli", "ble"],
  ["ogi", "og", (stem) => stem.endsWith("l")],
  ["fulli", "ful"],
  ["lessli", "less"],
  ["li", "", (stem) => /[cdeghkmnrt]$/.test(stem)],
];

const STEP_3: readonly Rule[] = [
  ["ational", "ate"],
  ["tional", "tion"],
  ["alize", "al"],
  ["icate", "ic"],
  ["iciti", "ic"],
  ["ical", "ic"],
  ["ful", ""],
  ["ness", ""],
  ["ative", "", (stem, r2) => stem.length >= r2],
];

const STEP_4: readonly Rule[] = [
  ...["al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ism", "ate", "iti"],
  ...["ous", "ive", "ize"],
]
  .map((suffix): Rule => [suffix, ""])
  .concat([["ion", "", (stem) => /[st]$/.test(stem)]]);

/** Applies the rule of the first suffix that the word ends in, if that lies in the region and its condition holds. */
function replaceIn(word: string, rules: readonly Rule[], region: number, r2: number): string {
  for (const [suffix, replacement, condition] of rules) {
    if (!word.endsWith(suffix)) continue;
    const stem = word.slice(0, word.length - suffix.length);
    return stem.length >= region && (condition?.(stem, r2) ?? true) ? stem + replacement : word;
  }
  return word;
}

function step5(word: string, r1: number, r2: number): string {
  const stem = word.slice(0, -1);
  const inR2 = stem.length >= r2;
  if (word.endsWith("e")) return inR2 || (stem.length >= r1 && !SHORT_SYLLABLE.test(stem)) ? stem : word;
  return word.endsWith("ll") && inR2 ? stem : word;
}
