import type { ComponentName, Linear, Role, TensorSpecs, Weight } from "./description.ts";

/** Collects the tensors that a configuration promises, under the names that the file at hand gives them. */
export interface WeightScope {
  /** A scope below this one: `layers.3.`, perhaps of a layer. */
  at(prefix: string, layer?: number): WeightScope;
  /** Promises a tensor and returns its full name. */
  weight(role: Role, name: string, shape: readonly number[]): string;
  /** Promises `name.weight` `[outFeatures, inFeatures]` and, where it has one, `name.bias`. */
  linear(role: Role, name: string, outFeatures: number, inFeatures: number, bias: boolean): Linear;
  /** Promises `name.weight` and, where it has one, `name.bias`, both `[size]`. */
  norm(name: string, size: number, bias: boolean): void;
  /** Whether the file has a tensor of this name; false where there is no file. */
  holds(name: string): boolean;
  /** Names promised so far in this scope and below. */
  names(): readonly string[];
}

export interface WeightList {
  readonly weights: readonly Weight[];
  /** Of each component, the prefix under which it was first asked for. */
  readonly prefixes: Partial<Record<ComponentName, string>>;
  /**
   * The scope of a component. Of several prefixes, as savers of different years wrote them, the one under which the file has `probe`; the
   * first where none does.
   */
  component(name: ComponentName, prefixes: readonly string[], probe: string): WeightScope;
}

/** @param tensors the file's tensors, or undefined where only a configuration is at hand */
export function weightList(tensors: TensorSpecs | undefined): WeightList {
  const weights: Weight[] = [];
  const prefixes: Partial<Record<ComponentName, string>> = {};
  function scope(component: ComponentName, prefix: string, layer: number | undefined): WeightScope {
    const first = weights.length;
    const add = (role: Role, name: string, shape: readonly number[]) => {
      weights.push({ name: prefix + name, shape, role, component, layer });
      return prefix + name;
    };
    return {
      at: (deeper, index = layer) => scope(component, prefix + deeper, index),
      weight: add,
      linear(role, name, outFeatures, inFeatures, bias) {
        const weight = add(role, `${name}.weight`, [outFeatures, inFeatures]);
        return {
          role,
          weight,
          bias: bias ? add(role, `${name}.bias`, [outFeatures]) : undefined,
          inFeatures,
          outFeatures,
        };
      },
      norm(name, size, bias) {
        add("norm", `${name}.weight`, [size]);
        if (bias) add("norm", `${name}.bias`, [size]);
      },
      holds: (name) => tensors?.has(prefix + name) ?? false,
      names: () => weights.slice(first).map((weight) => weight.name),
    };
  }
  return {
    weights,
    prefixes,
    component(name, candidates, probe) {
      const prefix = candidates.find((candidate) => tensors?.has(candidate + probe)) ?? candidates[0] ?? "";
      prefixes[name] ??= prefix;
      return scope(name, prefix, undefined);
    },
  };
}
