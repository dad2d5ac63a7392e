import { strip } from "../text/python-classes.ts";
import { firstCharacter, leadingLetter, letterBeforePeriod, mmbenchLetter } from "./letters.ts";
import { mmmuLetter, mmmuOpen } from "./mmmu.ts";
import type { Reading } from "./reading.ts";

/** Ways to read an answer, by name. */
export const readings = {
  text: (answer) => strip(answer),
  lower: (answer) => strip(answer).toLowerCase(),
  "yes-no": (answer) => yesOrNo(answer),
  "yes-no-llava": (answer) => llavaYesOrNo(answer),
  "first-character": firstCharacter,
  "letter-before-period": letterBeforePeriod,
  "leading-letter": leadingLetter,
  "mmbench-letter": mmbenchLetter,
  "mmmu-letter": mmmuLetter,
  "mmmu-open": mmmuOpen,
  "folded-text": (answer) => strip(folded(strip(answer)).toLowerCase()).replaceAll("\n", " "),
  "text-without-blanks": (answer) => strip(answer).replaceAll("\n", " ").replaceAll(" ", ""),
  box: (answer) => JSON.stringify(boxIn(answer)),
} as const satisfies Readonly<Record<string, Reading>>;

export type ReadingName = keyof typeof readings;

export const readingNames = Object.keys(readings) as readonly ReadingName[];

/** As MME's evaluation: the word alone, its first letter alone, or within the first four characters. */
function yesOrNo(answer: string): string {
  const text = strip(answer.toLowerCase()).replaceAll(".", "");
  if (text === "yes" || text === "y") return "yes";
  if (text === "no" || text === "n") return "no";
  if ([...text].length === 1) return "other";
  const start = [...text].slice(0, 4).join("");
  return start.includes("yes") ? "yes" : start.includes("no") ? "no" : "other";
}

/** As POPE's authors and LLaVA: no, where the first sentence has the word no or not; else yes. */
function llavaYesOrNo(answer: string): string {
  const [sentence = ""] = answer.split(".");
  const words = sentence.replaceAll(",", "").split(" ");
  return ["No", "not", "no"].some((word) => words.includes(word)) ? "no" : "yes";
}

/** Full-width ASCII as ASCII, and the ideographic blank as a blank. */
function folded(text: string): string {
  return text
    .replace(/[！-～]/g, (wide) => String.fromCharCode(wide.charCodeAt(0) - 0xfee0))
    .replaceAll("　", " ");
}

const NUMBER = String.raw`(-?\d+(?:\.\d+)?)`;
const BOX = new RegExp(String.raw`\[\s*${NUMBER},\s*${NUMBER},\s*${NUMBER},\s*${NUMBER}\s*\]`);

/** The first four numbers in square brackets; zeros where there are none. */
function boxIn(answer: string): number[] {
  const found = BOX.exec(answer);
  return found === null ? [0, 0, 0, 0] : found.slice(1, 5).map(Number);
}
