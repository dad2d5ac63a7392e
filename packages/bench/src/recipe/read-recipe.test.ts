import { resolve } from "node:path";
import { expect, test } from "vitest";
import { parseRecipe, readRecipe } from "./read-recipe.ts";

const root = resolve(import.meta.dirname, "../../../..");

const least = { name: "small", data: { folder: "questions" }, variants: [{ name: "dense", model: "llava" }] };
const recipe = (changes: object) => () =>
  parseRecipe(JSON.stringify({ ...least, ...changes }), "/work/recipe.json");

test("paths are relative to the recipe, and what is left out has defaults", () => {
  const { data, protocol, metrics, variants } = recipe({})();
  expect(data).toEqual({ folder: "/work/questions" });
  expect(protocol).toMatchObject({
    newTokens: 32,
    minRepetitions: 10,
    maxAnswerTokens: 128,
    confidence: 0.95,
  });
  expect(metrics).toEqual(["meteor", "rouge"]);
  expect(variants).toMatchObject([
    { name: "dense", family: "llava", source: { model: "/work/llava" }, engine: { executor: "ort" } },
  ]);
});

test("a grid is every pruning in every precision", () => {
  const grid = { model: "llava", prune: { dense: {}, "GLU 30": { glu: 0.3 } }, quantize: ["none", "nf4"] };
  const { variants } = recipe({ variants: [], grids: [grid] })();
  expect(variants.map(({ name }) => name)).toEqual(["dense", "dense nf4", "GLU 30", "GLU 30 nf4"]);
  expect(variants[0]).toMatchObject({ prune: undefined, quantize: undefined });
  expect(variants[3]).toMatchObject({ prune: { glu: 0.3 }, quantize: { scheme: "nf4", preset: "fast" } });
});

test("precisions name a method that rounds by data, and the data", () => {
  const quantize = [
    "nf4",
    { scheme: "int4-g64", method: "imatrix" },
    { scheme: "int3-g64", calibrate: { text: "a.txt", samples: 9 } },
  ];
  const { variants } = recipe({
    variants: [],
    grids: [{ model: "llava", prune: { dense: {} }, quantize }],
  })();
  expect(variants.map(({ name }) => name)).toEqual([
    "dense nf4",
    "dense int4-g64 imatrix",
    "dense int3-g64 gptq",
  ]);
  expect(variants.map(({ calibrate }) => calibrate)).toEqual([
    undefined,
    "own",
    { text: "/work/a.txt", samples: 9 },
  ]);
  expect(variants[2]?.quantize).toEqual({ scheme: "int3-g64", preset: "fast", method: "gptq" });
  expect(
    recipe({ variants: [{ name: "a", model: "m", quantize: { scheme: "nf4", method: "magic" } }] }),
  ).toThrow("magic");
});

test("precisions may be budgets, within which data choose", () => {
  const quantize = [
    { bits: 3.5 },
    { bytes: 2e9, scheme: "int3-g64,int4-g64+vision=int8", method: "imatrix" },
  ];
  const { variants } = recipe({
    variants: [],
    grids: [{ model: "llava", prune: { dense: {} }, quantize }],
  })();
  expect(variants.map(({ name }) => name)).toEqual([
    "dense 3.5 bits gptq",
    "dense 2000000000 bytes of int3-g64,int4-g64+vision=int8 imatrix",
  ]);
  expect(variants.map(({ calibrate }) => calibrate)).toEqual(["own", "own"]);
  expect(variants[0]?.quantize).toEqual({
    scheme: "int2-g64-zero,int3-g64-zero,int4-g64-zero,int8",
    bits: 3.5,
    preset: "fast",
    method: "gptq",
  });
});

test("a variant may learn from the dense model, from data of its own or what it is calibrated on", () => {
  const pruned = { model: "llava", prune: { glu: 0.5 } };
  const { variants } = recipe({
    calibrate: { folder: "questions", samples: 9 },
    variants: [
      { name: "a", ...pruned, recover: { steps: 5 } },
      {
        name: "b",
        ...pruned,
        recover: { rate: 1e-4, way: "lora", data: { text: "t.txt" } },
        quantize: "nf4",
      },
      { name: "c", ...pruned },
    ],
  })();
  expect(variants.map(({ recover }) => recover)).toEqual([
    { recovery: { steps: 5 }, data: { folder: "/work/questions", samples: 9 } },
    { recovery: { rate: 1e-4, way: "lora" }, data: { text: "/work/t.txt", samples: 128 } },
    undefined,
  ]);
});

test.each([
  [
    { variants: [{ name: "a", model: "m", recover: { steps: 5 } }] },
    "variants[0].recover: is for what is pruned: give prune too",
  ],
  [
    { variants: [{ name: "a", model: "m", prune: { glu: 0.5 }, recover: { steps: 0 } }] },
    "variants[0].recover.steps: is 0, not a whole number from 1 on",
  ],
  [
    { variants: [{ name: "a", model: "m", quantize: { bits: 3, bytes: 5 } }] },
    "variants[0].quantize: has bits and bytes: give one of them",
  ],
  [
    { variants: [{ name: "a", model: "m", quantize: { scheme: "int3-g64,int4-g64" } }] },
    "names 2 schemes: a budget of bits or bytes chooses among them",
  ],
  [
    { variants: [{ name: "a", model: "m", quantize: { scheme: "int3-g64,int5", bits: 4 } }] },
    'no scheme is named "int5"',
  ],
  [
    { variants: [{ name: "a", model: "m", prune: { glu: 2 } }] },
    "variants[0].prune.glu: is a share between 0 and 1",
  ],
  [{ protocol: { confidence: 95 } }, "protocol.confidence: is 95, not a number above 0 and below 1"],
  [{ protocol: { newTokens: 0 } }, "protocol.newTokens: is 0, not a whole number from 1 on"],
  [{ engine: { threads: 512 } }, "engine.threads: is 512, not a whole number from 1 to 256"],
  [{ engine: { activations: "int4" } }, 'engine.activations: is "int4", not one of "int8", "float32"'],
  [{ protocol: { newToken: 3 } }, "protocol: "],
  [{ variants: [{ model: "m" }] }, "variants[0].name: is missing"],
  [{ variants: [{ name: "a" }] }, "variants[0]: names either a model or an endpoint"],
  [{ variants: [] }, "names no variants: give variants, grids or both"],
  [{ metrics: ["bertscore"] }, "encoder: bertscore needs an encoder"],
  [{ name: "a/b" }, "name: is of letters, digits, dots and dashes: folders are named after it"],
  [{ variants: [...least.variants, ...least.variants] }, 'two variants are named "dense"'],
  [{ data: { somewhere: 1 } }, "data: is {folder: …}, {vqaonline: train | val | test} or {hub: org/name}"],
  [{ variants: [{ name: "a", model: "m", quantize: "int5" }] }, "int5"],
])("says what is wrong with %j", (changes, message) => {
  expect(recipe(changes)).toThrow(message);
  expect(recipe(changes)).toThrow("/work/recipe.json");
});

test("what is pruned by data reads the model's own answers, unless the recipe or the variant names others", () => {
  const prune = { glu: 0.3 };
  const calibrate = (changes: object) => recipe(changes)().variants.map((variant) => variant.calibrate);
  expect(calibrate({ variants: [{ name: "a", model: "m", prune }] })).toEqual(["own"]);
  const variants = [
    { name: "a", model: "m", prune },
    { name: "b", model: "m", prune, calibrate: { text: "b.txt" } },
    { name: "c", model: "m", prune: { ...prune, byWeights: true } },
    { name: "d", model: "m", prune: { l1: 0.3 } },
    { name: "e", model: "m" },
  ];
  expect(calibrate({ calibrate: { folder: "f", split: "train", samples: 9 }, variants })).toEqual([
    { folder: "/work/f", split: "train", samples: 9 },
    { text: "/work/b.txt", samples: 128 },
    undefined,
    undefined,
    undefined,
  ]);
});

test.each([
  [
    { calibrate: "mine" },
    "calibrate: is own, {text: file}, {folder: …}, {vqaonline: train | val | test} or {hub: org/name}",
  ],
  [{ calibrate: { folder: "f", samples: 0 } }, "calibrate.samples: "],
  [
    { variants: [{ name: "a", model: "m", prune: { glu: 0.3, keepNeurons: 3 } }] },
    "variants[0].prune: glu and keepNeurons both say how many neurons stay: give one of them",
  ],
])("refuses %j", (changes, message) => {
  expect(recipe(changes)).toThrow(message);
});

test.each([
  [
    { grids: [{ model: "m", quantize: ["none", "int5"] }] },
    'grids[0].quantize[1]: no scheme is named "int5": there are int4-g32, ',
  ],
  [
    { grids: [{ model: "m", quantize: [{ scheme: "int5" }] }] },
    'grids[0].quantize[0].scheme: no scheme is named "int5": there are ',
  ],
  [
    { grids: [{ model: "m", quantize: [4] }] },
    "grids[0].quantize[0]: is the name of a scheme, or {scheme: …, bits: …, bytes: …, preset: …, method: …, calibrate: …}",
  ],
  [
    { variants: [{ name: "a", model: "m", quantize: "int5" }] },
    'variants[0].quantize: no scheme is named "int5": there are ',
  ],
  [
    { variants: [{ name: "a", model: "m", quantize: { scheme: "nf4", preset: "slow" } }] },
    'quantize.preset: there is no preset "slow": there are fast, best',
  ],
  [{ metrics: ["metor"] }, 'metrics[0]: there is no metric "metor"; there are meteor, '],
  [
    { engine: { executor: "cuda" } },
    'engine.executor: there is no executor "cuda": there are ort, webgpu, auto, tfjs, plain',
  ],
  [
    { variants: [{ name: "a", model: "m", engine: { executor: "cuda" } }] },
    'variants[0].engine.executor: there is no executor "cuda": there are ort, webgpu, auto, tfjs, plain',
  ],
  [
    { variants: [{ name: "a", model: "m", prune: { glu: 0.3, method: "best" } }] },
    "variants[0].prune.method: best is no score of neurons; there are obd, obs, wifv, ",
  ],
  [
    { data: { vqaonline: "valid" } },
    'data.vqaonline: there is no split of VQAonline "valid": there are train, val, test',
  ],
  [
    { data: { folder: "f", sample: { method: "some", count: 3 } } },
    'data.sample.method: there is no method of sampling "some": there are first, random, stratified',
  ],
  [{ data: { coco: "val" } }, "data: is {folder: …}, {vqaonline: train | val | test} or {hub: org/name}"],
])("of an unknown name, says which there are: %j", (changes, message) => {
  expect(recipe(changes)).toThrow(message);
});

test("says where YAML breaks off, and which file is not there", async () => {
  expect(() => parseRecipe("name: [", "r.yaml")).toThrow(/^r\.yaml: .*line 1/);
  await expect(readRecipe("/nowhere/r.yaml")).rejects.toThrow("/nowhere/r.yaml: no such file");
});

test("the demo's recipe names what the mission does", async () => {
  const { variants, data } = await readRecipe(`${root}/recipes/tiny-llava.yaml`);
  const names = variants.map(({ name }) => name);
  expect(data).toMatchObject({ folder: `${root}/fixtures/scenes`, split: "test" });
  expect(names).toEqual(
    expect.arrayContaining(["dense", "dense nf4", "GLU 30", "GLU 50", "GLU 70 int4-g64"]),
  );
  expect(names).toEqual(expect.arrayContaining(["heads 25", "GLU 50 by weights", "L1 30", "L1 70"]));
  const calibrated = variants.filter(({ calibrate }) => calibrate !== undefined);
  expect(calibrated.map(({ name }) => name)).toEqual(
    ["GLU 30", "GLU 50", "GLU 70", "heads 25", "GLU 50 + heads 25"].flatMap((name) => [
      name,
      `${name} int4-g64`,
    ]),
  );
  expect(calibrated[0]?.calibrate).toEqual({
    folder: `${root}/fixtures/scenes`,
    split: "calibration",
    samples: 128,
  });
});

test("the seed's study has its models, prunings and precisions", async () => {
  const { variants } = await readRecipe(`${root}/recipes/seed-study.yaml`);
  const llava = variants.filter(({ family }) => family === "LLaVA-1.5-7B");
  // Whole and in eight prunings.
  expect(llava).toHaveLength(9 * 3);
  expect(new Set(llava.map(({ quantize }) => quantize?.scheme ?? "bf16"))).toEqual(
    new Set(["bf16", "int8", "nf4-dq"]),
  );
  expect(new Set(variants.map(({ family }) => family))).toEqual(
    new Set(["LLaVA-1.5-7B", "BLIP-2 OPT-2.7B", "Qwen2-VL-2B", "PaliGemma-3B"]),
  );
});
