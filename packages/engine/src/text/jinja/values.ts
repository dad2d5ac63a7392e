import { TemplateError } from "./template-error.ts";
import { spend } from "./work-limit.ts";

/**
 * Python's values as a template sees them. Integers are numbers; lists are arrays; dictionaries are maps.
 */
export type Value =
  | string
  | number
  | boolean
  | None
  | Float
  | Undefined
  | Tuple
  | Namespace
  | Callable
  | readonly Value[]
  | Dict;

/** Python's `None`; a value of its own, so that JavaScript's `??` only fills in what is not there. */
export class None {
  readonly isNone = true;
}
export const none = new None();

export type Key = string | number | boolean | None;
export type Dict = ReadonlyMap<Key, Value>;

/** A number with a point, which prints one. */
export class Float {
  readonly number: number;
  constructor(number: number) {
    this.number = number;
  }
}

/** What a name or an attribute stands for that does not exist: prints as nothing, and has no attributes. */
export class Undefined {
  readonly what: string;
  constructor(what: string) {
    this.what = what;
  }
}

export class Tuple {
  readonly items: readonly Value[];
  constructor(items: readonly Value[]) {
    this.items = items;
  }
}

/** What `namespace()` makes: the one thing whose attributes a template may set. */
export class Namespace {
  readonly attributes: Map<string, Value>;
  constructor(attributes: Map<string, Value>) {
    this.attributes = attributes;
  }
}

export class Callable {
  readonly name: string;
  readonly call: (args: readonly Value[], named: ReadonlyMap<string, Value>) => Value;
  /** Attributes, which a loop has. */
  readonly attributes: ReadonlyMap<string, Value>;
  constructor(
    name: string,
    call: (args: readonly Value[], named: ReadonlyMap<string, Value>) => Value,
    attributes: ReadonlyMap<string, Value> = new Map(),
  ) {
    this.name = name;
    this.call = call;
    this.attributes = attributes;
  }
}

export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

export function isDict(value: Value): value is Dict {
  return value instanceof Map;
}

/** A value of JSON as a template's. */
export function fromJson(value: unknown): Value {
  if (value === undefined) return new Undefined("it");
  if (value === null) return none;
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return Number.isInteger(value) ? value : new Float(value);
  if (Array.isArray(value)) return value.map(fromJson);
  if (typeof value === "object")
    return new Map(Object.entries(value).map(([key, of]) => [key, fromJson(of)]));
  throw new TemplateError(`a ${typeof value} cannot be given to a template`);
}

/** The number of a value that counts as one in Python: booleans do. */
export function numberOf(value: Value): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value === "boolean") return Number(value);
  return value instanceof Float ? value.number : undefined;
}

export function truth(value: Value): boolean {
  if (isList(value)) return value.length > 0;
  if (isDict(value)) return value.size > 0;
  if (value instanceof Tuple) return value.items.length > 0;
  if (value instanceof Float) return value.number !== 0;
  if (value instanceof Undefined || value instanceof None) return false;
  if (value instanceof Namespace || value instanceof Callable) return true;
  return Boolean(value);
}

/** Python's name of a value's type. */
export function typeName(value: Value): string {
  if (value === none) return "None";
  if (typeof value === "string") return "str";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number") return "int";
  if (value instanceof Float) return "float";
  if (value instanceof Undefined) return "undefined";
  if (value instanceof Tuple) return "tuple";
  if (value instanceof Namespace) return "namespace";
  if (value instanceof Callable) return "function";
  return isList(value) ? "list" : "dict";
}

/** Python's `==`. */
export function equal(left: Value, right: Value): boolean {
  spend();
  const [a, b] = [numberOf(left), numberOf(right)];
  if (a !== undefined || b !== undefined) return a === b;
  if (left instanceof Undefined) return right instanceof Undefined;
  const [items, others] = [sequence(left), sequence(right)];
  if (items !== undefined && others !== undefined) {
    return (
      typeName(left) === typeName(right) &&
      items.length === others.length &&
      items.every((item, i) => equal(item, others[i] as Value))
    );
  }
  if (isDict(left) && isDict(right)) {
    return (
      left.size === right.size &&
      [...left].every(([key, value]) => right.has(key) && equal(value, right.get(key) as Value))
    );
  }
  return left === right;
}

/**
 * Python's order: below 0 where left comes first.
 * @throws {TemplateError} where the two have none
 */
export function compare(left: Value, right: Value): number {
  spend();
  const [a, b] = [numberOf(left), numberOf(right)];
  if (a !== undefined && b !== undefined) return a < b ? -1 : Number(a > b);
  if (typeof left === "string" && typeof right === "string") return comparePoints(left, right);
  const [items, others] = [sequence(left), sequence(right)];
  if (items !== undefined && others !== undefined && typeName(left) === typeName(right)) {
    for (const [i, item] of items.entries()) {
      const other = others[i];
      if (other === undefined) return 1;
      if (!equal(item, other)) return compare(item, other);
    }
    return Math.sign(items.length - others.length);
  }
  throw new TemplateError(`${typeName(left)} and ${typeName(right)} have no order`);
}

/** Texts by code points, as Python orders them; JavaScript's units put emoji before U+E000. */
function comparePoints(left: string, right: string): number {
  if (left === right) return 0;
  const [a, b] = [[...left], [...right]];
  const at = a.findIndex((character, i) => character !== b[i]);
  if (at < 0) return -1;
  return ((a[at] as string).codePointAt(0) as number) < ((b[at] ?? "").codePointAt(0) ?? -1) ? -1 : 1;
}

/** Items of a list or tuple. */
export function sequence(value: Value): readonly Value[] | undefined {
  if (isList(value)) return value;
  return value instanceof Tuple ? value.items : undefined;
}

/**
 * What a loop goes through: items, keys, characters.
 * @throws {TemplateError} where a value has none
 */
export function iterate(value: Value): readonly Value[] {
  const items = sequence(value);
  spend((items?.length ?? 0) / 8);
  if (items !== undefined) return items;
  if (typeof value === "string") {
    spend(value.length / 8);
    return [...value];
  }
  if (isDict(value)) return [...value.keys()];
  if (value instanceof Undefined) return [];
  throw new TemplateError(`${typeName(value)} cannot be gone through`);
}

export function lengthOf(value: Value): number {
  if (typeof value === "string") {
    spend(value.length / 64);
    return pointsOf(value);
  }
  if (isDict(value)) return value.size;
  if (value instanceof Undefined) return 0;
  const items = sequence(value);
  if (items === undefined) throw new TemplateError(`${typeName(value)} has no length`);
  return items.length;
}

/** Code points of a text. */
function pointsOf(text: string): number {
  let count = text.length;
  for (let i = 0; i + 1 < text.length; i += 1) if ((text.codePointAt(i) as number) > 0xffff) count -= 1;
  return count;
}

/** What a value may be a key of a dictionary as. */
export function keyOf(value: Value): Key {
  if (value instanceof Float) return value.number;
  if (typeof value !== "object" || value instanceof None) return value;
  throw new TemplateError(`${typeName(value)} cannot be a key`);
}
