import { PruningError } from "@vlmopt/pruning";
import { awq } from "./awq.ts";
import { clip } from "./clip.ts";
import { gptq } from "./gptq.ts";
import { imatrix } from "./imatrix.ts";
import type { QuantizationMethod } from "./quantization-method.ts";
import { rtn } from "./rtn.ts";

/** All that have a name. Command line, recipes and tables read this list. */
export const quantizationMethods: readonly QuantizationMethod[] = [gptq, awq, clip, imatrix, rtn];

/** What is taken with data unless told. */
export const defaultQuantizationMethod = "gptq";

export const quantizationMethodNames: readonly string[] = quantizationMethods.map(({ name }) => name);

/** @throws {PruningError} where there is none of that name, naming those there are */
export function quantizationMethodNamed(name: string): QuantizationMethod {
  const found = quantizationMethods.find((method) => method.name === name);
  if (found !== undefined) return found;
  throw new PruningError(
    `${name} is no method of quantization`,
    `there are ${quantizationMethodNames.join(", ")}`,
  );
}
