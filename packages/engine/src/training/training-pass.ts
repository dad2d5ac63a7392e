// The forward passes that models are trained through: those of `parts`, put together for rows of tokens of which an input says what they see.
import type {
  Block,
  CachedAttentionShape,
  ForwardPass,
  InputSpec,
  ModelForward,
  Ops,
  TensorSpecs,
} from "@vlmopt/models";

/** Adds (x·Aᵀ)·Bᵀ·scale to what a linear gives (arXiv:2106.09685); A is `[rank, in]`, B `[out, rank]`. */
export interface LowRank {
  /** Names of the weights of the linears that get it. */
  readonly linears: ReadonlySet<string>;
  readonly scale: number;
}

/** Names of A and B beside a linear's weight. */
export function lowRankNames(weight: string): readonly [string, string] {
  return [`${weight}.lora_A`, `${weight}.lora_B`];
}

/** The name of the input that says what tokens see through a window. */
export function visibleInput(window: number | undefined): string {
  return window === undefined ? "visible" : `visible.${window}`;
}

interface TrainingPassOptions {
  /** Of the weights as they are stored: layers may have fewer heads than others. */
  readonly specs: TensorSpecs;
  readonly lowRank?: LowRank | undefined;
  /** Takes `seen` in the place of `features`, which it makes of it. */
  readonly projector?: ForwardPass | undefined;
}

/** From tokens to `logits` `[1, wanted, vocabSize]` and `states` `[1, wanted, hiddenSize]`, the stream behind the last layer. */
export function wholePass(forward: ModelForward, layers: number, options: TrainingPassOptions): ForwardPass {
  const { embed, head } = forward.parts;
  const { projector } = options;
  const blocks = Array.from({ length: layers }, (_, layer) => blocksOf(layer)).flat();
  const through = blockPasses(forward, blocks, options);
  return {
    inputs: {
      ...(projector === undefined
        ? embed.inputs
        : { ...omit(embed.inputs, "features"), ...projector.inputs }),
      ...through.inputs,
      ...omit(head.inputs, "stream"),
    },
    run<T>(own: Ops<T>, given: Readonly<Record<string, T>>) {
      const ops = withLowRank(own, options.lowRank);
      const { stream } = embed.run(ops, { ...given, ...projector?.run(ops, given) });
      const last = through.run(ops, given, stream as T);
      const { logits } = head.run(ops, { ...given, stream: last });
      return { logits: logits as T, states: ops.takeRows(last, given.wanted as T) };
    },
  };
}

/** A layer, from `stream` to `stream`, and to `states` of the tokens `wanted`. */
export function layerPass(forward: ModelForward, layer: number, options: TrainingPassOptions): ForwardPass {
  const { stream, wanted } = forward.parts.head.inputs as Record<"stream" | "wanted", InputSpec>;
  const through = blockPasses(forward, blocksOf(layer), options);
  return {
    inputs: { stream, wanted, ...through.inputs },
    run<T>(own: Ops<T>, given: Readonly<Record<string, T>>) {
      const ops = withLowRank(own, options.lowRank);
      const last = through.run(ops, given, given.stream as T);
      return { stream: last, states: ops.takeRows(last, given.wanted as T) };
    },
  };
}

function blocksOf(layer: number): readonly Block[] {
  return [
    { layer, kind: "attention" },
    { layer, kind: "mlp" },
  ];
}

function blockPasses(
  { parts, windows }: ModelForward,
  blocks: readonly Block[],
  { specs }: TrainingPassOptions,
) {
  const passes = blocks.map((block) => parts.block(block, { specs }));
  const mask: InputSpec = { dtype: "F32", shape: [undefined, 1, undefined, undefined] };
  const inputs: Record<string, InputSpec> = {};
  for (const { pass } of passes) Object.assign(inputs, omit(pass.inputs, "stream"));
  for (const { layer } of blocks) inputs[visibleInput(windows[layer])] = mask;
  return {
    inputs,
    run: <T>(ops: Ops<T>, given: Readonly<Record<string, T>>, before: T) =>
      passes.reduce(
        (stream, { pass }, n) =>
          pass.run(maskedBy(ops, given[visibleInput(windows[blocks[n]?.layer ?? 0])] as T, n >> 1), {
            ...given,
            stream,
          }).stream as T,
        before,
      ),
  };
}

/** What tokens see is the input's business alone, and every layer keeps its own keys. */
function maskedBy<T>(ops: Ops<T>, visible: T, layer: number): Ops<T> {
  return {
    ...ops,
    cachedAttention: (q, k, v, shape: CachedAttentionShape) =>
      ops.cachedAttention(q, k, v, { ...shape, layer }, visible),
  };
}

function withLowRank<T>(ops: Ops<T>, lowRank: LowRank | undefined): Ops<T> {
  if (lowRank === undefined) return ops;
  return {
    ...ops,
    linear(x, weight, bias) {
      const dense = ops.linear(x, weight, bias);
      if (!lowRank.linears.has(weight)) return dense;
      const [a, b] = lowRankNames(weight);
      return ops.add(dense, ops.scale(ops.linear(ops.linear(x, a), b), lowRank.scale));
    },
  };
}

function omit(inputs: Readonly<Record<string, InputSpec>>, name: string): Record<string, InputSpec> {
  return Object.fromEntries(Object.entries(inputs).filter(([key]) => key !== name));
}
