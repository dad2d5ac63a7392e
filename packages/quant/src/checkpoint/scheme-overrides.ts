import type { ComponentName, Role, Weight } from "@vlmopt/models";
import type { Format } from "../formats/format.ts";
import { formats, schemeNamed } from "../formats/formats.ts";
import type { Preset, Scheme } from "../formats/scheme.ts";

/** Linears that are stored in another way than the others: those that meet all that is said of them. */
export interface SchemeOverride {
  readonly scheme: Scheme;
  /** Those of the language model unless told. */
  readonly components?: readonly ComponentName[];
  /** Those of layers and projectors unless told; `lmHead` and `embedding` are only taken where they are named. */
  readonly roles?: readonly Role[];
  /** Layers of their component, by number. */
  readonly layers?: readonly number[];
}

export const layerRoles: readonly Role[] = [
  "qProj",
  "kProj",
  "vProj",
  "qkvProj",
  "oProj",
  "gateProj",
  "upProj",
  "downProj",
  "fc1",
  "fc2",
  "projector",
];

/** The override of a linear: of several, the last that takes it. */
export function overrideOf(
  { component, role, layer }: Pick<Weight, "component" | "role" | "layer">,
  overrides: readonly SchemeOverride[],
): SchemeOverride | undefined {
  return overrides.findLast(
    ({ components = ["languageModel"], roles = layerRoles, layers }) =>
      components.includes(component) &&
      roles.includes(role) &&
      (layers === undefined || (layer !== undefined && layers.includes(layer))),
  );
}

const componentNames: Readonly<Record<string, ComponentName>> = {
  language: "languageModel",
  vision: "visionTower",
  projector: "projector",
  qformer: "qFormer",
};

const roleNames: Readonly<Record<string, readonly Role[]>> = {
  q: ["qProj"],
  k: ["kProj"],
  v: ["vProj"],
  qkv: ["qProj", "kProj", "vProj", "qkvProj"],
  o: ["oProj"],
  gate: ["gateProj"],
  up: ["upProj"],
  down: ["downProj"],
  fc1: ["fc1"],
  fc2: ["fc2"],
  head: ["lmHead"],
  embedding: ["embedding"],
};

export interface NamedSchemes {
  readonly scheme: Scheme;
  readonly overrides: readonly SchemeOverride[];
}

/**
 * Schemes by one name: `int4-g128+down=int8+vision=int8+0-1=int8`. What goes before `=` are components (`language`, `vision`, `projector`,
 * `qformer`), roles (`q`, `k`, `v`, `qkv`, `o`, `gate`, `up`, `down`, `fc1`, `fc2`, `head`, `embedding`) and layers (`3`, `0-1`), joined by
 * dots: `vision.fc2`, `0-1.down`.
 * @throws {RangeError} for what it does not know
 */
export function schemesNamed(
  name: string,
  preset: Preset = "fast",
  among: readonly Format[] = formats,
): NamedSchemes {
  const { candidates, overrides } = candidatesNamed(name, preset, among);
  const [first, ...others] = candidates;
  if (first === undefined || others.length > 0) {
    throw new RangeError(
      `${name} names ${candidates.length} schemes: a budget of bits or bytes chooses among them, without one name one`,
    );
  }
  return { scheme: first.scheme, overrides };
}

export interface NamedCandidates {
  readonly candidates: readonly { readonly name: string; readonly scheme: Scheme }[];
  readonly overrides: readonly SchemeOverride[];
}

/**
 * Schemes among which a budget chooses, apart by commas, and what is stored otherwise, as `schemesNamed` reads it:
 * `int2-g64,int3-g64,int4-g64+vision=int8`.
 * @throws {RangeError} for what it does not know
 */
export function candidatesNamed(
  name: string,
  preset: Preset = "fast",
  among: readonly Format[] = formats,
): NamedCandidates {
  const [first = "", ...others] = name.split("+");
  const overrides = others.map((text) => {
    const [of, scheme, ...more] = text.split("=");
    if (!of || !scheme || more.length > 0)
      throw new RangeError(
        `"${text}" of ${name} does not say which linears are stored how, such as down=int8`,
      );
    return { scheme: schemeNamed(scheme, preset, among), ...selected(of, name) };
  });
  const names = [...new Set(first.split(","))];
  return {
    candidates: names.map((each) => ({ name: each, scheme: schemeNamed(each, preset, among) })),
    overrides,
  };
}

function selected(text: string, name: string): Omit<SchemeOverride, "scheme"> {
  const components: ComponentName[] = [];
  const roles: Role[] = [];
  const layers: number[] = [];
  for (const part of text.split(".")) {
    const [, from, to = from] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? [];
    const [component, role] = [componentNames[part], roleNames[part]];
    if (component !== undefined) components.push(component);
    else if (role !== undefined) roles.push(...role);
    else if (from !== undefined && Number(to) >= Number(from))
      for (let layer = Number(from); layer <= Number(to); layer++) layers.push(layer);
    else {
      throw new RangeError(
        `"${part}" of ${name} is no linear's place: there are ${[...Object.keys(componentNames), ...Object.keys(roleNames)].join(", ")}, and layers such as 3 or 0-1`,
      );
    }
  }
  return {
    ...(components.length === 0 ? {} : { components }),
    ...(roles.length === 0 ? {} : { roles }),
    ...(layers.length === 0 ? {} : { layers }),
  };
}
