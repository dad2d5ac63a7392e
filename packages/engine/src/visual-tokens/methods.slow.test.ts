import { describe, test } from "vitest";
import { visualTokenGoldens } from "../test-support/made-evidence.ts";
import { expectChoices } from "../test-support/picture-evidence.ts";

const cases = Object.entries(visualTokenGoldens.pictures).flatMap(([shape, pictures]) =>
  pictures.map((_, picture) => [shape, picture] as const),
);

describe("methods choose what papers' formulas do", () => {
  test.each(cases)("%s, picture %i", { timeout: 60_000 }, expectChoices);
});
