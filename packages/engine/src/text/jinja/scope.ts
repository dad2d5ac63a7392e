import type { Value } from "./values.ts";

/** Names of a block, and of what stands around it. What a loop or macro sets stays in it. */
export class Scope {
  readonly #values = new Map<string, Value>();
  readonly #around: Scope | undefined;

  constructor(around?: Scope, values: Iterable<readonly [string, Value]> = []) {
    this.#around = around;
    for (const [name, value] of values) this.#values.set(name, value);
  }

  get(name: string): Value | undefined {
    return this.#values.get(name) ?? this.#around?.get(name);
  }

  set(name: string, value: Value): void {
    this.#values.set(name, value);
  }
}
