import type { Stage, TensorOutput, TensorSpec } from "@vlmopt/tensor-io";
import { byteLengthOf, elementCount, readTensor, toFloat32 } from "@vlmopt/tensor-io/browser";
import { type BlockSize, blockSizes, decodeBlockwise, encodeBlockwise } from "../blockwise.ts";
import { QuantizationError } from "../checkpoint/quantization-error.ts";
import type { Measure } from "../checkpoint/squared-error.ts";
import { storedPart } from "../checkpoint/stored-part.ts";
import type { Codebook } from "../codebook.ts";
import {
  dequantizeScales,
  dynamicMap,
  encodeNestedBlockwise,
  NESTED_BLOCK_SIZE,
  unnested,
} from "../double-quantization.ts";
import { fp4 } from "../fp4.ts";
import { nf4 } from "../nf4.ts";
import { weightedScales } from "../weighted-scales.ts";
import type { FloatDtype, StoredWeights } from "../weights.ts";
import type { Format } from "./format.ts";
import { onlySettings, unquantized } from "./module-names.ts";
import type { Layout, LoadedWeight } from "./quantized-weight.ts";
import type { Scheme } from "./scheme.ts";
import { torchDtypes } from "./torch-dtypes.ts";
import { bytesOf, companion, joinedBytes } from "./weight-tensors.ts";

/** By the name that the format gives them. */
export const codebooks: Readonly<Record<Codebook["name"], Codebook>> = { nf4, fp4 };

/** Room for the offset in `quant_state`: its length is not known before the last weight is, but the file's layout is. */
const OFFSET_CHARACTERS = 24;

/** bitsandbytes' 4-bit weights. */
export interface Bitsandbytes4Bit extends Scheme {
  readonly format: "bitsandbytes";
  readonly codebook: "nf4" | "fp4";
  readonly blockSize: BlockSize;
  readonly doubleQuantization: boolean;
  /** See `BlockwiseOptions`. */
  readonly scales: "absmax" | "search";
}

/**
 * bitsandbytes' 4-bit weights (0.50, `QuantState.as_dict(packed=True)`): of `X.weight` [out, in]
 * - `X.weight` U8 [ceil(out · in / 2), 1];
 * - `X.weight.absmax` F32 [blocks], or U8 with `X.weight.nested_absmax` F32 and `X.weight.nested_quant_map` F32 [256];
 * - `X.weight.quant_map` F32 [16];
 * - `X.weight.quant_state.bitsandbytes__nf4` U8: JSON, filled up with spaces.
 */
export const bitsandbytes: Format<Bitsandbytes4Bit> = {
  name: "bitsandbytes",
  schemes: ["nf4", "nf4-dq", "fp4", "fp4-dq"],
  parse(name, preset) {
    const [, codebook, nested] = /^(nf4|fp4)(-dq)?$/.exec(name) ?? [];
    if (codebook === undefined) return undefined;
    return {
      format: "bitsandbytes",
      codebook: codebook as "nf4" | "fp4",
      blockSize: 64,
      doubleQuantization: nested !== undefined,
      scales: preset === "best" ? "search" : "absmax",
    };
  },
  fit: (scheme) => scheme,
  outputs,
  encode(tensor, scheme, { measure, importance }) {
    const rowLength = elementCount(tensor.shape.slice(1));
    // Blocks that run on through rows have columns of several.
    const counted = rowLength % scheme.blockSize === 0 ? importance : undefined;
    // Blocks run on through rows, and nested scales need those of every block: then the tensor is collected first.
    return rowLength % scheme.blockSize === 0 && !scheme.doubleQuantization
      ? streamingStage(tensor, scheme, measure, counted)
      : collectingStage(tensor, scheme, measure, counted);
  },
  config: {
    method: "bitsandbytes",
    settings: ({ codebook, doubleQuantization }) => ({
      load_in_4bit: true,
      load_in_8bit: false,
      bnb_4bit_quant_type: codebook,
      bnb_4bit_use_double_quant: doubleQuantization,
    }),
    // What transformers' BitsAndBytesConfig reads. Its list of modules that stay is matched from the start of a name, or as its end.
    write(groups, linears, dtype) {
      const { parts, names } = unquantized(linears);
      return {
        quant_method: "bitsandbytes",
        ...onlySettings("bitsandbytes", groups),
        bnb_4bit_compute_dtype: torchDtypes[dtype],
        bnb_4bit_quant_storage: "uint8",
        llm_int8_skip_modules: [...parts.flatMap((part) => [part, `model.${part}`]), ...names],
      };
    },
  },
  async find(source, { name, dtype }) {
    const state = ["nf4", "fp4"]
      .map((kind) => source.tensors.get(`${name}.quant_state.bitsandbytes__${kind}`))
      .find((tensor) => tensor !== undefined);
    if (state === undefined || dtype !== "U8") return undefined;
    const json = new TextDecoder().decode(await readTensor(source, state.name));
    const { quant_type, blocksize, shape, nested_offset, ...rest } = JSON.parse(json) as QuantState;
    const [weightDtype] = Object.entries(torchDtypes).find(([, torch]) => torch === rest.dtype) ?? [];
    if (!blockSizes.includes(blocksize as BlockSize) || weightDtype === undefined) {
      throw new QuantizationError(
        `${state.name} names blocks of ${blocksize} and dtype ${rest.dtype}, which is neither known`,
      );
    }
    const absmax = companion(source, name, `${name}.absmax`);
    const nested = source.tensors.get(`${name}.nested_absmax`);
    const isNested = nested !== undefined && nested_offset !== undefined;
    return {
      name,
      weight: {
        shape,
        dtype: weightDtype as FloatDtype,
        layout: { kind: "codebook", codebook: quant_type, blockSize: blocksize },
        beside: {
          absmax: await storedPart(source, absmax.name),
          ...(isNested ? { nestedAbsmax: await storedPart(source, nested.name) } : {}),
        },
        ...(isNested ? { settings: { offset: nested_offset } } : {}),
      },
      parts: [
        "absmax",
        "quant_map",
        "nested_absmax",
        "nested_quant_map",
        `quant_state.bitsandbytes__${quant_type}`,
      ].map((part) => `${name}.${part}`),
    };
  },
  blockScales,
  decode: lookingUp,
};

/** What `quant_state` holds. */
interface QuantState {
  readonly quant_type: "nf4" | "fp4";
  readonly blocksize: number;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly nested_offset?: number;
}

function outputs(tensor: TensorSpec, scheme: Bitsandbytes4Bit): TensorOutput[] {
  const { name } = tensor;
  const count = elementCount(tensor.shape);
  const blocks = Math.ceil(count / scheme.blockSize);
  const state = `${name}.quant_state.bitsandbytes__${scheme.codebook}`;
  const packed: TensorOutput = { name, dtype: "U8", shape: [Math.ceil(count / 2), 1] };
  const quantMap = bytesOf(codebooks[scheme.codebook].values);
  const map: TensorOutput = { name: `${name}.quant_map`, dtype: "F32", shape: [16], bytes: quantMap };
  if (!scheme.doubleQuantization) {
    const json = quantState(tensor, scheme, undefined);
    return [
      packed,
      { name: `${name}.absmax`, dtype: "F32", shape: [blocks] },
      map,
      { name: state, dtype: "U8", shape: [json.length], bytes: json },
    ];
  }
  return [
    packed,
    { name: `${name}.absmax`, dtype: "U8", shape: [blocks] },
    map,
    { name: `${name}.nested_absmax`, dtype: "F32", shape: [Math.ceil(blocks / NESTED_BLOCK_SIZE)] },
    { name: `${name}.nested_quant_map`, dtype: "F32", shape: [256], bytes: bytesOf(dynamicMap) },
    { name: state, dtype: "U8", shape: [quantState(tensor, scheme, 0).length] },
  ];
}

/** The JSON of `quant_state`, of equal length whatever the offset; bitsandbytes refuses other keys than these. */
function quantState(tensor: TensorSpec, scheme: Bitsandbytes4Bit, offset: number | undefined): Uint8Array {
  const json = JSON.stringify({
    quant_type: scheme.codebook,
    blocksize: scheme.blockSize,
    dtype: torchDtypes[tensor.dtype as FloatDtype],
    shape: tensor.shape,
    ...(offset === undefined
      ? {}
      : { nested_blocksize: NESTED_BLOCK_SIZE, nested_dtype: "float32", nested_offset: offset }),
  });
  const offsetLength = offset === undefined ? 0 : JSON.stringify(offset).length;
  const padding = offset === undefined ? 0 : OFFSET_CHARACTERS - offsetLength;
  return new TextEncoder().encode(json + " ".repeat(padding));
}

/** What scales are: the scheme's, or searched by the importance of columns where that is given. */
function scalesOf(
  { scales, blockSize, codebook }: Bitsandbytes4Bit,
  weights: StoredWeights,
  importance: Float32Array | undefined,
) {
  if (importance === undefined) return scales;
  const { values, order } = codebooks[codebook];
  const weight = toFloat32(weights.bytes, weights.dtype);
  const columns = importance.length;
  return weightedScales({
    weight,
    rows: weight.length / columns,
    columns,
    groupSize: blockSize,
    levels: Float32Array.from(order, (index) => values[index] as number),
    importance,
    zeroPoints: false,
  }).scales;
}

function streamingStage(
  tensor: TensorSpec,
  scheme: Bitsandbytes4Bit,
  measure: Measure,
  importance: Float32Array | undefined,
): Stage {
  const { blockSize } = scheme;
  return {
    push(bytes) {
      const weights = { dtype: tensor.dtype as FloatDtype, bytes };
      const encoded = encodeBlockwise(weights, codebooks[scheme.codebook], {
        blockSize,
        scales: scalesOf(scheme, weights, importance),
      });
      measure(weights, () => decodeBlockwise(encoded, "F32"));
      return [encoded.codes, bytesOf(encoded.absmax)];
    },
  };
}

function collectingStage(
  tensor: TensorSpec,
  scheme: Bitsandbytes4Bit,
  measure: Measure,
  importance: Float32Array | undefined,
): Stage {
  const { blockSize } = scheme;
  const dtype = tensor.dtype as FloatDtype;
  const codebook = codebooks[scheme.codebook];
  const collected = new Uint8Array(byteLengthOf(dtype, tensor.shape));
  const rowBytes = collected.length / (tensor.shape[0] ?? 1);
  const none = new Uint8Array(0);
  return {
    push(bytes, firstRow) {
      collected.set(bytes, firstRow * rowBytes);
      return scheme.doubleQuantization ? [none, none, none, none] : [none, none];
    },
    finish() {
      const weights = { dtype, bytes: collected };
      const scales = scalesOf(scheme, weights, importance);
      if (!scheme.doubleQuantization) {
        const encoded = encodeBlockwise(weights, codebook, { blockSize, scales });
        measure(weights, () => decodeBlockwise(encoded, "F32"));
        return [encoded.codes, bytesOf(encoded.absmax)];
      }
      const encoded = encodeNestedBlockwise(weights, codebook, { blockSize, scales });
      measure(weights, () => decodeBlockwise(unnested(encoded), "F32"));
      const { codes, absmax } = encoded;
      return [codes, absmax.codes, bytesOf(absmax.absmax), quantState(tensor, scheme, absmax.offset)];
    },
  };
}

/** The absmax of each block, those that are quantized themselves decoded. */
function blockScales({ beside, settings }: LoadedWeight): Float32Array {
  const absmax = beside.absmax as Uint8Array;
  if (beside.nestedAbsmax === undefined) return toFloat32(absmax, "F32");
  return dequantizeScales({
    codes: absmax,
    absmax: toFloat32(beside.nestedAbsmax, "F32"),
    offset: Number(settings?.offset),
  });
}

function lookingUp(weight: LoadedWeight, target: FloatDtype): Stage {
  const { codebook, blockSize } = weight.layout as Layout & { readonly kind: "codebook" };
  const count = elementCount(weight.shape);
  const absmax = blockScales(weight);
  let done = 0;
  // Bytes of a block that goes on in the next rows.
  let rest = new Uint8Array(0);
  const decode = (codes: Uint8Array) => {
    const some = Math.min(codes.length * 2, count - done);
    const first = done / blockSize;
    done += some;
    return decodeBlockwise(
      {
        codebook: codebooks[codebook],
        blockSize: blockSize as BlockSize,
        count: some,
        codes,
        absmax: absmax.subarray(first, Math.ceil(done / blockSize)),
      },
      target,
    );
  };
  return {
    push(bytes) {
      const codes = rest.length === 0 ? bytes : joinedBytes([rest, bytes]);
      const whole = codes.length - (codes.length % (blockSize / 2));
      rest = codes.slice(whole);
      return [decode(codes.subarray(0, whole))];
    },
    finish: () => [decode(rest)],
  };
}
