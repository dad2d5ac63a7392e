import type { ConfigReader } from "../config-reader.ts";
import { ConfigError } from "../description.ts";
import { activationOf } from "./activation.ts";
import { rowInput, rowTensor } from "./image-encoders/image-encoder.ts";
import type { Activation, HostTensor, InputSpec, Ops } from "./ops.ts";

/** Over so many tokens, as many before as behind. */
export interface Convolution {
  readonly kernel: number;
  readonly activation: Activation | "tanh";
}

/** What it takes: which numbers stand side by side, whose tokens that is for, and the zeros around every text. */
interface ConvolutionInputs<T> {
  readonly neighbours: T;
  readonly places: T;
  readonly nothing: T;
}

/** @throws {ConfigError} where it is in groups, or has no middle */
export function convolutionOf(config: ConfigReader): Convolution | undefined {
  const kernel = config.number("conv_kernel_size", 0);
  if (kernel === 0) return undefined;
  if (kernel % 2 === 0 || config.number("conv_groups", 1) !== 1) {
    throw new ConfigError(
      "the convolution that conv_kernel_size and conv_groups of config.json ask for is not known here: it must be odd and of one group",
    );
  }
  const isTanh = config.text("conv_act", "tanh") === "tanh";
  return { kernel, activation: isTanh ? "tanh" : activationOf(config, "conv_act", "tanh") };
}

export function convolutionInputs(hiddenSize: number): ConvolutionInputs<InputSpec> {
  return { neighbours: rowInput, places: rowInput, nothing: { dtype: "F32", shape: [1, hiddenSize] } };
}

/**
 * The convolution as a linear of each token's neighbours, whose features stand side by side as its weight `[out, in, kernel]` has them.
 * @param x what it is added to
 */
export function convolve<T>(
  ops: Ops<T>,
  settings: {
    readonly prefix: string;
    readonly hiddenSize: number;
    readonly convolution: Convolution | undefined;
  },
  x: T,
  embedded: T,
  { neighbours, places, nothing }: ConvolutionInputs<T>,
): T {
  const { prefix, hiddenSize, convolution } = settings;
  if (convolution === undefined) return x;
  const { kernel, activation } = convolution;
  const numbers = ops.takeRows(ops.regroup(ops.prepend(embedded, nothing), 1), neighbours);
  const name = `${prefix}encoder.conv.conv`;
  const convolved = ops.linear(ops.regroup(numbers, hiddenSize * kernel), `${name}.weight`, `${name}.bias`);
  const activated = activation === "tanh" ? ops.tanh(convolved) : ops.activate(convolved, activation);
  return ops.putRows(x, activated, places, "add");
}

/** Padding is nobody's neighbour: zeros stand for it, as beyond a text's ends. */
export function convolutionRows(
  texts: readonly ArrayLike<number>[],
  { kernel }: Convolution,
  hiddenSize: number,
): ConvolutionInputs<HostTensor> {
  const longest = Math.max(...texts.map(({ length }) => length));
  const tokens = texts.reduce((sum, { length }) => sum + length, 0);
  const neighbours = new Int32Array(tokens * hiddenSize * kernel);
  const places: number[] = [];
  let at = 0;
  for (const [n, { length }] of texts.entries()) {
    // Zeros stand before every text.
    const first = n * (longest + 1);
    for (let token = 0; token < length; token++) {
      places.push(n * longest + token);
      for (let feature = 0; feature < hiddenSize; feature++) {
        for (let tap = 0; tap < kernel; tap++) {
          const other = token + tap - (kernel - 1) / 2;
          const row = other < 0 || other >= length ? first : first + 1 + other;
          neighbours[at++] = row * hiddenSize + feature;
        }
      }
    }
  }
  return {
    neighbours: { shape: [neighbours.length], data: neighbours },
    places: rowTensor(places),
    nothing: { shape: [1, hiddenSize], data: new Float32Array(hiddenSize) },
  };
}
