import type { Token } from "./lexer.ts";
import { TemplateError } from "./template-error.ts";

/** Deeper nesting than this is no chat template, and would overflow the stack. */
const DEEPEST = 200;

/** Tokens one after the other, with one look ahead. */
export class TokenStream {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  look(ahead = 0): Token {
    return (this.#tokens[this.#at + ahead] ?? this.#tokens.at(-1)) as Token;
  }

  next(): Token {
    const token = this.look();
    this.#at += 1;
    return token;
  }

  back(): void {
    this.#at -= 1;
  }

  is(type: Token["type"], value?: string): boolean {
    const token = this.look();
    return token.type === type && (value === undefined || token.value === value);
  }

  /** Whether the next token is this; it is read then. */
  skip(type: Token["type"], value?: string): boolean {
    const found = this.is(type, value);
    if (found) this.#at += 1;
    return found;
  }

  expect(type: Token["type"], value?: string): Token {
    const token = this.next();
    if (token.type === type && (value === undefined || token.value === value)) return token;
    throw new TemplateError(`line ${token.line}: ${value ?? words(type)} is expected, not ${told(token)}`);
  }

  /** One level deeper; gives what leaves it. */
  enter(): () => void {
    this.#depth += 1;
    if (this.#depth > DEEPEST) {
      throw new TemplateError(`line ${this.look().line}: it is nested more than ${DEEPEST} deep`);
    }
    return () => {
      this.#depth -= 1;
    };
  }
}

function words(type: Token["type"]): string {
  if (type === "close-block") return 'the tag\'s end "%}"';
  return type === "close-output" ? 'the end "}}"' : `a ${type}`;
}

export function told({ type, value }: Token): string {
  if (type === "end") return "the template's end";
  return value === "" || type === "text" ? words(type) : JSON.stringify(value);
}
