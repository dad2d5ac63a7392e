import { TemplateError } from "./template-error.ts";
import { none, numberOf, truth, typeName, type Value } from "./values.ts";

/** What a function of Python was called with, by its parameters' names. */
export class CallArguments {
  readonly #function: string;
  readonly #values = new Map<string, Value>();

  /** @throws {TemplateError} where there are more than it has parameters, or one of another name */
  constructor(
    name: string,
    parameters: readonly string[],
    args: readonly Value[],
    named: ReadonlyMap<string, Value>,
  ) {
    this.#function = name;
    if (args.length > parameters.length) {
      throw new TemplateError(
        `${name}() takes ${parameters.length} arguments, but ${args.length} were given`,
      );
    }
    for (const [i, value] of args.entries()) this.#values.set(parameters[i] as string, value);
    for (const [key, value] of named) {
      if (!parameters.includes(key) || this.#values.has(key)) {
        throw new TemplateError(
          `${name}() takes no ${parameters.includes(key) ? "second " : ""}argument "${key}"`,
        );
      }
      this.#values.set(key, value);
    }
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  value(name: string): Value {
    const value = this.#values.get(name);
    if (value === undefined) throw new TemplateError(`${this.#function}() needs the argument "${name}"`);
    return value;
  }

  or(name: string, otherwise: Value): Value {
    return this.#values.get(name) ?? otherwise;
  }

  text(name: string, otherwise?: string): string {
    const value = otherwise === undefined ? this.value(name) : this.or(name, otherwise);
    if (typeof value === "string") return value;
    throw new TemplateError(`${this.#function}(): "${name}" is ${typeName(value)}, not str`);
  }

  /** A text, or undefined where it is None or not there. */
  maybeText(name: string): string | undefined {
    const value = this.or(name, none);
    return value === none ? undefined : this.text(name);
  }

  integer(name: string, otherwise?: number): number {
    const value = otherwise === undefined ? this.value(name) : this.or(name, otherwise);
    const number = typeof value === "object" ? undefined : numberOf(value);
    if (number === undefined)
      throw new TemplateError(`${this.#function}(): "${name}" is ${typeName(value)}, not int`);
    return number;
  }

  flag(name: string, otherwise = false): boolean {
    return truth(this.or(name, otherwise));
  }
}
