import { type Codebook, codebookOf } from "./codebook.ts";

/**
 * bitsandbytes' 4-bit float: a sign, two bits of exponent, one of mantissa, as a share of the largest number. Index 8 is the zero of
 * the other sign; as in bitsandbytes, weights just above zero get it.
 */
export const fp4: Codebook = codebookOf(
  "fp4",
  [0, 0.0625, 8, 12, 4, 6, 2, 3, 0, -0.0625, -8, -12, -4, -6, -2, -3].map((value) => value / 12),
);
