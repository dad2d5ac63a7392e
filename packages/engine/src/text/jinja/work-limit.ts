import { TemplateError } from "./template-error.ts";

/** Steps of a rendering: some fifty times what a conversation of a thousand messages takes, and a second or two. */
const MOST_STEPS = 2_000_000;
/** Characters of one text. */
const LONGEST_TEXT = 16_000_000;
/** As Jinja2's sandbox, in which transformers renders, limits `range`. */
const LONGEST_RANGE = 100_000;
/** Macros that call each other. */
const DEEPEST_CALLS = 200;

/** What the rendering under way has done: it runs to its end before another begins, so there is one. */
let work = { steps: 0, calls: 0 };

/** Renders, and counts what that takes: a template without an end is an error, not a process that hangs or runs out of memory. */
export function limited<T>(render: () => T): T {
  work = { steps: 0, calls: 0 };
  return render();
}

/** @throws {TemplateError} where the template has taken too many */
export function spend(steps = 1): void {
  work.steps += steps;
  if (work.steps > MOST_STEPS) {
    throw new TemplateError(`it takes more than ${MOST_STEPS.toLocaleString("en")} steps`);
  }
}

/** Counts characters that are gone through, or made. */
export function spendLength(characters: number): void {
  checkLength(characters);
  spend(1 + characters / 16);
}

/** Gives a text back that is not too long. Joining is cheap: JavaScript copies nothing then. */
export function bounded(text: string): string {
  checkLength(text.length);
  spend(1 + text.length / 4096);
  return text;
}

function checkLength(characters: number): void {
  if (characters <= LONGEST_TEXT) return;
  throw new TemplateError(`it makes a text of more than ${LONGEST_TEXT.toLocaleString("en")} characters`);
}

/** Counts the numbers of a range, or other items that are made from nothing. */
export function spendRange(count: number): void {
  if (count > LONGEST_RANGE) {
    throw new TemplateError(`range() of more than ${LONGEST_RANGE.toLocaleString("en")} numbers is refused`);
  }
  spend(1 + count);
}

/** One call deeper. */
export function nested<T>(call: () => T): T {
  work.calls += 1;
  if (work.calls > DEEPEST_CALLS) {
    throw new TemplateError(`it calls macros or loops more than ${DEEPEST_CALLS} deep`);
  }
  const made = call();
  work.calls -= 1;
  return made;
}
