import { ortExecutor, plainExecutor } from "@vlmopt/engine";
import { describe, expect, test } from "vitest";
import { encoderNames, worstOfHiddenStates } from "./test-support/hidden-states.ts";

describe.each([plainExecutor(), ortExecutor({ threads: 1 })])("by the $name executor", (executor) => {
  test.each(encoderNames)(
    "%s gives transformers' hidden states after each layer, in a batch",
    async (name) => {
      expect(await worstOfHiddenStates(name, executor, "each")).toBeLessThan(1e-4);
    },
  );
});
