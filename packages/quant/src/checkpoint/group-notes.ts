import type { Scheme } from "../formats/scheme.ts";
import type { QuantizationPlan } from "./quantization-plan.ts";

/** A sentence for each group size that had to be another than the scheme's, since that does not divide rows. */
export function groupNotes({ groups, made }: QuantizationPlan, scheme: Scheme): string[] {
  const wanted = "groupSize" in scheme ? scheme.groupSize : undefined;
  return groups.flatMap(({ scheme: found, tensors }) =>
    "groupSize" in found && found.groupSize !== wanted
      ? [
          `${made.scheme ?? "the scheme"} becomes groups of ${found.groupSize} in ${tensors.length} linears: groups of ${wanted} do not divide their rows`,
        ]
      : [],
  );
}
