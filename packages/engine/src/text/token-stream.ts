import type { Tokenizer } from "./tokenizer.ts";

/** Text that grows token by token. */
export interface TokenStream {
  /** The text that the token adds: nothing yet, where a character is not whole. */
  push(token: number): string;
  /** What is left when no more tokens come. */
  finish(): string;
}

/** A token's text depends on those before it (leading blanks, characters of several tokens): so a few are decoded anew each time. */
export function tokenStream(tokenizer: Pick<Tokenizer, "decode" | "tokenOf">): TokenStream {
  const tokens: number[] = [];
  // Tokens from `start` are decoded as context; the text of those before `given` has been handed out.
  let [start, given] = [0, 0];
  const pending = () => {
    const before = tokenizer.decode(tokens.slice(start, given));
    return tokenizer.decode(tokens.slice(start)).slice(before.length);
  };
  const handOut = (text: string) => {
    start = given;
    given = tokens.length;
    return text;
  };
  return {
    push(token) {
      tokens.push(token);
      // Tokens of single bytes become characters together, or not at all.
      if (/^<0x[0-9A-F]{2}>$/.test(tokenizer.tokenOf(token) ?? "")) return "";
      const text = pending();
      return text === "" || text.endsWith("\uFFFD") ? "" : handOut(text);
    },
    finish: () => (given === tokens.length ? "" : handOut(pending())),
  };
}
