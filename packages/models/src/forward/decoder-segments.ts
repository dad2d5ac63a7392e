// A decoder cut before some of its layers, so that tokens can be dropped there.
import type { ModelDescription } from "../description.ts";
import {
  attentionBlock,
  attentionInputs,
  type DecoderInputs,
  embedTokens,
  headLogits,
  mlpBlock,
} from "./decoder.ts";
import type { DecoderSettings } from "./decoder-settings.ts";
import { rowInput } from "./image-encoders/image-encoder.ts";
import type { CacheSpec, ForwardPass, InputSpec, Ops } from "./ops.ts";

/** Layers between two cuts, for one sequence. */
export interface DecoderSegment {
  /**
   * The first takes what the decoder takes, others `stream` and which of its `rows` go on. The last gives `logits`; others `stream` and, of the row
   * `last`, `scores` `[1, 1, tokens]`: how much attention it pays to each token.
   */
  readonly pass: ForwardPass;
  readonly cache: CacheSpec;
}

/** Whose attention ranks tokens: that of the last layer before a cut (FastV), or that of the next one, computed for it (PyramidDrop). */
export type RankingAttention = "last layer" | "next layer";

/**
 * @param inputs of the whole decoder
 * @param cuts first layers of further segments, ascending
 */
export function decoderSegments(
  description: ModelDescription,
  settings: DecoderSettings,
  inputs: Readonly<Record<string, InputSpec>>,
  sharedInputs: <T>(given: Readonly<Record<string, T>>) => Omit<DecoderInputs<T>, "ids" | "wanted">,
  cuts: readonly number[],
  ranking: RankingAttention,
): readonly DecoderSegment[] {
  const { hiddenSize, layers } = description.languageModel;
  const stream: InputSpec = { dtype: "F32", shape: [1, undefined, hiddenSize] };
  const { wanted, ...others } = inputs as Record<"wanted", InputSpec>;
  const ofTokens = ["cos", "sin", "positions", "visible"];
  const later = Object.fromEntries(Object.entries(inputs).filter(([name]) => ofTokens.includes(name)));
  const ends = [...cuts, layers.length];
  return ends.map((end, n) => {
    const start = n === 0 ? 0 : (ends[n - 1] as number);
    const own = layers.slice(start, end);
    const isLast = end === layers.length;
    return {
      cache: {
        layers: own.map(({ attention }) => ({ kvHeads: attention.numKvHeads, headDim: attention.headDim })),
      },
      pass: {
        inputs: {
          ...(n === 0 ? others : { stream, rows: rowInput, ...later }),
          ...(isLast ? { wanted } : { last: rowInput }),
        },
        run<T>(ops: Ops<T>, given: Readonly<Record<string, T>>) {
          const pass = { ops, description, settings, inputs: sharedInputs(given) };
          let x =
            n === 0 ? embedTokens(pass, given.ids as T) : ops.takeRows(given.stream as T, given.rows as T);
          let scores: T | undefined;
          const rank = ({ q, k, shape }: ReturnType<typeof attentionInputs<T>>) => {
            scores = ops.receivedAttention(q, k, shape, given.last as T);
          };
          for (const [i, layer] of own.entries()) {
            const isWatched = !isLast && ranking === "last layer" && i === own.length - 1;
            x = attentionBlock(pass, x, layer, i, isWatched ? rank : undefined);
            x = mlpBlock(pass, x, layer, layer.index);
          }
          if (isLast) return { logits: headLogits(pass, x, given.wanted as T) };
          const next = layers[end];
          if (ranking === "next layer" && next !== undefined) rank(attentionInputs(pass, x, next));
          return { stream: x, scores: scores as T };
        },
      },
    };
  });
}
