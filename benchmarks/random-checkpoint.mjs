// A checkpoint that is nowhere: the tensors of a configuration, with random numbers made up as they are read.
import { expectedTensors } from "@vlmopt/models";
import { nf4 } from "@vlmopt/quant";
import { byteLengthOf, fromFloat32 } from "@vlmopt/tensor-io";
import { gaussianNumbers, uniformNumbers } from "./llava-shapes.mjs";

const LANGUAGE_LINEAR = /(language_model|^model)\..*(q|k|v|o|gate|up|down|out)_proj\.weight$/;

/**
 * @param config the contents of config.json
 * @param scheme F16, BF16, or int4 (compressed-tensors, groups of 128) or nf4 (bitsandbytes) for the language model's linears
 */
export function randomCheckpoint(config, scheme = "BF16") {
  const dense = scheme === "F16" ? "F16" : "BF16";
  const tensors = new Map();
  const fills = [];
  let size = 0;
  const add = (name, dtype, shape, fill) => {
    const byteLength = byteLengthOf(dtype, shape);
    tensors.set(name, { name, dtype, shape, file: "random", offset: size, byteLength });
    fills.push({ from: size, to: size + byteLength, fill });
    size += byteLength;
  };
  const bytesOf = (dtype, numbers) => {
    const bytes = fromFloat32(Float32Array.from(numbers), dtype);
    return (at) => bytes[at % bytes.length];
  };
  const random = tape(dense, 0.02);
  const quantized = { int4: addInt4, nf4: addNf4 }[scheme];
  for (const { name, shape } of expectedTensors(config)) {
    // What groups of 128 do not divide stays as it is.
    if (quantized !== undefined && LANGUAGE_LINEAR.test(name) && shape[1] % 128 === 0) quantized(name, shape);
    else if (/norm\S*\.weight$/.test(name)) add(name, dense, shape, bytesOf(dense, [1]));
    else add(name, dense, shape, random);
  }
  function addInt4(name, [rows, columns]) {
    add(`${name}_packed`, "I32", [rows, columns / 8], noise);
    add(`${name}_scale`, "BF16", [rows, columns / 128], bytesOf("BF16", [0.004]));
    const shape = new Uint8Array(new BigInt64Array([BigInt(rows), BigInt(columns)]).buffer);
    add(`${name}_shape`, "I64", [2], (at) => shape[at]);
  }
  function addNf4(name, [rows, columns]) {
    const state = new TextEncoder().encode(
      JSON.stringify({
        quant_type: "nf4",
        blocksize: 64,
        dtype: "bfloat16",
        shape: [rows, columns],
      }),
    );
    add(name, "U8", [(rows * columns) / 2, 1], noise);
    add(`${name}.absmax`, "F32", [(rows * columns) / 64], bytesOf("F32", [0.04]));
    add(`${name}.quant_map`, "F32", [16], bytesOf("F32", nf4.values));
    add(`${name}.quant_state.bitsandbytes__nf4`, "U8", [state.length], (at) => state[at]);
  }
  const source = {
    name: "random",
    size,
    mergeGap: 0,
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      let index = fills.findIndex(({ to }) => to > offset);
      for (let at = offset; at < offset + length; index++) {
        const { from, to, fill } = fills[index];
        const end = Math.min(to, offset + length);
        if (fill.bytes === undefined) for (let i = at; i < end; i++) bytes[i - offset] = fill(i - from);
        else copyFrom(fill.bytes, at - from, bytes.subarray(at - offset, end - offset));
        at = end;
      }
      return bytes;
    },
    async close() {},
  };
  const quantization = { int4: int4Config, nf4: nf4Config }[scheme];
  const text = JSON.stringify(
    quantization === undefined ? config : { ...config, quantization_config: quantization },
  );
  return {
    location: "random",
    folder: undefined,
    metadata: {},
    tensors,
    sources: new Map([["random", source]]),
    readSibling: async (name) => (name === "config.json" ? new TextEncoder().encode(text) : undefined),
    async close() {},
    async [Symbol.asyncDispose]() {},
  };
}

const int4Config = {
  quant_method: "compressed-tensors",
  format: "pack-quantized",
  config_groups: {
    group_0: {
      targets: ["Linear"],
      weights: { num_bits: 4, type: "int", strategy: "group", group_size: 128, symmetric: true },
    },
  },
};
const nf4Config = {
  quant_method: "bitsandbytes",
  load_in_4bit: true,
  bnb_4bit_quant_type: "nf4",
  bnb_4bit_use_double_quant: false,
};
const uniform = uniformNumbers(1);
/** Bytes of uniform noise, over and over. */
const noise = Object.assign(() => 0, { bytes: Uint8Array.from({ length: 1 << 22 }, () => 256 * uniform()) });

/** Gaussian numbers, over and over. */
function tape(dtype, deviation) {
  // Not of a power of two, so that rows differ.
  return Object.assign(() => 0, { bytes: fromFloat32(gaussianNumbers((1 << 21) + 332, deviation), dtype) });
}

function copyFrom(bytes, offset, target) {
  let at = offset % bytes.length;
  for (let filled = 0; filled < target.length; ) {
    const part = bytes.subarray(at, Math.min(bytes.length, at + target.length - filled));
    target.set(part, filled);
    filled += part.length;
    at = (at + part.length) % bytes.length;
  }
}
