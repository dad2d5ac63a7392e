import { type PreTokenizer, preTokenizers } from "./pre-tokenizers.ts";
import type { TokenizerJson } from "./tokenizer-json.ts";
import { stepsOf } from "./tokenizer-json.ts";
import type { Token } from "./vocabulary.ts";

/** A BPE of bytes as GGUF files hold it. */
export interface ByteLevelVocabulary {
  /** By id; holes are ids without a token. */
  readonly tokens: readonly (Token | undefined)[];
  /** Pairs with a space between, best first. */
  readonly merges: readonly string[];
  /** What llama.cpp calls its way of cutting texts. */
  readonly pre: string;
}

/** GPT-2's words, which ByteLevel cuts out unless told otherwise. */
const GPT2_WORDS = (preTokenizers["gpt-2"] as PreTokenizer).patterns[0] as string;

/**
 * Patterns as models' own tokenizer.json have them, of which llama.cpp's are variants for a library that knows no `(?i:…)`.
 */
const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const rest = (digits: string) =>
  `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;
const originals: Readonly<Record<string, string>> = {
  qwen2: rest("\\p{N}"),
  "llama-bpe": rest("\\p{N}{1,3}"),
};

export function isByteLevel({ model, pre_tokenizer }: TokenizerJson): boolean {
  return model.type === "BPE" && stepsOf(pre_tokenizer).some(({ type }) => type === "ByteLevel");
}

/** @throws {RangeError} where texts are cut in a way that llama.cpp has no name for */
export function byteLevelVocabulary(json: TokenizerJson): ByteLevelVocabulary {
  const tokens: (Token | undefined)[] = [];
  for (const [text, id] of Object.entries(json.model.vocab)) tokens[id] = { text, score: 0, type: "normal" };
  const merges = json.model.merges.map((merge) => (typeof merge === "string" ? merge : merge.join(" ")));
  return { tokens, merges, pre: preOf(json) };
}

function preOf({ pre_tokenizer, model }: TokenizerJson): string {
  const patterns = stepsOf(pre_tokenizer).flatMap((step) => {
    if (step.type === "Split") return [step.pattern?.Regex ?? JSON.stringify(step.pattern)];
    if (step.type === "Digits") return [step.individual_digits === true ? "\\p{N}" : "\\p{N}+"];
    if (step.type === "ByteLevel") return step.use_regex === false ? [] : [GPT2_WORDS];
    return [step.type];
  });
  const [only] = patterns;
  const original = Object.keys(originals).find((name) => patterns.length === 1 && originals[name] === only);
  // Models that cut as Llama 3 and merge within known words are called otherwise.
  if (original === "llama-bpe" && model.ignore_merges !== true) return "smaug-bpe";
  const same = Object.entries(preTokenizers).find(
    ([, pre]) =>
      pre.patterns.length === patterns.length && pre.patterns.every((pattern, i) => pattern === patterns[i]),
  );
  const found = original ?? same?.[0];
  if (found !== undefined) return found;
  throw new RangeError(
    `llama.cpp has no name for its way of cutting texts: ${patterns.join("  ").slice(0, 120)}`,
  );
}
