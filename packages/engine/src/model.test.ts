import { ortExecutor, plainExecutor } from "@vlmopt/engine";
import { describe, test } from "vitest";
import { expectGoldens } from "./test-support/golden-answer.ts";
import { modelGoldens } from "./test-support/goldens.ts";

const executors = [plainExecutor(), ortExecutor({ activations: "float32", threads: 1 })];

describe.each(executors)("by the $name executor", (executor) => {
  test.each(Object.keys(modelGoldens))("%s gives transformers' logits and greedy tokens", (name) =>
    expectGoldens(name, executor),
  );
});
