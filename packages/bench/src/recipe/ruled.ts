import type { Rule } from "@vlmopt/options";
import { z } from "zod";

/** A value of a recipe by the rule that the option has wherever it enters. */
export function ruled<Value>(rule: Rule) {
  return z.custom<Value>((value) => rule.problem(value) === undefined, {
    error: ({ input }) => rule.problem(input) ?? "is wrong",
  });
}
