import { it } from "vitest";
import { damaged, opens, smallModel } from "../test-support/damaged-gguf.ts";

it("refuses or reads 50,000 damaged files, and never fails otherwise", { timeout: 600_000 }, async () => {
  const file = await smallModel();
  for (let seed = 1_000_000; seed < 1_050_000; seed++) await opens(damaged(file, seed));
});
