import { schemeNamed, schemesNamed } from "@vlmopt/quant";
import { expect, test } from "vitest";
import { requestAfter } from "./renumbered-overrides.ts";

const layers = [0, 1, 2, 3].map((layer) => ({ weights: [`${layer}.q`, `${layer}.k`] }));
const int8 = schemeNamed("int8");

test("what is said of layers by number goes along with them, but for layers of other components", () => {
  const request = {
    ...schemesNamed("int4-g16+0-2.down=int8+vision.3=int8+1=int8+o=int8"),
  };
  const drop = ["1.q", "1.k"];
  expect(requestAfter(request, layers, { drop }).overrides).toEqual([
    { scheme: int8, components: ["languageModel"], roles: ["downProj"], layers: [0, 1] },
    { scheme: int8, components: ["visionTower"], layers: [3] },
    { scheme: int8, roles: ["oProj"] },
  ]);
  expect(requestAfter(request, layers, { drop: [] })).toBe(request);
});
