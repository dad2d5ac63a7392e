import type { Stage, TensorOutput, TensorSpec } from "@vlmopt/tensor-io";
import { byteLengthOf, elementCount } from "@vlmopt/tensor-io/browser";
import { decodeBlockwise, encodeBlockwise } from "../blockwise.ts";
import type { Codebook } from "../codebook.ts";
import { dynamicMap, encodeNestedBlockwise, NESTED_BLOCK_SIZE, unnested } from "../double-quantization.ts";
import { fp4 } from "../fp4.ts";
import { nf4 } from "../nf4.ts";
import type { FloatDtype } from "../weights.ts";
import type { Bitsandbytes4Bit } from "./scheme.ts";
import type { Measure } from "./squared-error.ts";
import { torchDtypes } from "./torch-dtypes.ts";
import { bytesOf } from "./weight-tensors.ts";

/** By the name that the format gives them. */
export const codebooks: Readonly<Record<Codebook["name"], Codebook>> = { nf4, fp4 };

/** Room for the offset in `quant_state`: its length is not known before the last weight is, but the file's layout is. */
const OFFSET_CHARACTERS = 24;

/**
 * bitsandbytes' 4-bit weights (0.50, `QuantState.as_dict(packed=True)`): of `X.weight` [out, in]
 * - `X.weight` U8 [ceil(out · in / 2), 1];
 * - `X.weight.absmax` F32 [blocks], or U8 with `X.weight.nested_absmax` F32 and `X.weight.nested_quant_map` F32 [256];
 * - `X.weight.quant_map` F32 [16];
 * - `X.weight.quant_state.bitsandbytes__nf4` U8: JSON, filled up with spaces.
 */
export function bitsandbytesOutputs(tensor: TensorSpec, scheme: Bitsandbytes4Bit): TensorOutput[] {
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

export function bitsandbytesStage(tensor: TensorSpec, scheme: Bitsandbytes4Bit, measure: Measure): Stage {
  const rowLength = elementCount(tensor.shape.slice(1));
  // Blocks run on through rows, and nested scales need those of every block: then the tensor is collected first.
  return rowLength % scheme.blockSize === 0 && !scheme.doubleQuantization
    ? streamingStage(tensor, scheme, measure)
    : collectingStage(tensor, scheme, measure);
}

function streamingStage(tensor: TensorSpec, scheme: Bitsandbytes4Bit, measure: Measure): Stage {
  const { blockSize, scales } = scheme;
  return {
    push(bytes) {
      const weights = { dtype: tensor.dtype as FloatDtype, bytes };
      const encoded = encodeBlockwise(weights, codebooks[scheme.codebook], { blockSize, scales });
      measure(weights, () => decodeBlockwise(encoded, "F32"));
      return [encoded.codes, bytesOf(encoded.absmax)];
    },
  };
}

function collectingStage(tensor: TensorSpec, scheme: Bitsandbytes4Bit, measure: Measure): Stage {
  const { blockSize, scales } = scheme;
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
