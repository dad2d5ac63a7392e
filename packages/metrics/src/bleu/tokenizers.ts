import { splitWords, trimEnd } from "../text/python-classes.ts";

/** mteval-v13a's rules, as sacrebleu has them; none: words as blanks part them; char: characters; intl: Unicode's punctuation and symbols. */
export type BleuTokenizer = "13a" | "none" | "char" | "intl";

const tokenizers: Readonly<Record<BleuTokenizer, (line: string) => string>> = {
  "13a": mteval13a,
  none: (line) => line,
  char: (line) => [...line].join(" "),
  intl: (line) =>
    line
      .replace(/(\P{N})(\p{P})/gu, "$1 $2 ")
      .replace(/(\p{P})(\P{N})/gu, " $1 $2")
      .replace(/(\p{S})/gu, " $1 "),
};

/** Words of a line, as sacrebleu sees them. */
export function bleuWords(line: string, tokenizer: BleuTokenizer): string[] {
  return splitWords(tokenizers[tokenizer](trimEnd(line)));
}

function mteval13a(line: string): string {
  let text = line.replaceAll("<skipped>", "").replaceAll("-\n", "").replaceAll("\n", " ");
  if (text.includes("&")) {
    text = text
      .replaceAll("&quot;", '"')
      .replaceAll("&amp;", "&")
      .replaceAll("&lt;", "<")
      .replaceAll("&gt;", ">");
  }
  return (
    ` ${text} `
      .replace(/([{-~[-` -&(-+:-@/])/g, " $1 ")
      // Periods and commas, unless digits are on both sides; dashes behind digits.
      .replace(/([^0-9])([.,])/gu, "$1 $2 ")
      .replace(/([.,])([^0-9])/gu, " $1 $2")
      .replace(/([0-9])(-)/g, "$1 $2 ")
  );
}
