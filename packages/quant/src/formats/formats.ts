import { QuantizationError } from "../checkpoint/quantization-error.ts";
import { awq } from "./awq.ts";
import { bitsandbytes } from "./bitsandbytes.ts";
import type { Format } from "./format.ts";
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
  bitsandbytes,
  gptq,
  awq,
  nvfp4Packed,
  mxfp4Packed,
];

/** What `schemeNamed` understands. */
export const schemeNames: readonly string[] = formats.flatMap(({ schemes }) => schemes);

/**
 * A scheme by its short name: `int4-g128` (groups of 128; `-zero` for zero points; `int4-row`), `int8`, `nf4`, `nf4-dq` (scales in 8 bits),
 * `fp4`, `fp4-dq`, `gptq` and `awq` (groups of 128; `-g64`, `-row`), `nvfp4`, `mxfp4`.
 * @param among `[...formats, yours]`, where there are others than vlmopt's
 * @throws {RangeError} for other names, listing these
 */
export function schemeNamed(
  name: string,
  preset: Preset = "best",
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
