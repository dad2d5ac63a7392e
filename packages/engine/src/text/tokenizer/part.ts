import { TokenizerError } from "../tokenizer-error.ts";

/** A part of tokenizer.json, which is read with its place in the file, so that what is wrong in it can be told. */
export class Part {
  readonly path: string;
  readonly #json: Readonly<Record<string, unknown>>;

  /** @throws {TokenizerError} where it is no object */
  constructor(json: unknown, path = "") {
    if (typeof json !== "object" || json === null || Array.isArray(json)) {
      throw new TokenizerError(`${path === "" ? "the file" : path} is ${told(json)}, not an object`);
    }
    this.#json = json as Readonly<Record<string, unknown>>;
    this.path = path;
  }

  /** Name of what the part is. */
  get type(): string {
    return this.text("type");
  }

  has(name: string): boolean {
    return this.#json[name] !== undefined && this.#json[name] !== null;
  }

  value(name: string): unknown {
    return this.#json[name];
  }

  /** A part of it; undefined where it is null or not there. */
  part(name: string): Part | undefined {
    return this.has(name) ? new Part(this.#json[name], this.#at(name)) : undefined;
  }

  parts(name: string): Part[] {
    return this.list(name).map((one, i) => new Part(one, `${this.#at(name)}[${i}]`));
  }

  list(name: string): readonly unknown[] {
    const value = this.#json[name] ?? [];
    if (Array.isArray(value)) return value;
    throw this.wrong(name, "a list");
  }

  text(name: string, otherwise?: string): string {
    const value = this.#json[name] ?? otherwise;
    if (typeof value === "string") return value;
    throw this.wrong(name, "a text");
  }

  flag(name: string, otherwise = false): boolean {
    const value = this.#json[name] ?? otherwise;
    if (typeof value === "boolean") return value;
    throw this.wrong(name, "true or false");
  }

  /** A whole number, 0 or more. */
  count(name: string, otherwise?: number): number {
    const value = this.#json[name] ?? otherwise;
    if (isCount(value)) return value;
    throw this.wrong(name, "a whole number");
  }

  /** Tokens and their ids. */
  ids(name: string): Map<string, number> {
    const part = this.part(name);
    if (part === undefined) throw this.wrong(name, "an object of tokens and their numbers");
    for (const [token, id] of Object.entries(part.#json)) {
      if (!isCount(id)) throw part.wrong(token, "a token's number");
    }
    return new Map(Object.entries(part.#json as Readonly<Record<string, number>>));
  }

  unknown(what: string): TokenizerError {
    return new TokenizerError(
      `${this.path} is of the type ${told(this.#json.type)}, which is no ${what} that is supported`,
    );
  }

  wrong(name: string, expected: string): TokenizerError {
    return new TokenizerError(`${this.#at(name)} is ${told(this.#json[name])}, not ${expected}`);
  }

  #at(name: string): string {
    return this.path === "" ? name : `${this.path}.${name}`;
  }
}

/** Larger than any vocabulary; lists are made as long as the largest number. */
const LARGEST_ID = 2 ** 24;

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < LARGEST_ID;
}

function told(value: unknown): string {
  if (value === undefined) return "missing";
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
