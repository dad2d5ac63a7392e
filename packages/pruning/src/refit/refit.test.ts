import type { LinearAlgebra } from "@vlmopt/models";
import { biasCompensation, linearAlgebra, refit } from "@vlmopt/pruning";
import { afterEach, describe, expect, it, vi } from "vitest";
import { distance, doubles, type Layer, layers, singles } from "./test-support/layers.ts";

const algebra = linearAlgebra();
const requestOf = ({ weight, outputs, tokens, mean, gram, kept }: Layer) => ({
  weight,
  outFeatures: outputs,
  inputs: { tokens, mean, gram },
  kept,
});
const [small] = layers as [Layer];

afterEach(() => {
  vi.unstubAllEnvs();
});

describe.each(["wasm", "plain"])("refits by %s", (kind) => {
  const cases = layers.flatMap((layer) =>
    layer.fits.map((fit) => ({
      layer,
      fit,
      name: `${layer.name}: ${fit.target}${fit.all ? ", all columns" : ""}, λ ${fit.ridge}${fit.bias ? ", intercept" : ""}`,
    })),
  );
  it.each(cases)("agree with numpy's least squares: $name", async ({ layer, fit }) => {
    vi.stubEnv("VLMOPT_NO_WASM", kind === "plain" ? "1" : "");
    const result = await refit(
      {
        ...requestOf(layer),
        kept: fit.all ? undefined : layer.kept,
        target: fit.target === "residual" ? layer.target : undefined,
        intercept: fit.bias,
        lambda: fit.ridge,
        report: true,
      },
      algebra,
    );
    expect(result.lambda).toBe(fit.ridge);
    expect(result.underdetermined).toBe(
      layer.tokens - (fit.bias ? 1 : 0) < (fit.all ? layer.channels : layer.kept.length),
    );
    expect(distance(result.weight, singles(fit.weight))).toBeLessThan(1e-6);
    if (fit.bias) {
      expect(distance(result.intercept ?? [], doubles(fit.intercept ?? ""))).toBeLessThan(1e-6);
    } else expect(result.intercept).toBeUndefined();
    expect(Math.abs((result.error?.before ?? 9) - fit.before)).toBeLessThan(1e-6 * fit.before + 1e-12);
    expect(Math.abs((result.error?.after ?? 9) - fit.after)).toBeLessThan(1e-6 * fit.after + 1e-9);
  });
});

describe("refits", () => {
  it.each(layers)("take Gram matrices in F32: $name", async (layer) => {
    const inputs = { ...requestOf(layer).inputs, gram: Float32Array.from(layer.gram) };
    const { weight } = await refit({ ...requestOf(layer), inputs }, algebra);
    const fit = layer.fits.find((it) => it.target === "local" && !it.bias && it.ridge === 0.1);
    expect(distance(weight, singles(fit?.weight ?? ""))).toBeLessThan(1e-4);
  });

  it.each(layers)("compensate means as numpy does: $name", (layer) => {
    const { weight, outputs, kept, mean, compensation } = layer;
    expect(
      distance(biasCompensation({ weight, outFeatures: outputs, kept, mean }), compensation),
    ).toBeLessThan(1e-12);
  });

  it("raise λ where the Gram matrix is not positive definite with it", async () => {
    const deficient = layers.find((layer) => layer.name.startsWith("fewer")) as Layer;
    const result = await refit({ ...requestOf(deficient), lambda: 0 }, algebra);
    expect(result.lambda).toBeGreaterThan(0);
    expect(result.lambda).toBeLessThan(1e-3);
    expect(result.underdetermined).toBe(true);
    expect(result.weight.every(Number.isFinite)).toBe(true);
  });

  it("leave weights of channels that are always 0", async () => {
    const gram = new Float64Array(small.channels ** 2);
    const { weight } = await refit(
      { ...requestOf(small), inputs: { ...requestOf(small).inputs, gram } },
      algebra,
    );
    const old = [...small.weight].filter((_, i) => small.kept.includes(i % small.channels));
    expect([...weight]).toEqual(old);
  });

  const { channels } = small;
  const broken = (values: Float32Array | Float64Array, place: number, value: number) => {
    const copy = values.slice();
    copy[place] = value;
    return copy;
  };
  const inputs = requestOf(small).inputs;
  it.each([
    [
      "a Gram matrix with NaN",
      { inputs: { ...inputs, gram: broken(small.gram, 3 * channels + 5, Number.NaN) } },
      "layer.3: the Gram matrix of its inputs is NaN in row 3, column 5",
    ],
    [
      "weights with infinity",
      { weight: broken(small.weight, channels + 2, Number.NEGATIVE_INFINITY) as Float32Array },
      "layer.3: the weight is -Infinity in row 1, column 2",
    ],
    [
      "a target with NaN",
      { target: { ...small.target, cross: broken(small.target.cross, 1, Number.NaN) } },
      "layer.3: the target is NaN in row 0, column 1",
    ],
    [
      "a Gram matrix of another layer",
      { inputs: { ...inputs, gram: new Float64Array(9) } },
      "layer.3: the Gram matrix holds 9 numbers, and 24 channels take 576",
    ],
    [
      "no Gram matrix",
      { inputs: { ...inputs, gram: undefined } },
      "layer.3: the statistics of its inputs have no Gram matrix; ask for it",
    ],
    ["no tokens", { inputs: { ...inputs, tokens: 0 } }, "layer.3: there are 0 tokens to fit to"],
    ["no columns", { kept: [] }, "layer.3: no column stays, and one has to"],
    [
      "columns out of order",
      { kept: [0, 7, 3] },
      "layer.3: kept column 2 is 3; kept columns are whole numbers from 0 to 23 in rising order",
    ],
    ["a negative λ", { lambda: -1 }, "layer.3: a λ of -1 is no number from 0 on"],
    [
      "an intercept without the target's mean",
      { intercept: true, target: { cross: small.target.cross, squares: 1 } },
      "layer.3: an intercept takes the target's mean of 8 numbers",
    ],
  ])("refuse %s", async (_, change, message) => {
    await expect(refit({ ...requestOf(small), name: "layer.3", ...change }, algebra)).rejects.toThrow(
      message,
    );
  });

  it("pass on errors of the solver that no λ mends", async () => {
    const lost: LinearAlgebra = {
      ...algebra,
      solve: () => Promise.reject(new Error("the device is lost")),
    };
    await expect(refit(requestOf(small), lost)).rejects.toThrow("the device is lost");
  });
});
