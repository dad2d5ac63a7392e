import { bytesOfCharacters } from "./byte-characters.ts";
import type { Part } from "./part.ts";
import { patternOf } from "./pattern.ts";

/** Turns tokens into pieces of the text that they stand for. */
export type Decode = (tokens: readonly string[]) => readonly string[];

/** @throws {TokenizerError} where it is none that is known */
export function decoder(part: Part | undefined): Decode {
  if (part === undefined) return (tokens) => [tokens.join(" ")];
  switch (part.type) {
    case "Sequence": {
      const steps = part.parts("decoders").map(decoder);
      return (tokens) => steps.reduce((made, step) => step(made), tokens);
    }
    case "ByteLevel": {
      const text = new TextDecoder("utf-8", { ignoreBOM: true });
      return (tokens) => [
        text.decode(Uint8Array.from(tokens.flatMap((token) => [...bytesOfCharacters(token)]))),
      ];
    }
    case "ByteFallback":
      return bytesFallBack;
    case "Fuse":
      return (tokens) => [tokens.join("")];
    case "Replace": {
      const [pattern, content] = [patternOf(part), part.text("content")];
      return (tokens) => tokens.map((token) => token.replace(pattern, () => content));
    }
    case "Strip": {
      const [content, start, stop] = [part.text("content"), part.count("start", 0), part.count("stop", 0)];
      return (tokens) => tokens.map((token) => stripped(token, content, start, stop));
    }
    case "Metaspace": {
      const mark = part.text("replacement", "▁");
      const older = part.flag("add_prefix_space", true) ? "always" : "never";
      const begins = part.text("prepend_scheme", older) !== "never";
      return (tokens) =>
        tokens.map((token, i) =>
          i === 0 && begins ? token.replaceAll(mark, "") : token.replaceAll(mark, " "),
        );
    }
    case "WordPiece": {
      const [prefix, cleanup] = [part.text("prefix", "##"), part.flag("cleanup", true)];
      return (tokens) =>
        tokens.map((token, i) => {
          const word = i === 0 ? token : token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`;
          return cleanup ? cleanedUp(word) : word;
        });
    }
    case "BPEDecoder": {
      const suffix = part.text("suffix", "</w>");
      return (tokens) =>
        tokens.map((token, i) => token.replaceAll(suffix, i === tokens.length - 1 ? "" : " "));
    }
    default:
      throw part.unknown("decoder");
  }
}

/** Tokens of single bytes together make characters; bytes that make none are each the sign of that. */
function bytesFallBack(tokens: readonly string[]): string[] {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const made: string[] = [];
  let bytes: number[] = [];
  const flush = (): void => {
    if (bytes.length === 0) return;
    try {
      made.push(text.decode(Uint8Array.from(bytes)));
    } catch {
      made.push(...bytes.map(() => "\uFFFD"));
    }
    bytes = [];
  };
  for (const token of tokens) {
    const [, hex] = /^<0x([\dA-Fa-f]{2})>$/.exec(token) ?? [];
    if (hex !== undefined) bytes.push(Number.parseInt(hex, 16));
    else {
      flush();
      made.push(token);
    }
  }
  flush();
  return made;
}

function stripped(token: string, content: string, start: number, stop: number): string {
  const points = [...token];
  let [from, to] = [0, points.length];
  while (from < Math.min(start, points.length) && points[from] === content) from += 1;
  while (points.length - to < stop && to > from && points[to - 1] === content) to -= 1;
  return points.slice(from, to).join("");
}

/** As BERT's decoder joins English marks and contractions. */
function cleanedUp(text: string): string {
  return text
    .replaceAll(" .", ".")
    .replaceAll(" ?", "?")
    .replaceAll(" !", "!")
    .replaceAll(" ,", ",")
    .replaceAll(" ' ", "'")
    .replaceAll(" n't", "n't")
    .replaceAll(" 'm", "'m")
    .replaceAll(" do not", " don't")
    .replaceAll(" 's", "'s")
    .replaceAll(" 've", "'ve")
    .replaceAll(" 're", "'re");
}
