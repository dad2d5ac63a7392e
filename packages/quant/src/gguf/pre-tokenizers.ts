/** Contractions in large and small letters, which JavaScript's patterns cannot ask for in one part of a pattern alone. */
const CONTRACTIONS = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)";
const MARKS_AND_SPACE = " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const words = (digits: string) =>
  `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}|${MARKS_AND_SPACE}`;
const UPPER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
const LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
const MARKS_AND_SLASHES = " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const before = "[^\\r\\n\\p{L}\\p{N}]?";

/** How llama.cpp cuts texts for a byte-level BPE tokenizer. */
export interface PreTokenizer {
  /** Each cuts the pieces of the one before: what it finds, and what lies between. */
  readonly patterns: readonly string[];
  /** Whether a piece that is a token as a whole is taken as it is. */
  readonly ignoresMerges?: boolean;
  /** Whether texts begin with a token of their own, unless the file tells otherwise. */
  readonly addsBos?: boolean;
  /** What the model's own tokenizer does beforehand, and llama.cpp leaves out. */
  readonly normalizer?: { readonly type: "NFC" };
}

const gpt2: PreTokenizer = { patterns: [GPT2] };
const digitByDigit: PreTokenizer = { patterns: ["\\p{N}", GPT2] };
const llama3: PreTokenizer = { patterns: [words("\\p{N}{1,3}")], ignoresMerges: true, addsBos: true };
const threeDigits: PreTokenizer = { patterns: [words("\\p{N}{1,3}")] };
const qwen2: PreTokenizer = { patterns: [words("\\p{N}")], normalizer: { type: "NFC" } };
const deepseek3: PreTokenizer = {
  patterns: [
    "\\p{N}{1,3}",
    "[一-龥぀-ゟ゠-ヿ]+",
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  ],
};

/** By `tokenizer.ggml.pre`, as llama.cpp's `llm_tokenizer_bpe` has them (2026). */
export const preTokenizers: Readonly<Record<string, PreTokenizer>> = {
  default: { patterns: ["[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"] },
  "llama-bpe": llama3,
  llama3,
  "llama-v3": llama3,
  falcon3: llama3,
  pixtral: llama3,
  "gpt-2": gpt2,
  "phi-2": gpt2,
  olmo: gpt2,
  mpt: gpt2,
  exaone4: gpt2,
  smollm: digitByDigit,
  starcoder: digitByDigit,
  refact: digitByDigit,
  "command-r": digitByDigit,
  codeshell: digitByDigit,
  "minerva-7b": digitByDigit,
  exaone: digitByDigit,
  qwen2,
  "deepseek-r1-qwen": qwen2,
  megrez: qwen2,
  stablelm2: { patterns: [words("\\p{N}")] },
  dbrx: threeDigits,
  "smaug-bpe": threeDigits,
  "chatglm-bpe": threeDigits,
  "deepseek-v3": deepseek3,
  falcon: { patterns: ["[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]"] },
  tekken: {
    patterns: [`${before}${UPPER}*${LOWER}+|${before}${UPPER}+${LOWER}*|\\p{N}|${MARKS_AND_SLASHES}`],
    ignoresMerges: true,
    addsBos: true,
  },
  "gpt-4o": {
    patterns: [
      `${before}${UPPER}*${LOWER}+${CONTRACTIONS}?|${before}${UPPER}+${LOWER}*${CONTRACTIONS}?|\\p{N}{1,3}|${MARKS_AND_SLASHES}`,
    ],
  },
};
