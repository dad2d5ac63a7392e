import type { Token, Vocabulary } from "./vocabulary.ts";

/** The parts of a `tokenizer.json` that matter here. */
export interface TokenizerJson {
  readonly model: {
    readonly type?: string;
    readonly byte_fallback?: boolean;
    readonly ignore_merges?: boolean;
    readonly unk_token?: string | null;
    readonly vocab: Readonly<Record<string, number>>;
    /** Pairs, best first: `"a b"`, or `["a", "b"]` since tokenizers 0.20. */
    readonly merges: readonly (string | readonly [string, string])[];
  };
  readonly added_tokens?: readonly AddedToken[];
  readonly normalizer?: Step | null;
  readonly pre_tokenizer?: Step | null;
  readonly post_processor?: Step | null;
}

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special?: boolean;
}

/** A step of the pipeline; `Sequence` has others in it. */
interface Step {
  readonly type: string;
  readonly normalizers?: readonly Step[];
  readonly pretokenizers?: readonly Step[];
  readonly processors?: readonly Step[];
  readonly prepend?: string;
  readonly prepend_scheme?: string;
  readonly add_prefix_space?: boolean;
  readonly pattern?: { readonly Regex?: string; readonly String?: string };
  readonly individual_digits?: boolean;
  readonly use_regex?: boolean;
  readonly single?: readonly { readonly SpecialToken?: { readonly id: string } }[];
}

/**
 * The vocabulary of a `tokenizer.json` that was made from a SentencePiece BPE model, scores and all.
 *
 * It lists merges where SentencePiece has scores, and says as much: the converter sorts the merges by the score of what they make. So the n-th
 * piece to be made gets the score −n, and pieces that nothing makes come after all of those, in the order of their ids. For Llama's own
 * vocabulary these are the scores of its tokenizer.model.
 * @throws {RangeError} for other kinds of tokenizers
 */
export function vocabularyOfTokenizerJson(json: TokenizerJson): Vocabulary {
  const { model, normalizer, pre_tokenizer, added_tokens: added = [] } = json;
  if (model.type !== "BPE" || model.byte_fallback !== true) {
    const fallback = model.byte_fallback === true ? "with" : "without";
    throw new RangeError(`it is ${model.type} ${fallback} byte fallback, and Llama's is BPE with it`);
  }
  const ranks = new Map<string, number>();
  for (const merge of model.merges) {
    const made = (typeof merge === "string" ? merge.split(" ") : merge).join("");
    if (Object.hasOwn(model.vocab, made) && !ranks.has(made)) ranks.set(made, ranks.size);
  }
  const control = new Set(added.filter(({ special }) => special).map(({ content }) => content));
  const tokens: (Token | undefined)[] = [];
  let rank = ranks.size;
  for (const [text, id] of Object.entries(model.vocab).sort((a, b) => a[1] - b[1])) {
    if (text === model.unk_token) tokens[id] = { text, score: 0, type: "unknown" };
    else if (control.has(text)) tokens[id] = { text, score: 0, type: "control" };
    else if (/^<0x[0-9A-F]{2}>$/.test(text)) tokens[id] = { text, score: 0, type: "byte" };
    else tokens[id] = { text, score: -(ranks.get(text) ?? rank++), type: "normal" };
  }
  const prepends = stepsOf(normalizer).some(({ type, prepend }) => type === "Prepend" && prepend === "▁");
  const metaspace = stepsOf(pre_tokenizer).some(
    ({ type, prepend_scheme: scheme, add_prefix_space: prefix }) =>
      type === "Metaspace" && (scheme === undefined ? prefix !== false : scheme !== "never"),
  );
  return { tokens, addSpacePrefix: prepends || metaspace };
}

/** Whether the tokenizer puts this token before every text; undefined where it does not say. */
export function beginsWith({ post_processor }: TokenizerJson, token: string): boolean | undefined {
  const template = stepsOf(post_processor).find(({ type }) => type === "TemplateProcessing")?.single;
  return template === undefined ? undefined : template[0]?.SpecialToken?.id === token;
}

/** The steps of a pipeline in order, those of sequences among them. */
export function stepsOf(step: Step | null | undefined): readonly Step[] {
  if (step === null || step === undefined) return [];
  const inner = step.normalizers ?? step.pretokenizers ?? step.processors;
  return inner === undefined ? [step] : inner.flatMap(stepsOf);
}
