import { constants } from "node:buffer";
import {
  type ConfigEdit,
  describeModel,
  editConfig,
  expectedTensors,
  type ModelDescription,
} from "@vlmopt/models";
import { planQuantization, quantization, type Scheme, schemeNamed } from "@vlmopt/quant";
import {
  type ByteSource,
  byteLengthOf,
  type Checkpoint,
  SourceError,
  type TensorInfo,
  type TensorOutput,
  type TensorSpec,
  type Transform,
} from "@vlmopt/tensor-io";
import { BenchError } from "../bench-error.ts";
import {
  constantBytes,
  type EndlessBytes,
  type FloatDtype,
  gaussianBytes,
  noiseBytes,
  readEndless,
  repeatedByte,
} from "./endless-bytes.ts";

/** Of all weights, as models are initialised before they are trained (`initializer_range` of transformers). */
const DEVIATION = 0.02;

/** Of a tensor; later versions of Node name a limit that no memory has. */
const MOST_BYTES = Math.min(constants.MAX_LENGTH, 2 ** 40);

const denseDtypes: Readonly<Record<string, FloatDtype>> = { f32: "F32", f16: "F16", bf16: "BF16" };

/** Names of schemes whose weights can be made up; integers in groups of any size. */
const randomSchemes = [
  ...Object.keys(denseDtypes),
  ...["int4-g32", "int4-g64", "int4-g128", "int4-row", "int4-g128-zero"],
  ...["int3-g64", "int3-g128", "int2-g64", "int2-g128", "int8-g128", "int8", "nf4", "fp4"],
];

/**
 * A checkpoint that is nowhere: the tensors of a configuration, whose bytes are made up as they are read, the same each time. Weights are
 * Gaussian with deviation 0.02, norms 1; of quantized linears, which are those that `vlmopt quantize` takes, the numbers are uniform
 * noise and all scales one that gives weights of about that deviation.
 * @param config the contents of config.json; a `quantization_config` in it does not count
 * @param scheme `f32`, `f16`, `bf16`, or one of `vlmopt quantize`: `int4-g128`, `int3-g128`, `int2-g64` and their kin, `int8`, `nf4`, `fp4`; what is not quantized
 *   is then bf16
 * @throws {ConfigError} where the configuration is not understood
 * @throws {BenchError} for other schemes, and for tensors that are larger than memory can be
 * @throws {QuantizationError} where the scheme fits none of the linears
 */
export function randomCheckpoint(config: unknown, scheme: string): Checkpoint {
  assertRandomScheme(scheme);
  const dtype = denseDtypes[scheme] ?? "BF16";
  const specs = new Map(expectedTensors(config, dtype).map((spec) => [spec.name, spec]));
  const description = describeModel(config, specs);
  const { transform, edits, bytesOf } = scheme in denseDtypes ? dense : quantized(scheme, description, specs);
  const tensors = new Map<string, TensorInfo>();
  const sources = new Map<string, ByteSource>();
  const add = ({ name, dtype, shape }: TensorSpec, bytes: EndlessBytes) => {
    const byteLength = byteLengthOf(dtype, shape);
    if (byteLength > MOST_BYTES) {
      throw new BenchError(
        `the configuration asks for ${name} of shape [${shape.join(", ")}], whose ${byteLength} bytes are more than the ${MOST_BYTES} that can be read at once`,
      );
    }
    tensors.set(name, { name, dtype, shape, file: name, offset: 0, byteLength });
    sources.set(name, endlessSource(name, byteLength, bytes));
  };
  const gaussian = gaussianBytes(dtype, DEVIATION);
  const ones = constantBytes(dtype, 1);
  for (const [part, { name, shape, role }] of description.weights.entries()) {
    const outputs = transform({ name, dtype, shape })?.outputs;
    const isScale = role === "norm" && !name.endsWith(".bias");
    if (outputs === undefined) add({ name, dtype, shape }, isScale ? ones : gaussian(part));
    else for (const output of outputs) add(output, bytesOf(output, part));
  }
  const text = new TextEncoder().encode(editConfig(JSON.stringify(config), edits));
  return {
    location: `random weights of a ${description.modelType}`,
    folder: undefined,
    metadata: {},
    tensors,
    sources,
    readSibling: async (name) => (name === "config.json" ? text : undefined),
    async close() {},
    async [Symbol.asyncDispose]() {},
  };
}

/** @throws {BenchError} where weights of this scheme cannot be made up */
export function assertRandomScheme(scheme: string): void {
  // Zero points of 3 bits fill no bytes.
  if (
    randomSchemes.includes(scheme) ||
    /^int([248]-(g[1-9]\d*|row)-zero|[2348]-(g[1-9]\d*|row))$/.test(scheme)
  )
    return;
  throw new BenchError(
    `random weights are not made as "${scheme}": there are ${randomSchemes.join(", ")}`,
    "int4-g<size> and int2, int3 and int8 take groups of other sizes too",
  );
}

/** What becomes of the dense weights of a configuration. */
interface Storing {
  readonly transform: Transform;
  /** Of config.json. */
  readonly edits: readonly ConfigEdit[];
  /** What is in a tensor that the transform makes of a weight. */
  bytesOf(output: TensorOutput, part: number): EndlessBytes;
}

const dense: Storing = {
  transform: () => undefined,
  edits: [{ path: ["quantization_config"] }],
  bytesOf: () => repeatedByte(0),
};

function quantized(
  name: string,
  description: ModelDescription,
  specs: ReadonlyMap<string, TensorSpec>,
): Storing {
  const scheme = schemeNamed(name, "fast");
  const plan = planQuantization(description, specs, { scheme });
  const { transform, config: edits } = quantization(plan);
  const noise = noiseBytes();
  const scale = scaleOf(scheme);
  return {
    transform,
    edits,
    bytesOf({ name, dtype, bytes }, part) {
      if (bytes !== undefined) return { piece: bytes, from: 0 };
      if (name.endsWith("_zero_point")) return repeatedByte(middles[Number(scheme.bits)] ?? 0);
      return dtype === "F32" || dtype === "BF16" ? constantBytes(dtype, scale) : noise(part);
    },
  };
}

/** Zero points in the middle, as many to a byte as fit, by their bits. */
const middles: Readonly<Record<number, number>> = { 2: 0xaa, 4: 0x88, 8: 0x80 };

/** The scale that gives weights of numbers that are equally likely their deviation. */
function scaleOf(scheme: Scheme): number {
  // Values of NF4 and FP4, from -1 to 1, deviate by 0.5.
  return DEVIATION / ("codebook" in scheme ? 0.5 : deviationOf(2 ** Number(scheme.bits ?? 8)));
}

/** Root of the mean square of whole numbers from −count / 2 to count / 2 − 1. */
function deviationOf(count: number): number {
  return Math.sqrt((count ** 2 + 2) / 12);
}

function endlessSource(name: string, size: number, bytes: EndlessBytes): ByteSource {
  return {
    name,
    size,
    mergeGap: 0,
    async read(offset, length, signal) {
      signal?.throwIfAborted();
      if (offset < 0 || length < 0 || offset + length > size) {
        throw new SourceError(
          name,
          `bytes ${offset} to ${offset + length} were asked of a tensor of ${size} bytes`,
        );
      }
      return readEndless(bytes, offset, length);
    },
    async close() {},
  };
}
