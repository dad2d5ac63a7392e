import { expect, it } from "vitest";
import { damaged, opens, smallModel } from "../test-support/damaged-gguf.ts";

it("opens a small model, and refuses 400 damaged ones or reads them, and never fails otherwise", async () => {
  const file = await smallModel();
  expect(await opens(file)).toBe(true);
  let refused = 0;
  for (let seed = 0; seed < 400; seed++) if (!(await opens(damaged(file, seed)))) refused++;
  expect(refused).toBeGreaterThan(200);
});
