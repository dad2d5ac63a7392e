import type { Dtype } from "../dtype.ts";
import { bitsPerElement } from "../dtype.ts";
import { CheckpointError } from "../errors.ts";
import { wasm } from "../generated/convert.wasm.ts";
import { instantiateKernels } from "../wasm-kernels.ts";
import { decodeFloat, encodeFloat, floatFormats, type NarrowFloat } from "./float-format.ts";

/**
 * Converts elements between F64, F32, F16, BF16, F8_E4M3 and F8_E5M2, little-endian, rounding to nearest even.
 *
 * As PyTorch 2.15 converts: what is too large becomes infinity, or 448 in F8_E4M3, which has none; F64 is rounded to F32 first.
 * NaN stays NaN; its payload need not stay.
 *
 * @param output where the result goes; a new array unless told
 * @returns the result, as many elements as `input` has
 * @throws {CheckpointError} `unsupported-conversion` for other dtypes
 */
export function convert(input: Uint8Array, from: Dtype, to: Dtype, output?: Uint8Array): Uint8Array {
  const count = Math.floor((input.byteLength * 8) / bitsPerElement(from));
  const bytes = Math.ceil((count * bitsPerElement(to)) / 8);
  const result = output?.subarray(0, bytes) ?? new Uint8Array(bytes);
  if (from === to) {
    result.set(input);
    return result;
  }
  const widen = wideners[from];
  const narrow = narrowers[to];
  if (widen === undefined || narrow === undefined) {
    const wrong = widen === undefined ? from : to;
    throw new CheckpointError(
      "unsupported-conversion",
      `${from} to ${to} was asked for and ${wrong} is not one of ${Object.keys(wideners).join(", ")}`,
    );
  }
  const inputBytes = bitsPerElement(from) / 8;
  const outputBytes = bitsPerElement(to) / 8;
  const { input: source, floats, output: target } = scratchMemory();
  for (let start = 0; start < count; start += BLOCK_ELEMENTS) {
    const length = Math.min(BLOCK_ELEMENTS, count - start);
    const block = input.subarray(start * inputBytes, (start + length) * inputBytes);
    // F32 needs no widening, so it goes where widening would have put it.
    (from === "F32" ? floats : source).set(block);
    widen(length);
    narrow(length);
    const converted = to === "F32" ? floats : target;
    result.set(converted.subarray(0, length * outputBytes), start * outputBytes);
  }
  return result;
}

/** Elements as numbers of single precision. */
export function toFloat32(bytes: Uint8Array, dtype: Dtype): Float32Array {
  const result = new Float32Array(Math.floor((bytes.byteLength * 8) / bitsPerElement(dtype)));
  convert(bytes, dtype, "F32", new Uint8Array(result.buffer));
  return result;
}

/** Numbers as elements of `dtype`. */
export function fromFloat32(values: Float32Array, dtype: Dtype): Uint8Array {
  return convert(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), "F32", dtype);
}

/** Elements converted at once: input, floats and output together stay in a core's own cache. */
const BLOCK_ELEMENTS = 16 * 1024;
const INPUT = 0;
const FLOATS = INPUT + BLOCK_ELEMENTS * 8;
const OUTPUT = FLOATS + BLOCK_ELEMENTS * 4;
const SCRATCH_BYTES = OUTPUT + BLOCK_ELEMENTS * 8;

type Kernel = (input: number, output: number, count: number) => void;
type KernelName = `${"widen" | "narrow"}${"Bf16" | "F16" | "F8E4M3" | "F8E5M2"}`;

interface Scratch {
  readonly kernels: Readonly<Record<KernelName, Kernel>> | undefined;
  /** Views of one memory, which the kernels share. */
  readonly input: Uint8Array;
  readonly floats: Uint8Array;
  readonly output: Uint8Array;
}

let scratch: Scratch | undefined;

function scratchMemory(): Scratch {
  if (scratch === undefined) {
    const kernels = instantiateKernels<Record<KernelName, Kernel>>(wasm);
    // The kernels keep no data of their own, so all of their memory is scratch.
    kernels?.memory.grow(Math.ceil(SCRATCH_BYTES / 65536));
    const buffer = kernels?.memory.buffer ?? new ArrayBuffer(SCRATCH_BYTES);
    scratch = {
      kernels,
      input: new Uint8Array(buffer, INPUT, BLOCK_ELEMENTS * 8),
      floats: new Uint8Array(buffer, FLOATS, BLOCK_ELEMENTS * 4),
      output: new Uint8Array(buffer, OUTPUT, BLOCK_ELEMENTS * 8),
    };
  }
  return scratch;
}

/** Takes `count` elements of the scratch input into its floats. */
type Step = (count: number) => void;

const wideners: Partial<Record<Dtype, Step>> = {
  F64(count) {
    const { input, floats } = scratchMemory();
    floatView(floats, count).set(new Float64Array(input.buffer, input.byteOffset, count));
  },
  F32() {},
  F16: widenNarrow("F16", "widenF16"),
  BF16: widenNarrow("BF16", "widenBf16"),
  F8_E4M3: widenNarrow("F8_E4M3", "widenF8E4M3"),
  F8_E5M2: widenNarrow("F8_E5M2", "widenF8E5M2"),
};

const narrowers: Partial<Record<Dtype, Step>> = {
  F64(count) {
    const { floats, output } = scratchMemory();
    new Float64Array(output.buffer, output.byteOffset, count).set(floatView(floats, count));
  },
  F32() {},
  F16: narrowFloats("F16", "narrowF16"),
  BF16: narrowFloats("BF16", "narrowBf16"),
  F8_E4M3: narrowFloats("F8_E4M3", "narrowF8E4M3"),
  F8_E5M2: narrowFloats("F8_E5M2", "narrowF8E5M2"),
};

function widenNarrow(dtype: NarrowFloat, kernel: KernelName): Step {
  return (count) => {
    const { kernels, input, floats } = scratchMemory();
    if (kernels !== undefined) return kernels[kernel](INPUT, FLOATS, count);
    const values = floatView(floats, count);
    const patterns = patternView(input, dtype);
    for (let i = 0; i < count; i++) values[i] = decodeFloat(patterns[i] as number, floatFormats[dtype]);
  };
}

function narrowFloats(dtype: NarrowFloat, kernel: KernelName): Step {
  return (count) => {
    const { kernels, floats, output } = scratchMemory();
    if (kernels !== undefined) return kernels[kernel](FLOATS, OUTPUT, count);
    const values = floatView(floats, count);
    const patterns = patternView(output, dtype);
    for (let i = 0; i < count; i++) patterns[i] = encodeFloat(values[i] as number, floatFormats[dtype]);
  };
}

function floatView(bytes: Uint8Array, count: number): Float32Array {
  return new Float32Array(bytes.buffer, bytes.byteOffset, count);
}

function patternView(bytes: Uint8Array, dtype: NarrowFloat): Uint8Array | Uint16Array {
  return floatFormats[dtype].bits === 16
    ? new Uint16Array(bytes.buffer, bytes.byteOffset, BLOCK_ELEMENTS)
    : bytes;
}
