import type { Activation } from "@vlmopt/models";

/** WGSL functions of one number. */
export type MapName = Activation | "tanh" | "none";

/** The name of the WGSL function that `mapFunction` declares. */
export const MAP = "mapped";

/** Declares `mapped(x)`. */
export function mapFunction(name: MapName): string {
  return `${name === "gelu" ? ERF : ""}
fn ${MAP}(x: f32) -> f32 { return ${expressions[name]}; }`;
}

const expressions: Readonly<Record<MapName, string>> = {
  none: "x",
  silu: "x / (1.0 + exp(-x))",
  "quick-gelu": "x / (1.0 + exp(-1.702 * x))",
  gelu: "0.5 * x * (1.0 + erf(x * 0.7071067811865476))",
  // tanh of large numbers is not reliable on all drivers.
  "gelu-tanh": "0.5 * x * (1.0 + tanh(clamp(0.7978845608028654 * (x + 0.044715 * x * x * x), -15.0, 15.0)))",
  relu: "max(x, 0.0)",
  tanh: "tanh(clamp(x, -15.0, 15.0))",
};

// Abramowitz & Stegun 7.1.26, to 1.5e-7.
const ERF = `
fn erf(x: f32) -> f32 {
  let t = 1.0 / (1.0 + 0.3275911 * abs(x));
  let tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return sign(x) * (1.0 - tail * exp(-x * x));
}`;
