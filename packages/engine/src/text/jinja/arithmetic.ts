import { TemplateError } from "./template-error.ts";
import { percentFormatted } from "./text-methods.ts";
import { representation, textOf } from "./text-of.ts";
import { Float, isList, numberOf, sequence, Tuple, typeName, Undefined, type Value } from "./values.ts";
import { bounded, spend, spendLength } from "./work-limit.ts";

/**
 * Python's arithmetic: integers stay integers, `+` and `*` join and repeat texts and lists too.
 * @throws {TemplateError} where the operator has no meaning for the two
 */
export function calculate(operator: string, left: Value, right: Value): Value {
  for (const value of [left, right]) {
    if (value instanceof Undefined) throw new TemplateError(`${value.what} is undefined`);
  }
  const [a, b] = [numberOf(left), numberOf(right)];
  if (a !== undefined && b !== undefined)
    return numbers(operator, a, b, left instanceof Float || right instanceof Float);
  if (operator === "+") {
    if (typeof left === "string" && typeof right === "string") return bounded(left + right);
    const [items, others] = [sequence(left), sequence(right)];
    if (items !== undefined && others !== undefined && isList(left) === isList(right)) {
      spend(items.length + others.length);
      const joined = [...items, ...others];
      return isList(left) ? joined : new Tuple(joined);
    }
  }
  if (operator === "*") {
    const [repeats, times] = b === undefined ? [right, left] : [left, right];
    const repeated = times instanceof Float ? undefined : repeat(repeats, numberOf(times) ?? Number.NaN);
    if (repeated !== undefined) return repeated;
  }
  if (operator === "%" && typeof left === "string") return bounded(percentFormatted(left, right, fieldText));
  throw new TemplateError(`"${operator}" has no meaning for ${typeName(left)} and ${typeName(right)}`);
}

function numbers(operator: string, a: number, b: number, isFloat: boolean): Value {
  if (b === 0 && (operator === "/" || operator === "//" || operator === "%"))
    throw new TemplateError("a number is divided by 0");
  const made = (value: number): Value => {
    if (isFloat) return new Float(value);
    if (!Number.isSafeInteger(value)) throw new TemplateError(`a number is past 2^53: ${a} ${operator} ${b}`);
    return value + 0;
  };
  switch (operator) {
    case "+":
      return made(a + b);
    case "-":
      return made(a - b);
    case "*":
      return made(a * b);
    case "/":
      return new Float(a / b);
    case "//":
      return made(Math.floor(a / b));
    case "%": {
      const rest = a % b;
      return made(rest !== 0 && Math.sign(rest) !== Math.sign(b) ? rest + b : rest);
    }
    default:
      if (a === 0 && b < 0) throw new TemplateError("0 has no negative power");
      return isFloat || b < 0 ? new Float(a ** b) : made(a ** b);
  }
}

function repeat(value: Value, times: number): Value | undefined {
  const count = Math.max(0, times);
  if (!Number.isInteger(count)) return undefined;
  if (typeof value === "string") {
    spendLength(value.length * count);
    return value.repeat(count);
  }
  const items = sequence(value);
  if (items === undefined) return undefined;
  spend(items.length * count);
  const repeated = Array.from({ length: count }, () => items).flat();
  return isList(value) ? repeated : new Tuple(repeated);
}

/** `round` of Jinja2: to `precision` digits; an integer stays one unless it is rounded up or down. */
export function round(value: number, precision: number, method: string, isFloat: boolean): Value {
  if (method === "common") {
    const rounded = roundedHalfEven(value, precision);
    return isFloat ? new Float(rounded) : Math.round(rounded);
  }
  if (method !== "ceil" && method !== "floor")
    throw new TemplateError(`"round": there is no method "${method}"`);
  const scale = 10 ** precision;
  return new Float((method === "ceil" ? Math.ceil(value * scale) : Math.floor(value * scale)) / scale);
}

/** Python's `round`: exact, with halves to the even digit. */
function roundedHalfEven(value: number, precision: number): number {
  if (precision < 0) return roundedHalfEven(value * 10 ** precision, 0) * 10 ** -precision;
  const shown = Math.min(precision, 100);
  if (precision === 0 && Math.abs(value % 1) === 0.5) return 2 * Math.round(value / 2);
  return Number(value.toFixed(shown));
}

/** One field of `%`: a text, a number with so many digits. */
function fieldText(kind: string, precision: number | undefined, value: Value): string {
  if (kind === "s")
    return precision === undefined ? textOf(value) : [...textOf(value)].slice(0, precision).join("");
  if (kind === "r") return representation(value);
  const number = numberOf(value);
  if (number === undefined) throw new TemplateError(`"%${kind}" needs a number, not ${typeName(value)}`);
  const digits = Math.min(precision ?? 6, 100);
  switch (kind) {
    case "d":
    case "i":
      return String(Math.trunc(number));
    case "f":
      return number.toFixed(digits);
    case "x":
      return Math.trunc(number).toString(16);
    case "X":
      return Math.trunc(number).toString(16).toUpperCase();
    case "e":
    case "E": {
      const text = number.toExponential(digits).replace(/e([+-])(\d)$/, "e$10$2");
      return kind === "e" ? text : text.toUpperCase();
    }
    default:
      throw new TemplateError(`"%${kind}" is not supported`);
  }
}
