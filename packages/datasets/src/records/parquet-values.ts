import type { SchemaTree } from "hyparquet";

/** Decimal digits that a number holds exactly. */
const EXACT_DIGITS = 15;

/** Whether values of this column come otherwise than its file means them. */
export function needsExactness({ element, children }: SchemaTree): boolean {
  const { type, converted_type, logical_type } = element;
  const inexact =
    type === "FLOAT" || converted_type === "DECIMAL" || isTime(element) || logical_type?.type === "FLOAT16";
  return (inexact && children.length === 0) || children.some(needsExactness);
}

/**
 * A value with the digits that its type has: 0.1 of a 32-bit column, which as a number is 0.10000000149011612, and decimals with all of
 * theirs, as text.
 * @throws {RangeError} for what a number cannot hold
 */
export function exactValue(value: unknown, node: SchemaTree): unknown {
  if (value === null || value === undefined || value instanceof Uint8Array || value instanceof Date)
    return value;
  if (Array.isArray(value)) {
    const element = elementOf(node);
    return value.map((item) => exactValue(item, element));
  }
  if (typeof value === "object") {
    return Object.fromEntries(
      Object.entries(value).map(([name, part]) => [
        name,
        exactValue(part, node.children.find(({ element }) => element.name === name) ?? node),
      ]),
    );
  }
  return leafValue(value, node.element);
}

/** Lists are groups of a repeated group of an element, or of a repeated element. */
function elementOf(node: SchemaTree): SchemaTree {
  const [repeated] = node.children;
  if (node.children.length !== 1 || repeated?.element.repetition_type !== "REPEATED") return node;
  return repeated.children.length === 1 ? (repeated.children[0] as SchemaTree) : repeated;
}

function leafValue(value: unknown, element: SchemaTree["element"]): unknown {
  const { type, converted_type, logical_type, precision = 0, scale = 0 } = element;
  if (isTime(element))
    throw new RangeError(`column ${JSON.stringify(element.name)} holds times of day: write them as text`);
  if (typeof value !== "number") return value;
  if (converted_type === "DECIMAL") {
    if (precision <= EXACT_DIGITS) return value.toFixed(scale);
    throw new RangeError(
      `column ${JSON.stringify(element.name)} holds decimals of ${precision} digits, which are read to ${EXACT_DIGITS}: write it as text`,
    );
  }
  if (type === "FLOAT") return shortest(value, (other) => Math.fround(other) === value);
  if (logical_type?.type === "FLOAT16") {
    // Half the distance to the next value; below a power of two that is half as far.
    const exponent = Math.log2(Math.abs(value));
    const halfStep = 2 ** (Math.floor(exponent) - (Number.isInteger(exponent) ? 12 : 11));
    return shortest(value, (other) => Math.abs(other - value) < halfStep);
  }
  return value;
}

function isTime({ converted_type, logical_type }: SchemaTree["element"]): boolean {
  return (
    converted_type === "TIME_MILLIS" || converted_type === "TIME_MICROS" || logical_type?.type === "TIME"
  );
}

/** The number of fewest digits that stands for the same value in its type. */
function shortest(value: number, same: (other: number) => boolean): number {
  for (let digits = 1; digits <= 9; digits++) {
    const rounded = Number(value.toPrecision(digits));
    if (same(rounded)) return rounded;
  }
  return value;
}
