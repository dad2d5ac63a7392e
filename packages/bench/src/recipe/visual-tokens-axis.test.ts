import { resolve } from "node:path";
import { expect, test } from "vitest";
import { parseRecipe, readRecipe } from "./read-recipe.ts";
import { withVisualTokens } from "./with-visual-tokens.ts";

const recipe = (rest: string) => `
name: study
data: { folder: questions }
${rest}`;

test("a grid has every number of visual tokens in every precision", () => {
  const { variants } = parseRecipe(
    recipe(
      "grids: [{ model: m, quantize: [none, nf4], visualTokens: [all, { keep: 64, method: visionzip, merge: false }] }]",
    ),
    "recipe.yaml",
  );
  expect(variants.map(({ name }) => name)).toEqual([
    "dense",
    "dense, 64 visual tokens, visionzip, unmerged",
    "dense nf4",
    "dense nf4, 64 visual tokens, visionzip, unmerged",
  ]);
  expect(variants[1]?.visualTokens).toEqual({ keep: 64, method: "visionzip", merge: false });
  expect(variants[0]?.visualTokens).toBeUndefined();
});

test("every variant that runs here can be asked with fewer", () => {
  const given = parseRecipe(
    recipe("variants: [{ name: a, model: m }, { name: b, model: m, visualTokens: { keep: 9 } }]"),
    "recipe.yaml",
  );
  const { variants } = withVisualTokens(given, ["all", { keep: 32, method: "divprune", merge: true }]);
  expect(variants.map(({ name }) => name)).toEqual(["a", "a, 32 visual tokens", "b"]);
});

test.each([
  ["visualTokens: { keep: 0 }", "not a whole number from 1 on"],
  ["visualTokens: { keep: 4, method: divprun }", 'there is no method "divprun": there are divprune, '],
])("what is wrong is told: %s", (line, message) => {
  const variant = `variants: [{ name: a, model: m, ${line} }]`;
  expect(() => parseRecipe(recipe(variant), "recipe.yaml")).toThrow(message);
});

test("the recipe that comes along is read", async () => {
  const { variants } = await readRecipe(
    resolve(import.meta.dirname, "../../../../recipes/visual-tokens.yaml"),
  );
  expect(variants).toHaveLength(8);
});
