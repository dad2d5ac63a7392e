/**
 * Porter's stemmer (Porter 1980, "An algorithm for suffix stripping") with NLTK's extensions, which the references of ROUGE and METEOR
 * use: a pool of irregular forms, `ies` and `ied` of four-letter words, y→i after a consonant only, and four rules more in step 2.
 * @param word lower-cased first
 */
export function porterStem(word: string): string {
  const lower = word.toLowerCase();
  const irregular = IRREGULAR.get(lower);
  if (irregular !== undefined) return irregular;
  // Python counts characters, not UTF-16 units.
  if (word.length <= 4 && [...word].length <= 2) return lower;
  return [step1a, step1b, step1c, step2, step3, step4, step5a, step5b].reduce(
    (stem, step) => step(stem),
    lower,
  );
}

const IRREGULAR = new Map([
  ["sky", "sky"],
  ["skies", "sky"],
  ["dying", "die"],
  ["lying", "lie"],
  ["tying", "tie"],
  ["news", "news"],
  ["innings", "inning"],
  ["inning", "inning"],
  ["outings", "outing"],
  ["outing", "outing"],
  ["cannings", "canning"],
  ["canning", "canning"],
  ["howe", "howe"],
  ["proceed", "proceed"],
  ["exceed", "exceed"],
  ["succeed", "succeed"],
]);

function isVowelLetter(letter: string | undefined): boolean {
  return letter === "a" || letter === "e" || letter === "i" || letter === "o" || letter === "u";
}

/** Whether each letter is a consonant: one that is not a, e, i, o, u, nor a y after a consonant. */
function consonants(word: string): boolean[] {
  const flags: boolean[] = [];
  for (let i = 0; i < word.length; i++) {
    flags.push(word[i] === "y" ? i === 0 || !flags[i - 1] : !isVowelLetter(word[i]));
  }
  return flags;
}

/** m of [C](VC){m}[V]: how often a vowel is followed by a consonant. */
function measure(stem: string): number {
  const flags = consonants(stem);
  return flags.filter((isConsonant, i) => isConsonant && flags[i - 1] === false).length;
}

function containsVowel(stem: string): boolean {
  return consonants(stem).includes(false);
}

function endsWithConsonant(word: string): boolean {
  return consonants(word).at(-1) === true;
}

function endsWithDoubleConsonant(word: string): boolean {
  return word.length >= 2 && word.at(-1) === word.at(-2) && endsWithConsonant(word);
}

/** Consonant, vowel, consonant other than w, x, y; or, as NLTK has it, a two-letter word of vowel and consonant. */
function endsWithCvc(word: string): boolean {
  const flags = consonants(word);
  const [first, second, third] = flags.slice(-3);
  if (word.length === 2) return first === false && second === true;
  return word.length > 2 && first === true && second === false && third === true && !/[wxy]$/.test(word);
}

type Rule = readonly [suffix: string, replacement: string];

/** Applies the first rule whose suffix the word has, if what is left meets the condition. */
function replaceSuffix(word: string, rules: readonly Rule[], condition: (stem: string) => boolean): string {
  for (const [suffix, replacement] of rules) {
    if (!word.endsWith(suffix)) continue;
    const stem = word.slice(0, word.length - suffix.length);
    return condition(stem) ? stem + replacement : word;
  }
  return word;
}

const positive = (stem: string) => measure(stem) > 0;
const above1 = (stem: string) => measure(stem) > 1;
const always = () => true;

const STEP_1A: readonly Rule[] = [
  ["sses", "ss"],
  ["ies", "i"],
  ["ss", "ss"],
  ["s", ""],
];

function step1a(word: string): string {
  if (word.length === 4 && word.endsWith("ies")) return word.slice(0, -1);
  return replaceSuffix(word, STEP_1A, always);
}

const STEP_1B: readonly Rule[] = [
  ["at", "ate"],
  ["bl", "ble"],
  ["iz", "ize"],
];

function step1b(word: string): string {
  if (word.endsWith("ied")) return word.slice(0, word.length === 4 ? -1 : -2);
  if (word.endsWith("eed")) return replaceSuffix(word, [["eed", "ee"]], positive);
  const suffix = ["ed", "ing"].find(
    (ending) => word.endsWith(ending) && containsVowel(word.slice(0, -ending.length)),
  );
  if (suffix === undefined) return word;
  const stem = word.slice(0, -suffix.length);
  if (STEP_1B.some(([ending]) => stem.endsWith(ending))) return replaceSuffix(stem, STEP_1B, always);
  if (endsWithDoubleConsonant(stem)) return /[lsz]$/.test(stem) ? stem : stem.slice(0, -1);
  return measure(stem) === 1 && endsWithCvc(stem) ? `${stem}e` : stem;
}

function step1c(word: string): string {
  return replaceSuffix(word, [["y", "i"]], (stem) => stem.length > 1 && endsWithConsonant(stem));
}

const STEP_2: readonly Rule[] = [
  ["ational", "ate"],
  ["tional", "tion"],
  ["enci", "ence"],
  ["anci", "ance"],
  ["izer", "ize"],
  ["bli", "ble"],
  ["alli", "al"],
  ["entli", "ent"],
  ["eli", "e"],
  ["ousli", "ous"],
  ["ization", "ize"],
  ["ation", "ate"],
  ["ator", "ate"],
  ["alism", "al"],
  ["iveness", "ive"],
  ["fulness", "ful"],
  ["ousness", "ous"],
  ["aliti", "al"],
  ["iviti", "ive"],
  ["biliti", "ble"],
  ["fulli", "ful"],
];

function step2(word: string): string {
  // `alli` becomes `al`, and what then ends like another rule goes on.
  if (word.endsWith("alli") && positive(word.slice(0, -4))) return step2(word.slice(0, -2));
  // NLTK measures what is before `gi`, not before `logi`.
  const isLogi = word.endsWith("logi") && !STEP_2.some(([suffix]) => word.endsWith(suffix));
  if (isLogi) return positive(word.slice(0, -3)) ? word.slice(0, -1) : word;
  return replaceSuffix(word, STEP_2, positive);
}

const STEP_3: readonly Rule[] = [
  ["icate", "ic"],
  ["ative", ""],
  ["alize", "al"],
  ["iciti", "ic"],
  ["ical", "ic"],
  ["ful", ""],
  ["ness", ""],
];

function step3(word: string): string {
  return replaceSuffix(word, STEP_3, positive);
}

const STEP_4 = "al ance ence er ic able ible ant ement ment ent ion ou ism ate iti ous ive ize".split(" ");

function step4(word: string): string {
  const suffix = STEP_4.find((ending) => word.endsWith(ending));
  if (suffix === undefined) return word;
  const stem = word.slice(0, -suffix.length);
  return above1(stem) && (suffix !== "ion" || /[st]$/.test(stem)) ? stem : word;
}

function step5a(word: string): string {
  return replaceSuffix(
    word,
    [["e", ""]],
    (stem) => above1(stem) || (measure(stem) === 1 && !endsWithCvc(stem)),
  );
}

function step5b(word: string): string {
  return word.endsWith("ll") && above1(word.slice(0, -1)) ? word.slice(0, -1) : word;
}
