import { expect, it } from "vitest";
import { fileBytes } from "../test-support/build-file.ts";
import { checkMutant } from "../test-support/check-mutant.ts";
import { mutant, seeds } from "../test-support/mutate-file.ts";

it("accepts the files that mutants are made of", async () => {
  for (const seed of seeds) expect(await checkMutant(seed)).toBe(true);
});

it("refuses or reads 20,000 mutants, and never fails otherwise", async () => {
  let accepted = 0;
  for (let seed = 0; seed < 20_000; seed++) accepted += (await checkMutant(mutant(seed))) ? 1 : 0;
  // Both happen, or the mutants are too wild or too tame to show anything.
  expect(accepted).toBeGreaterThan(200);
  expect(accepted).toBeLessThan(19_000);
});

it("allocates no more than the file's size for a header that claims much", async () => {
  const claims = [
    `{"a":{"dtype":"F32","shape":[1000000000,1000000],"data_offsets":[0,4000000000000000]}}`,
    `{"a":{"dtype":"U8","shape":[${"9,".repeat(50_000)}9],"data_offsets":[0,1]}}`,
    `{"a":{"x":${"[".repeat(100_000)}`,
    `{"__metadata__":{"a":"${"\\u0041".repeat(20_000)}"}}`,
  ];
  for (const claim of claims) {
    const bytes = fileBytes(claim);
    globalThis.gc?.();
    const before = process.memoryUsage().arrayBuffers;
    await checkMutant(bytes);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThanOrEqual(2 * bytes.length);
  }
});
