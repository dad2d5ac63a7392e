import { TemplateError } from "./template-error.ts";
import {
  Callable,
  compare,
  equal,
  Float,
  isDict,
  iterate,
  none,
  numberOf,
  sequence,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

type Test = (value: Value, ...args: readonly Value[]) => boolean;

const isText: Test = (value) => typeof value === "string";
const less: Test = (value, than) => compare(value, given(than)) < 0;
const greater: Test = (value, than) => compare(value, given(than)) > 0;
const atMost: Test = (value, than) => compare(value, given(than)) <= 0;
const atLeast: Test = (value, than) => compare(value, given(than)) >= 0;
const same: Test = (value, other) => equal(value, given(other));
const differs: Test = (value, other) => !equal(value, given(other));

/** The tests of Jinja2 by their names. */
export const TESTS: ReadonlyMap<string, Test> = new Map<string, Test>([
  ["defined", (value) => !(value instanceof Undefined)],
  ["undefined", (value) => value instanceof Undefined],
  ["none", (value) => value === none],
  ["boolean", (value) => typeof value === "boolean"],
  ["true", (value) => value === true],
  ["false", (value) => value === false],
  ["integer", (value) => typeof value === "number"],
  ["float", (value) => value instanceof Float],
  ["number", (value) => numberOf(value) !== undefined],
  ["string", isText],
  ["mapping", isDict],
  [
    "iterable",
    (value) => isText(value) || isDict(value) || sequence(value) !== undefined || value instanceof Undefined,
  ],
  [
    "sequence",
    (value) => isText(value) || isDict(value) || sequence(value) !== undefined || value instanceof Undefined,
  ],
  ["callable", (value) => value instanceof Callable],
  ["escaped", () => false],
  [
    "lower",
    (value) => isText(value) && /\p{Ll}/u.test(value as string) && value === (value as string).toLowerCase(),
  ],
  [
    "upper",
    (value) => isText(value) && /\p{Lu}/u.test(value as string) && value === (value as string).toUpperCase(),
  ],
  ["odd", (value) => remainder(value, 2) === 1],
  ["even", (value) => remainder(value, 2) === 0],
  ["divisibleby", (value, by) => remainder(value, integer(given(by))) === 0],
  ["sameas", (value, other) => value === other || (typeof value !== "object" && value === other)],
  ["in", (value, container) => contains(given(container), value)],
  ["eq", same],
  ["equalto", same],
  ["==", same],
  ["ne", differs],
  ["!=", differs],
  ["lt", less],
  ["lessthan", less],
  ["<", less],
  ["gt", greater],
  ["greaterthan", greater],
  [">", greater],
  ["le", atMost],
  ["<=", atMost],
  ["ge", atLeast],
  [">=", atLeast],
]);

function given(value: Value | undefined): Value {
  if (value === undefined) throw new TemplateError("the test needs an argument");
  return value;
}

function integer(value: Value): number {
  const number = numberOf(value);
  if (number === undefined || number === 0) throw new TemplateError(`${typeName(value)} divides nothing`);
  return number;
}

function remainder(value: Value, by: number): number {
  const number = numberOf(value);
  if (number === undefined) throw new TemplateError(`${typeName(value)} is no number`);
  return ((number % by) + by) % by;
}

/** Python's `in`. */
export function contains(container: Value, value: Value): boolean {
  if (typeof container === "string") {
    if (typeof value === "string") return container.includes(value);
    throw new TemplateError(`"in" a str needs a str, not ${typeName(value)}`);
  }
  if (isDict(container)) return (value === none || typeof value !== "object") && container.has(value);
  return iterate(container).some((item) => equal(item, value));
}
