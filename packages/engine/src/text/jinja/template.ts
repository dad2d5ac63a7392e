import { at, evaluate, filtered } from "./evaluate.ts";
import { globals } from "./globals.ts";
import type { Call, Parameter, Statement, Target } from "./nodes.ts";
import { parse } from "./parser.ts";
import { Scope } from "./scope.ts";
import { TemplateError } from "./template-error.ts";
import { textOf } from "./text-of.ts";
import {
  Callable,
  fromJson,
  iterate,
  Namespace,
  Tuple,
  truth,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";
import { bounded, limited, nested, spend } from "./work-limit.ts";

/** A chat template that was read: gives the text of what it is given. */
export type Template = (variables: Readonly<Record<string, unknown>>) => string;

/**
 * Reads a chat template: Jinja2 as transformers sets it up, where no template can change a list, reach a file or go on without end.
 * @throws {TemplateError} where it is none, and at rendering where it fails or refuses; names the line
 */
export function compileTemplate(source: string): Template {
  const body = guarded(() => parse(source));
  return (variables) =>
    guarded(() =>
      limited(() => {
        const around = new Scope(undefined, globals());
        const given = Object.entries(variables).map(([name, value]) => [name, fromJson(value)] as const);
        const renderer = new Renderer();
        renderer.statements(body, new Scope(around, given));
        return renderer.text;
      }),
    );
}

/** Too deep a nesting is an error of the template's. */
function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof RangeError) throw new TemplateError("it is nested too deep", { cause: error });
    throw error;
  }
}

/** What ends a loop's turn before its body does. */
type Leaves = "break" | "continue" | undefined;

class Renderer {
  text = "";

  statements(body: readonly Statement[], scope: Scope): Leaves {
    for (const statement of body) {
      spend();
      const leaves = this.#statement(statement, scope);
      if (leaves !== undefined) return leaves;
    }
    return undefined;
  }

  #statement(node: Statement, scope: Scope): Leaves {
    switch (node.type) {
      case "text":
        this.#write(node.text);
        return undefined;
      case "output":
        this.#write(at(node.line, () => textOf(evaluate(node.value, scope))));
        return undefined;
      case "if": {
        const branch = node.branches.find(([test]) => truth(evaluate(test, scope)));
        return this.statements(branch?.[1] ?? node.otherwise, scope);
      }
      case "for":
        this.#loop(node, evaluate(node.over, scope), scope, 0);
        return undefined;
      case "set":
        at(node.line, () => assign(node.target, evaluate(node.value, scope), scope));
        return undefined;
      case "set-block": {
        const made = this.#captured(node.body, new Scope(scope));
        assign(
          node.target,
          node.filter === undefined ? made : this.#filtered(node.filter, made, scope),
          scope,
        );
        return undefined;
      }
      case "macro":
        scope.set(node.name, this.#macro(node.name, node.parameters, node.body, scope));
        return undefined;
      case "call-block":
        this.#callBlock(node.call, node.parameters, node.body, scope);
        return undefined;
      case "filter-block":
        this.#write(textOf(this.#filtered(node.filter, this.#captured(node.body, new Scope(scope)), scope)));
        return undefined;
      case "with": {
        const values = node.values.map(([target, value]) => [target, evaluate(value, scope)] as const);
        const inner = new Scope(scope);
        for (const [target, value] of values) assign(target, value, inner);
        return this.statements(node.body, inner);
      }
      case "scope":
        return this.statements(node.body, new Scope(scope));
      default:
        return node.type;
    }
  }

  #write(text: string): void {
    this.text = bounded(this.text + text);
  }

  /** What statements write, as a value. */
  #captured(body: readonly Statement[], scope: Scope): string {
    const before = this.text;
    this.text = "";
    this.statements(body, scope);
    const made = this.text;
    this.text = before;
    return made;
  }

  /** A filter, or a chain of them whose first has what a block wrote before it. */
  #filtered(
    filter: Extract<Statement, { type: "filter-block" }>["filter"],
    text: string,
    scope: Scope,
  ): Value {
    const before = filter.of?.type === "filter" ? this.#filtered(filter.of, text, scope) : text;
    return at(filter.line, () => filtered(filter, before, scope));
  }

  #loop(node: Extract<Statement, { type: "for" }>, over: Value, scope: Scope, depth: number): void {
    const all = at(node.line, () => iterate(over));
    spend(all.length);
    const { test } = node;
    const items =
      test === undefined
        ? all
        : all.filter((item) => {
            const inner = new Scope(scope);
            assign(node.target, item, inner);
            return truth(evaluate(test, inner));
          });
    let shown: Value | undefined;
    let isFinished = false;
    for (const [i, item] of items.entries()) {
      spend(8);
      const inner = new Scope(scope);
      const loop = loopVariable(items, i, depth, {
        recurse: (value) => {
          if (!node.recursive) throw new TemplateError("the loop is not recursive");
          const before = this.text;
          this.text = "";
          nested(() => this.#loop(node, value, scope, depth + 1));
          const made = this.text;
          this.text = before;
          return made;
        },
        changed: (value) => {
          const isNew = shown === undefined || textOf(shown) !== textOf(value);
          shown = value;
          return isNew;
        },
      });
      inner.set("loop", loop);
      at(node.line, () => assign(node.target, item, inner));
      const leaves = this.statements(node.body, inner);
      if (leaves === "break") break;
      if (leaves === undefined) isFinished = true;
    }
    // As Jinja2 has it: a turn that is left before its end counts for none.
    if (!isFinished) this.statements(node.otherwise, new Scope(scope));
  }

  #macro(
    name: string,
    parameters: readonly Parameter[],
    body: readonly Statement[],
    scope: Scope,
    caller?: Value,
  ): Callable {
    return new Callable(name, (args, named) =>
      nested(() => {
        const inner = new Scope(scope);
        const rest = new Map(named);
        // Names that templates of `call` blocks, and of any number of arguments, see.
        inner.set("caller", caller ?? rest.get("caller") ?? new Undefined('"caller"'));
        rest.delete("caller");
        for (const [i, parameter] of parameters.entries()) {
          const value = args[i] ?? rest.get(parameter.name);
          if (value !== undefined && args[i] !== undefined && rest.has(parameter.name)) {
            throw new TemplateError(`the macro "${name}" got "${parameter.name}" twice`);
          }
          rest.delete(parameter.name);
          const byDefault = () =>
            parameter.byDefault === undefined ? undefined : evaluate(parameter.byDefault, inner);
          inner.set(parameter.name, value ?? byDefault() ?? new Undefined(`"${parameter.name}"`));
        }
        inner.set("varargs", new Tuple(args.slice(parameters.length)));
        inner.set("kwargs", rest);
        if (args.length > parameters.length && !mentions(body, "varargs")) {
          throw new TemplateError(
            `the macro "${name}" takes ${parameters.length} arguments, but ${args.length} were given`,
          );
        }
        const [unknown] = rest.keys();
        if (unknown !== undefined && !mentions(body, "kwargs")) {
          throw new TemplateError(`the macro "${name}" takes no argument "${unknown}"`);
        }
        return this.#captured(body, inner);
      }),
    );
  }

  #callBlock(call: Call, parameters: readonly Parameter[], body: readonly Statement[], scope: Scope): void {
    const caller = this.#macro("caller", parameters, body, scope);
    const inner = new Scope(scope, [[CALLER, caller]]);
    const args = {
      ...call.args,
      named: [...call.args.named, ["caller", { type: "name", name: CALLER }] as const],
    };
    this.#write(textOf(evaluate({ ...call, args }, inner)));
  }
}

/** No name that a template can write. */
const CALLER = "the block's caller";

/** Whether a name stands in statements, which is how Jinja2 tells that a macro takes any arguments. */
function mentions(node: unknown, name: string): boolean {
  if (Array.isArray(node)) return node.some((inner) => mentions(inner, name));
  if (typeof node !== "object" || node === null) return false;
  const { type, name: own } = node as { readonly type?: unknown; readonly name?: unknown };
  return (type === "name" && own === name) || Object.values(node).some((inner) => mentions(inner, name));
}

/** Gives a value to names; several take it apart. */
function assign(target: Target, value: Value, scope: Scope): void {
  if (target.type === "name") {
    scope.set(target.name, value);
    return;
  }
  if (target.type === "namespace") {
    const owner = scope.get(target.name);
    if (!(owner instanceof Namespace))
      throw new TemplateError(`"${target.name}" is no namespace, so its attributes cannot be set`);
    if (target.attribute.startsWith("_"))
      throw new TemplateError(`the attribute "${target.attribute}" of a namespace begins with "_"`);
    owner.attributes.set(target.attribute, value);
    return;
  }
  const items = iterate(value);
  if (items.length !== target.items.length) {
    throw new TemplateError(
      `${items.length} values of ${typeName(value)} do not go into ${target.items.length} names`,
    );
  }
  for (const [i, inner] of target.items.entries()) assign(inner, items[i] as Value, scope);
}

interface LoopFunctions {
  readonly recurse: (over: Value) => Value;
  readonly changed: (value: Value) => boolean;
}

/** What a loop tells its body of itself. */
function loopVariable(
  items: readonly Value[],
  i: number,
  depth: number,
  { recurse, changed }: LoopFunctions,
): Callable {
  const cycle = new Callable("cycle", (args) => {
    if (args.length === 0) throw new TemplateError("cycle() needs values");
    return args[i % args.length] as Value;
  });
  const attributes = new Map<string, Value>([
    ["index", i + 1],
    ["index0", i],
    ["revindex", items.length - i],
    ["revindex0", items.length - i - 1],
    ["first", i === 0],
    ["last", i === items.length - 1],
    ["length", items.length],
    ["depth", depth + 1],
    ["depth0", depth],
    ["previtem", items[i - 1] ?? new Undefined("the item before the first")],
    ["nextitem", items[i + 1] ?? new Undefined("the item after the last")],
    ["cycle", cycle],
    ["changed", new Callable("changed", (args) => changed(new Tuple(args)))],
  ]);
  return new Callable("loop", ([over]) => recurse(over ?? []), attributes);
}
