import { QuantizationError } from "../checkpoint/quantization-error.ts";
import { awq } from "./awq.ts";
import { bitsandbytes } from "./bitsandbytes.ts";
import { floatQuantized } from "./float-quantized.ts";
import type { Format } from "./format.ts";
import { ggmlBlocks } from "./ggml-blocks.ts";
import { gptq } from "./gptq.ts";
import { intQuantized } from "./int-quantized.ts";
import { mxfp4Packed } from "./mxfp4-packed.ts";
import { nvfp4Packed } from "./nvfp4-packed.ts";
import { packQuantized } from "./pack-quantized.ts";
import type { Preset, Scheme } from "./scheme.ts";

/** Every format that vlmopt writes and reads. */
export const formats: readonly Format[] = [
  packQuantized,
  intQuantized,
  floatQuantized,
  bitsandbytes,
  gptq,
  awq,
  nvfp4Packed,
  mxfp4Packed,
  ggmlBlocks,
];

/** What `schemeNamed` understands. */
export const schemeNames: readonly string[] = formats.flatMap(({ schemes }) => schemes);

/**
 * A scheme by its short name:
 * - `int4-g128`: 2, 3, 4 or 8 bits in groups of any size, or `int4-row`; `-zero` for zero points;
 * - `int8`: bytes with a scale for each row; `fp8`, `fp8-w8a16`: 8-bit floats;
 * - `nf4`, `fp4`; `nf4-dq`, `fp4-dq` with scales in 8 bits; `nvfp4`, `mxfp4`;
 * - `gptq`: 4 bits in groups of 128, symmetric; `gptq-int3-g64-zero` and so on for others;
 * - `awq`: 4 bits with zero points; `awq-g64`, `awq-row`.
 * @param among `[...formats, yours]`, where there are others than vlmopt's
 * @throws {RangeError} for other names, listing these
 */
export function schemeNamed(
  name: string,
  preset: Preset = "fast",
  among: readonly Format[] = formats,
): Scheme {
  for (const format of among) {
    const scheme = format.parse(name, preset);
    if (scheme !== undefined) return scheme;
  }
  const names = among.flatMap(({ schemes }) => schemes);
  throw new RangeError(`no scheme is named "${name}": there are ${names.join(", ")}`);
}

/** @throws {QuantizationError} where none of them has the name */
export function formatNamed(name: string, among: readonly Format[] = formats): Format {
  const found = among.find((format) => format.name === name);
  if (found !== undefined) return found;
  throw new QuantizationError(
    `no format is named "${name}": there are ${among.map((format) => format.name).join(", ")}`,
    "give a format of your own among `formats`",
  );
}
