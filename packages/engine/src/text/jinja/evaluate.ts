import { calculate } from "./arithmetic.ts";
import { CallArguments } from "./call-arguments.ts";
import { dictMethod, listMethod } from "./container-methods.ts";
import { FILTERS } from "./filters.ts";
import type { Arguments, Expression, Filter } from "./nodes.ts";
import { attributeOf } from "./ordering.ts";
import type { Scope } from "./scope.ts";
import { TemplateError } from "./template-error.ts";
import { contains, TESTS } from "./tests.ts";
import { textMethod } from "./text-methods.ts";
import { textOf } from "./text-of.ts";
import {
  Callable,
  compare,
  equal,
  Float,
  isDict,
  iterate,
  keyOf,
  Namespace,
  none,
  numberOf,
  sequence,
  Tuple,
  truth,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";
import { bounded, spend, spendLength } from "./work-limit.ts";

/** The value of an expression. @throws {TemplateError} where it has none */
export function evaluate(node: Expression, scope: Scope): Value {
  spend();
  const of = (inner: Expression): Value => evaluate(inner, scope);
  switch (node.type) {
    case "constant":
      return node.float ? new Float(Number(node.value)) : node.value;
    case "name":
      return scope.get(node.name) ?? new Undefined(`"${node.name}"`);
    case "list":
      return node.items.map(of);
    case "tuple":
      return new Tuple(node.items.map(of));
    case "dict":
      return new Map(node.pairs.map(([key, value]) => [keyOf(of(key)), of(value)]));
    case "attribute":
      return attribute(of(node.of), node.name);
    case "item":
      return item(of(node.of), node.key, scope);
    case "slice":
      throw new TemplateError("a slice stands alone");
    case "call":
      return at(node.line, () => called(of(node.callee), node.args, scope));
    case "filter":
      return at(node.line, () => filtered(node, node.of === undefined ? "" : of(node.of), scope));
    case "test": {
      const test = TESTS.get(node.name);
      if (test === undefined && node.name !== "filter" && node.name !== "test") {
        throw new TemplateError(`line ${node.line}: there is no test "${node.name}"`);
      }
      const { args } = given(node.args, scope);
      const value = of(node.of);
      if (test === undefined)
        return typeof value === "string" && (node.name === "test" ? TESTS : FILTERS).has(value);
      return at(node.line, () => test(value, ...args));
    }
    case "not":
      return !truth(of(node.of));
    case "negative":
    case "positive":
      return calculate("*", node.type === "negative" ? -1 : 1, signed(of(node.of)));
    case "and": {
      const left = of(node.left);
      return truth(left) ? of(node.right) : left;
    }
    case "or": {
      const left = of(node.left);
      return truth(left) ? left : of(node.right);
    }
    case "choice":
      if (truth(of(node.test))) return of(node.yes);
      return node.no === undefined ? new Undefined("the choice without else") : of(node.no);
    case "concatenation":
      return bounded(node.items.map((part) => textOf(of(part))).join(""));
    case "arithmetic":
      return at(node.line, () => calculate(node.operator, of(node.left), of(node.right)));
    case "compare": {
      let left = of(node.first);
      for (const [operator, expression] of node.rest) {
        const right = of(expression);
        if (!holds(operator, left, right)) return false;
        left = right;
      }
      return true;
    }
  }
}

/** Runs a part of a template; where it fails, its line is named. */
export function at<T>(line: number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof TemplateError) || /^line \d/.test(error.message)) throw error;
    throw new TemplateError(`line ${line}: ${error.message}`, { cause: error });
  }
}

function signed(value: Value): Value {
  if (numberOf(value) === undefined) throw new TemplateError(`${typeName(value)} has no sign`);
  return value;
}

function holds(operator: string, left: Value, right: Value): boolean {
  spend((sequence(right)?.length ?? 0) / 4);
  switch (operator) {
    case "==":
      return equal(left, right);
    case "!=":
      return !equal(left, right);
    case "in":
      return contains(right, left);
    case "not in":
      return !contains(right, left);
  }
  for (const value of [left, right]) {
    if (value instanceof Undefined) throw new TemplateError(`${value.what} is undefined`);
  }
  const order = compare(left, right);
  if (operator === "<") return order < 0;
  if (operator === ">") return order > 0;
  return operator === "<=" ? order <= 0 : order >= 0;
}

/** `a.name`: a method before a key, as Python finds them. */
function attribute(value: Value, name: string): Value {
  const missing = () => new Undefined(`"${name}" of ${typeName(value)}`);
  if (value instanceof Undefined)
    throw new TemplateError(`${value.what} is undefined, so it has no "${name}"`);
  if (name.startsWith("__")) return missing();
  if (typeof value === "string") return textMethod(value, name) ?? missing();
  if (value instanceof Namespace || value instanceof Callable) return value.attributes.get(name) ?? missing();
  if (isDict(value)) return dictMethod(value, name) ?? value.get(name) ?? missing();
  const items = sequence(value);
  return (items && listMethod(items, name)) ?? missing();
}

/** `a[key]`: an item, a slice, or else an attribute. */
function item(value: Value, key: Expression, scope: Scope): Value {
  if (value instanceof Undefined) throw new TemplateError(`${value.what} is undefined, so it has no items`);
  if (key.type === "slice") {
    const parts = key.parts.map((part) => (part === undefined ? none : evaluate(part, scope)));
    return sliced(value, parts);
  }
  const by = evaluate(key, scope);
  const missing = () =>
    new Undefined(`${typeof by === "string" ? JSON.stringify(by) : textOf(by)} of ${typeName(value)}`);
  if (isDict(value)) {
    const found = by instanceof Undefined ? undefined : value.get(keyOf(by));
    return found ?? (typeof by === "string" ? attribute(value, by) : missing());
  }
  if (typeof by === "string") return attribute(value, by);
  const index = by instanceof Float ? undefined : numberOf(by);
  if (index === undefined) return missing();
  if (typeof value === "string") {
    spendLength(value.length);
    return [...value].at(index) ?? missing();
  }
  return sequence(value)?.at(index) ?? missing();
}

function sliced(value: Value, [from, to, by]: readonly (Value | undefined)[]): Value {
  const items = typeof value === "string" ? [...value] : sequence(value);
  if (items === undefined) throw new TemplateError(`${typeName(value)} cannot be sliced`);
  spend(items.length / 8);
  const step = bound(by) ?? 1;
  if (step === 0) throw new TemplateError("the step of a slice is 0");
  const [low, high] = step > 0 ? [0, items.length] : [-1, items.length - 1];
  const clamp = (index: number) => Math.min(Math.max(index < 0 ? index + items.length : index, low), high);
  const start = bound(from) === undefined ? (step > 0 ? low : high) : clamp(bound(from) as number);
  const end = bound(to) === undefined ? (step > 0 ? high : low) : clamp(bound(to) as number);
  const kept: Value[] = [];
  for (let i = start; step > 0 ? i < end : i > end; i += step) kept.push(items[i] as Value);
  if (typeof value === "string") return kept.join("");
  return value instanceof Tuple ? new Tuple(kept) : kept;
}

function bound(value: Value | undefined): number | undefined {
  if (value === undefined || value === none) return undefined;
  const number = value instanceof Float ? undefined : numberOf(value);
  if (number === undefined) throw new TemplateError(`a slice goes from int to int, not ${typeName(value)}`);
  return number;
}

interface Given {
  readonly args: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}

function given(node: Arguments, scope: Scope): Given {
  const of = (inner: Expression): Value => evaluate(inner, scope);
  const args = node.positional.map(of);
  const spread = node.spread === undefined ? [] : iterate(of(node.spread));
  const named = new Map(node.named.map(([name, value]) => [name, of(value)]));
  if (node.namedSpread !== undefined) {
    const more = of(node.namedSpread);
    if (!isDict(more)) throw new TemplateError(`"**" needs a dict, not ${typeName(more)}`);
    for (const [name, value] of more) named.set(String(name), value);
  }
  return { args: [...args, ...spread], named };
}

function called(callee: Value, node: Arguments, scope: Scope): Value {
  if (callee instanceof Undefined)
    throw new TemplateError(`${callee.what} is undefined, so it cannot be called`);
  if (!(callee instanceof Callable)) throw new TemplateError(`${typeName(callee)} cannot be called`);
  const { args, named } = given(node, scope);
  return callee.call(args, named);
}

/** Applies a filter to a value. */
export function filtered(node: Filter, value: Value, scope: Scope): Value {
  return withFilter(node.name, value, given(node.args, scope));
}

function withFilter(name: string, value: Value, { args, named }: Given): Value {
  spend((sequence(value)?.length ?? 0) / 4);
  switch (name) {
    case "map":
      return mapped(value, { args, named });
    case "select":
    case "reject":
      return iterate(value).filter((of) => passes(of, args) === (name === "select"));
    case "selectattr":
    case "rejectattr": {
      const [path, ...test] = args;
      if (path === undefined) throw new TemplateError(`"${name}" needs the name of an attribute`);
      return iterate(value).filter(
        (of) => passes(attributeOf(of, textOf(path)), test) === (name === "selectattr"),
      );
    }
  }
  if (name === "attr") {
    return attribute(value, new CallArguments(name, ["name"], args, named).text("name"));
  }
  const described = FILTERS.get(name);
  if (described === undefined) throw new TemplateError(`there is no filter "${name}"`);
  const [parameters, filter] = described;
  if (typeof value === "string") spendLength(value.length);
  return filter(value, new CallArguments(name, parameters, args, named));
}

/** Whether a value passes a test that is given by its name, or is true where there is none. */
function passes(value: Value, [name, ...args]: readonly Value[]): boolean {
  if (name === undefined) return truth(value);
  const test = typeof name === "string" ? TESTS.get(name) : undefined;
  if (test === undefined) throw new TemplateError(`there is no test "${textOf(name)}"`);
  return test(value, ...args);
}

function mapped(value: Value, { args, named }: Given): Value {
  const path = named.get("attribute");
  if (path !== undefined) {
    return iterate(value).map((of) => {
      const found = attributeOf(of, textOf(path));
      return found instanceof Undefined ? (named.get("default") ?? found) : found;
    });
  }
  const [name, ...rest] = args;
  if (typeof name !== "string") throw new TemplateError(`"map" needs the name of a filter or an attribute`);
  return iterate(value).map((of) => withFilter(name, of, { args: rest, named }));
}
