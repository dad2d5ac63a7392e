// A decoder in parts: what leads to its residual stream, the attention and the MLP of each layer, and what leads from the stream to logits.
import type { Block, BlockNorm } from "../calibration.ts";
import {
  type Attention,
  ConfigError,
  type Layer,
  type Linear,
  type ModelDescription,
  type TensorSpecs,
} from "../description.ts";
import {
  addsAsItIs,
  attentionBlock,
  type DecoderInputs,
  embedTokens,
  finalGain,
  finalNormed,
  headLogits,
  mlpBlock,
  normBefore,
  withDeepFeatures,
} from "./decoder.ts";
import type { DecoderSettings } from "./decoder-settings.ts";
import type { CacheSpec, ForwardPass, InputSpec, Ops } from "./ops.ts";

/** Passes that lead from tokens to logits, one behind the other. They take those inputs of the whole decoder that they need, and `stream`. */
export interface DecoderParts {
  /** From tokens to `stream` `[batch, tokens, hiddenSize]`. */
  readonly embed: ForwardPass;
  /** @throws {ConfigError} where the tensors given hold no whole heads */
  block(block: Block, options?: BlockOptions): BlockForward;
  /** From `stream` to `normed` `[1, wanted, hiddenSize]`; undefined where the model has no RMS norm before its output layer. */
  readonly finalNorm: FinalNorm | undefined;
  /** From `stream` to `logits` `[1, wanted, vocabSize]`. */
  readonly head: ForwardPass;
}

export interface FinalNorm {
  readonly pass: ForwardPass;
  /** Name of its gain. */
  readonly weight: string;
  /** Added to the gain: 1 in Gemma. */
  readonly offset: number;
}

export interface BlockOptions {
  /** Tensors as they are, which may be of fewer heads than the model was described with. */
  readonly specs?: TensorSpecs;
  /** Its layer's place among those that the model has; the layer's own number unless told. */
  readonly place?: number;
  /** Only what goes into linears is wanted: no `stream` is given. */
  readonly inputsOnly?: boolean;
  /**
   * Tells executors what its last linear should give: so great a share of what takes the stream to `aim`, an input then, and the rest of
   * what it gives with the tensors that it has. From 0 to 1.
   */
  readonly aims?: number | undefined;
}

export interface BlockForward {
  /** From `stream` to `stream`. */
  readonly pass: ForwardPass;
  /** Of attention, which keeps keys and values as layer 0. */
  readonly cache: CacheSpec | undefined;
  /** The linear whose result goes into the stream. */
  readonly lastLinear: Linear;
  /** Whether that is added as it is: some models norm it first, or norm the sum. */
  readonly addsAsItIs: boolean;
  /** See `Observation`. */
  readonly norm: BlockNorm | undefined;
}

type SharedInputs<T> = Omit<DecoderInputs<T>, "ids" | "wanted">;

/**
 * @param inputs of the whole decoder
 * @param sharedInputs those that a pass was given
 */
export function decoderParts(
  description: ModelDescription,
  settings: DecoderSettings,
  inputs: Readonly<Record<string, InputSpec>>,
  sharedInputs: <T>(given: Readonly<Record<string, T>>) => SharedInputs<T>,
): DecoderParts {
  const { hiddenSize, layers } = description.languageModel;
  const stream: InputSpec = { dtype: "F32", shape: [undefined, undefined, hiddenSize] };
  const gain = finalGain(description);
  const only = (...names: string[]) =>
    Object.fromEntries(Object.entries(inputs).filter(([name]) => names.includes(name)));
  const passOf = <T>(ops: Ops<T>, given: Readonly<Record<string, T>>) => ({
    ops,
    description,
    settings,
    inputs: sharedInputs(given),
  });
  return {
    embed: {
      inputs: only("ids", "positions", "features", "imageRows"),
      run: <T>(ops: Ops<T>, given: Readonly<Record<string, T>>) => ({
        stream: embedTokens(passOf(ops, given), given.ids as T),
      }),
    },
    block({ layer: index, kind }, { specs, place = index, inputsOnly = false, aims } = {}) {
      const layer = withHeadsOf(layers[index] as Layer<Attention>, specs);
      const { attention, mlp } = layer;
      const isAttention = kind === "attention";
      const lastLinear = isAttention ? attention.oProj : mlp.kind === "gated" ? mlp.downProj : mlp.fc2;
      const deep = `deep${place}`;
      const shared = isAttention
        ? only("cos", "sin", "visible")
        : only(...(deep in inputs ? [deep, "imageRows"] : []));
      return {
        lastLinear,
        addsAsItIs: addsAsItIs(description, settings),
        norm: normBefore({ description, settings }, index, kind),
        cache: isAttention
          ? { layers: [{ kvHeads: attention.numKvHeads, headDim: attention.headDim }] }
          : undefined,
        pass: {
          inputs: { stream, ...(aims ? { aim: stream } : {}), ...shared },
          run<T>(ops: Ops<T>, given: Readonly<Record<string, T>>) {
            const pass = passOf(ops, given);
            const before = given.stream as T;
            const after = isAttention
              ? attentionBlock(pass, before, layer, 0)
              : mlpBlock(pass, before, layer, place);
            if (aims !== undefined) {
              const seen = isAttention ? before : withDeepFeatures(pass, before, place);
              const { weight, bias, outFeatures } = lastLinear;
              const without = bias === undefined ? seen : ops.add(seen, ops.weight(bias, [outFeatures]));
              const aim = aims === 0 ? after : mixed(ops, given.aim as T, after, aims);
              ops.target(weight, ops.add(aim, ops.scale(without, -1)));
            }
            return inputsOnly ? ({} as Record<string, T>) : { stream: after };
          },
        },
      };
    },
    finalNorm:
      gain === undefined
        ? undefined
        : {
            weight: gain,
            offset: settings.normOffset,
            pass: {
              inputs: { stream, ...only("wanted") },
              run: <T>(ops: Ops<T>, given: Readonly<Record<string, T>>) => ({
                normed: finalNormed(passOf(ops, given), given.stream as T, given.wanted as T),
              }),
            },
          },
    head: {
      inputs: { stream, ...only("wanted") },
      run: <T>(ops: Ops<T>, given: Readonly<Record<string, T>>) => ({
        logits: headLogits(passOf(ops, given), given.stream as T, given.wanted as T),
      }),
    },
  };
}

function mixed<T>(ops: Ops<T>, aim: T, after: T, share: number): T {
  return share === 1 ? aim : ops.add(ops.scale(aim, share), ops.scale(after, 1 - share));
}

/** A layer whose numbers of heads are those of its tensors. */
function withHeadsOf(layer: Layer<Attention>, specs: TensorSpecs | undefined): Layer<Attention> {
  const { attention } = layer;
  const { qProj, kProj, headDim } = attention;
  const heads = ({ weight, outFeatures }: Linear) => {
    const rows = specs?.get(weight)?.shape[0] ?? outFeatures;
    if (rows % headDim !== 0 || rows === 0)
      throw new ConfigError(`${weight} has ${rows} rows, which are no whole heads of ${headDim}`);
    return rows / headDim;
  };
  const [numHeads, numKvHeads] = [heads(qProj), heads(kProj)];
  if (numHeads % numKvHeads !== 0) {
    throw new ConfigError(
      `${qProj.weight} has ${numHeads} heads, which ${numKvHeads} heads of ${kProj.weight} cannot share equally`,
    );
  }
  return { ...layer, attention: { ...attention, numHeads, numKvHeads } };
}
