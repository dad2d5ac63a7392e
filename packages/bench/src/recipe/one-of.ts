import { z } from "zod";

/** One of these names; others are told with those that there are. */
export function oneOf<const Names extends readonly [string, ...string[]]>(kind: string, names: Names) {
  return z.enum(names, {
    error: ({ input }) =>
      typeof input === "string"
        ? `there is no ${kind} ${JSON.stringify(input)}: there are ${names.join(", ")}`
        : `is one of ${names.join(", ")}`,
  });
}
