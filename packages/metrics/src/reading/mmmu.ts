import { splitWords, strip } from "../text/python-classes.ts";
import { lettersOf, stripMark } from "./letters.ts";
import { pythonFloat, roundedToCents } from "./python-number.ts";
import type { AskedQuestion } from "./reading.ts";

const MARKS = [",", ".", "!", "?", ";", ":", "'"];

/**
 * The letter of a multiple-choice answer as MMMU's evaluation finds it: in brackets, before a blank, before a period, by the choice's text in a long answer;
 * of several the last one named. Where there is none, MMMU draws one: here by a hash of the question's id, so that runs agree.
 */
export function mmmuLetter(answer: string, { choices, id }: AskedQuestion): string {
  const letters = lettersOf(choices);
  const text = ` ${MARKS.reduce(stripMark, strip(answer))} `;
  const lower = text.toLowerCase();
  const textOf = (letter: string) => (choices[letters.indexOf(letter)] ?? "").toLowerCase();
  const forms: readonly (readonly [named: (letter: string) => boolean, place: (letter: string) => number])[] =
    [
      [(letter) => text.includes(`(${letter})`), (letter) => text.lastIndexOf(`(${letter})`)],
      [(letter) => text.includes(`${letter} `), (letter) => text.lastIndexOf(` ${letter} `)],
      [(letter) => text.includes(`${letter}.`), (letter) => text.lastIndexOf(` ${letter} `)],
      [
        (letter) => splitWords(text).length > 5 && lower.includes(textOf(letter)),
        (letter) => lower.lastIndexOf(textOf(letter)),
      ],
    ];
  for (const [named, place] of forms) {
    const found = letters.filter(named);
    if (found.length === 0) continue;
    const places = found.map(place);
    return found[places.indexOf(Math.max(...places))] as string;
  }
  return letters[drawn(id, letters.length)] ?? "";
}

/** FNV-1a, which tells ids apart well enough for a draw. */
function drawn(id: string, count: number): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(id)) hash = Math.imul(hash ^ byte, 0x01000193);
  return count === 0 ? 0 : (hash >>> 0) % count;
}

/** Words behind which an answer stands. */
const INDICATORS = ["could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result "];

/** What an open answer may mean, as MMMU's evaluation takes it: its last words and the numbers in them, as JSON. */
export function mmmuOpen(answer: string): string {
  const said = keyAnswers(answer);
  const all = [...said, ...said.flatMap(numbersIn)].flatMap(normalised);
  return JSON.stringify(
    [...new Set(all)].filter((value) => typeof value === "string" || Number.isFinite(value)),
  );
}

function keyAnswers(answer: string): string[] {
  const text = stripMark(strip(answer), ".").toLowerCase();
  const sentences = text.split(/\.\s(?=[A-Z])|\n/);
  const found = sentences.flatMap((sentence, i) => {
    const indicators = i === sentences.length - 1 ? [...INDICATORS, "="] : INDICATORS;
    let shortest = "";
    for (const indicator of indicators) {
      if (!sentence.includes(indicator)) continue;
      const rest = strip(sentence.slice(sentence.lastIndexOf(indicator) + indicator.length));
      if (shortest === "" || rest.length < shortest.length) shortest = rest;
    }
    return shortest === "" || [":", ",", ".", "!", "?", ";", "'"].includes(shortest) ? [] : [shortest];
  });
  return found.length === 0 ? [text] : found;
}

function numbersIn(text: string): string[] {
  const patterns = [
    /-?\b\d{1,3}(?:,\d{3})+\b/g,
    /-?\d+(?:\.\d+)?[eE][+-]?\d+/g,
    /-?(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d+)(?![,\d])/g,
  ];
  return patterns.flatMap((pattern) => text.match(pattern) ?? []);
}

/** A number with two decimals, or a text in small letters; a single letter with a blank on either side, so that it is not found in every word. */
export function normalised(text: string): (string | number)[] {
  const plain = strip(text);
  const number = pythonFloat(plain.replaceAll(",", ""));
  if (number !== undefined) return [roundedToCents(number)];
  const lower = plain.toLowerCase();
  return [...lower].length === 1 ? [` ${lower}`, `${lower} `] : [lower];
}
