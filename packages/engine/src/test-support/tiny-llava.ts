import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const fixtures = fileURLToPath(new URL("../../../../fixtures/", import.meta.url));
const goldens = fileURLToPath(new URL("../../goldens/tiny-llava.json", import.meta.url));

interface Reference {
  readonly image: string;
  readonly question: string;
  readonly answer: string;
  readonly topic: string;
}

/** What transformers answers, by tools/train/evaluate.py: greedy, in f32. */
interface Answered {
  readonly image: string;
  readonly tokens: readonly number[];
  readonly text: string;
}

const references = read<Reference>(`${fixtures}scenes/test.json`);
const answered = read<Answered>(goldens);

export const tinyLlava = `${fixtures}tiny-llava`;

/** The held-out questions, with the right answers and transformers'. */
export const heldOut: readonly (Reference & Answered)[] = references.map((reference, n) => ({
  ...reference,
  ...(answered[n] as Answered),
}));

export function picture(image: string): string {
  return `${fixtures}scenes/images/${image}`;
}

function read<T>(file: string): T[] {
  return JSON.parse(readFileSync(file, "utf8")) as T[];
}
