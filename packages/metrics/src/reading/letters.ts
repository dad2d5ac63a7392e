import { splitWords, strip } from "../text/python-classes.ts";
import type { AskedQuestion } from "./reading.ts";

/** The first character, as lmms-eval reads SEED-Bench. */
export function firstCharacter(answer: string): string {
  const [first = ""] = strip(answer);
  return first;
}

/** `B. the second` is B; anything else is the whole answer, as LLaVA and lmms-eval read ScienceQA. */
export function letterBeforePeriod(answer: string): string {
  const text = strip(answer);
  return /^\p{Lu}\./u.test(text) ? ([...text][0] as string) : text;
}

/** `B.` at the beginning is B; anything else is the whole answer, as lmms-eval reads AI2D. */
export function leadingLetter(answer: string): string {
  return /^\s*([A-Z])\./.exec(answer)?.[1] ?? strip(answer);
}

/** Around a letter, in the order in which MMBench's evaluation tries them. */
const AROUND: readonly (readonly [before: string, behind: string])[] = [
  ["", "."],
  ["", ","],
  ["", ":"],
  ["", ")"],
  ["", ")."],
  ["(", ")"],
  ["(", ")."],
  [":", ""],
  [":", ","],
  [":", "."],
  [":", ")"],
  [":", ")."],
];

/**
 * The letter that an answer names alone, or whose choice it names alone, as MMBench's own evaluation infers it; else the likeliest mention of a
 * letter, where the evaluation would ask a model and lmms-eval's static one does not. Empty where there is none.
 */
export function mmbenchLetter(answer: string, { choices }: AskedQuestion): string {
  const text = strip(answer);
  return namedLetter(text) ?? namedChoice(text, choices) ?? likeliestLetter(text, lettersOf(choices));
}

function namedLetter(text: string): string | undefined {
  const words = splitWords(text);
  const letters = ["A", "B", "C", "D", "E"];
  const alone = letters.filter((letter) => words.includes(letter));
  // In a sentence, A may be an article.
  if (alone.length === 1 && !(alone[0] === "A" && words.length > 3)) return alone[0];
  for (const [before, behind] of AROUND) {
    const found = letters.filter((letter) => words.includes(`${before}${letter}${behind}`));
    if (found.length === 1) return found[0];
  }
  return undefined;
}

function namedChoice(text: string, choices: readonly string[]): string | undefined {
  const lower = text.toLowerCase();
  const found = lettersOf(choices.slice(0, 4)).filter((_, i) =>
    lower.includes((choices[i] ?? "").toLowerCase()),
  );
  return found.length === 1 ? found[0] : undefined;
}

/** A, B, C … for each choice. */
export function lettersOf(choices: readonly unknown[]): string[] {
  return choices.map((_, i) => String.fromCharCode(65 + i));
}

/** Words after which answers name a letter. */
const PHRASES = [
  ...["the answer is", "answer is", "the correct answer is", "correct answer is", "the best answer is"],
  ...["best answer is", "the correct option is", "correct option is", "the best option is", "best option is"],
  ...["the choice is", "choice is", "the correct choice is", "correct choice is", "i choose", "i select"],
  ...[
    "i pick",
    "my answer is",
    "my choice is",
    "옵션",
    "정답은",
    "답은",
    "답:",
    "答案是",
    "答案为",
    "选",
    "答えは",
  ],
];

/** Of several mentions the one in the surest form, and of these the last. */
function likeliestLetter(answer: string, letters: readonly string[]): string {
  if (strip(answer) === "") return "";
  const bare = [",", ".", "!", "?", ";", ":", "'", '"'].reduce(stripMark, answer);
  const text = ` ${bare} `;
  const mentions: { letter: string; at: number; sureness: number }[] = [];
  const forms: readonly (readonly [string, string, number])[] = [
    ["(", ")", 6],
    ["", ".", 5],
    ["", ":", 4],
    ["", ")", 3],
    ["", " ", 2],
  ];
  for (const [before, behind, sureness] of forms)
    for (const letter of letters) {
      const at = text.lastIndexOf(`${before}${letter}${behind}`);
      if (at >= 0) mentions.push({ letter, at, sureness });
    }
  const lower = text.toLowerCase();
  for (const phrase of PHRASES) {
    const at = lower.indexOf(phrase);
    if (at < 0) continue;
    for (const letter of letters) {
      const place = text.indexOf(letter, at + phrase.length);
      if (place >= 0) mentions.push({ letter, at: place, sureness: 7 });
    }
  }
  const characters = [...strip(bare)];
  const isLetter = (character: string | undefined) => character !== undefined && /\p{L}/u.test(character);
  for (const letter of letters) {
    if (characters[0] === letter && !isLetter(characters[1])) mentions.push({ letter, at: 0, sureness: 10 });
  }
  for (const letter of letters) {
    if (characters.at(-1) === letter && !isLetter(characters.at(-2)))
      mentions.push({ letter, at: text.length - 1, sureness: 9 });
  }
  if (mentions.length === 0)
    for (const letter of letters) {
      const at = text.lastIndexOf(letter);
      if (at >= 0) mentions.push({ letter, at, sureness: 0 });
    }
  mentions.sort((a, b) => b.sureness - a.sureness || b.at - a.at);
  return mentions[0]?.letter ?? "";
}

/** Python's `str.strip` of one character. */
export function stripMark(text: string, mark: string): string {
  let [start, end] = [0, text.length];
  while (start < end && text[start] === mark) start++;
  while (end > start && text[end - 1] === mark) end--;
  return text.slice(start, end);
}
