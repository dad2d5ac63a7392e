// Numbers of F16, two to 32 bits: what products on matrix units read.

/** Rows of halves are filled up with zeros to a multiple of so many. */
export const HALVES_ALIGNMENT = 32;

/** Numbers from one row of halves to the next. */
export function halvesStride(features: number): number {
  return Math.ceil(features / HALVES_ALIGNMENT) * HALVES_ALIGNMENT;
}

/** WGSL: `halved(a, b)` gives the 32 bits of two numbers, those too large for F16 being its largest. */
export const HALVED = `
fn halved(a: f32, b: f32) -> u32 { return pack2x16float(clamp(vec2<f32>(a, b), vec2<f32>(-65504.0), vec2<f32>(65504.0))); }`;
