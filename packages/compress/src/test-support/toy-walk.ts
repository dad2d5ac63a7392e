import type { Block, CalibrationWalk, InputStatistics, Replacements } from "@vlmopt/models";
import type { PrunableLayer } from "@vlmopt/pruning";
import {
  type Checkpoint,
  fromFloat32,
  memorySink,
  memorySource,
  openSources,
  readTensor,
  toFloat32,
  writeCheckpoint,
} from "@vlmopt/tensor-io";

/** Matrices of a model without norms: attention is o·v·x with heads of two features, an MLP is down·(gate·x ⊙ up·x). */
export const toySizes = { hidden: 4, neurons: 6, heads: 4, headDim: 2 } as const;

export function toyLayer(index: number): PrunableLayer {
  const linear = (name: string) => ({ weight: `${index}.${name}` });
  return {
    attention: {
      qProj: linear("q"),
      kProj: linear("k"),
      vProj: linear("v"),
      oProj: linear("o"),
      numHeads: toySizes.heads,
      numKvHeads: toySizes.heads,
      headDim: toySizes.headDim,
    },
    mlp: { kind: "gated", gateProj: linear("gate"), upProj: linear("up"), downProj: linear("down") },
    weights: ["q", "k", "v", "o", "gate", "up", "down"].map((name) => `${index}.${name}`),
  };
}

const shapes: Readonly<Record<string, readonly [number, number]>> = {
  q: [8, 4],
  k: [8, 4],
  v: [8, 4],
  o: [4, 8],
  gate: [6, 4],
  up: [6, 4],
  down: [4, 6],
};

/** @param change of a tensor's numbers, in place */
export async function toyCheckpoint(
  layers: number,
  change: (name: string, data: Float32Array) => void = () => {},
): Promise<Checkpoint> {
  const tensors = Array.from({ length: layers }, (_, layer) =>
    Object.entries(shapes).map(([part, shape]) => {
      const name = `${layer}.${part}`;
      const data = Float32Array.from(
        { length: shape[0] * shape[1] },
        (_, i) => 0.5 * Math.sin(12.9898 * (i + 1) + 78.233 * (layer + 1) + 37.719 * part.charCodeAt(0)),
      );
      change(name, data);
      return { name, dtype: "F32" as const, shape, bytes: fromFloat32(data, "F32") };
    }),
  ).flat();
  const sink = memorySink();
  await writeCheckpoint(tensors, sink);
  return openSources([...sink.files].map(([name, bytes]) => memorySource(bytes, name)));
}

interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array;
}

const TOKENS = 64;

/** A walk through such a model in F64, over tokens of noise; it notes what it is asked for. */
export async function toyWalk(source: Checkpoint, layers: number, dropped: readonly number[] = []) {
  const stored = new Map<string, Matrix>();
  for (const [name, { shape }] of source.tensors) {
    const data = toFloat32(await readTensor(source, name), "F32");
    stored.set(name, { rows: shape[0] ?? 1, columns: shape[1] ?? 1, data });
  }
  const kept = Array.from({ length: layers }, (_, i) => i).filter((layer) => !dropped.includes(layer));
  const blocks = kept.flatMap((layer): Block[] => [
    { layer, kind: "attention" },
    { layer, kind: "mlp" },
  ]);
  const noise = (token: number, i: number) => Math.sin(1.7 * token * (i + 1) + 0.3 * token * token + i);
  const start = Array.from({ length: TOKENS }, (_, token) =>
    Float64Array.from({ length: toySizes.hidden }, (_, i) => noise(token + 1, i)),
  );
  let dense: readonly Float64Array[] = start;
  let compressed: readonly Float64Array[] = start;
  let next = 0;
  const calls: string[] = [];

  const inputsOf = (block: Block, x: Float64Array, replaced?: Replacements): Float64Array => {
    const of = (part: string) => product(matrix(`${block.layer}.${part}`, replaced), x);
    if (block.kind === "attention") return of("v");
    const [gate, up] = [of("gate"), of("up")];
    return gate.map((value, i) => value * (up[i] as number));
  };
  const matrix = (name: string, replaced?: Replacements): Matrix => {
    const found = replaced?.get(name);
    if (found === undefined) return stored.get(name) as Matrix;
    return { rows: found.shape[0] ?? 1, columns: found.shape[1] ?? 1, data: found.data };
  };
  const lastOf = ({ layer, kind }: Block) => `${layer}.${kind === "attention" ? "o" : "down"}`;
  /** Linears that read the stream itself. */
  const readers = ({ layer, kind }: Block, x: readonly Float64Array[]) => {
    const own = statisticsOf(x);
    const parts = kind === "attention" ? ["q", "k", "v"] : ["gate", "up"];
    return parts.map((part) => [`${layer}.${part}`, own] as const);
  };
  const pass = (block: Block, x: Float64Array, replaced?: Replacements) =>
    sum(x, product(matrix(lastOf(block), replaced), inputsOf(block, x, replaced)));
  const behind = (block: Block): Block[] => {
    const following: Block[] = [];
    for (let layer = block.layer + 1; block.kind === "mlp" && dropped.includes(layer); layer++)
      following.push({ layer, kind: "attention" }, { layer, kind: "mlp" });
    return [block, ...following];
  };
  const advanced = (x: Float64Array, block: Block) => behind(block).reduce((y, it) => pass(it, y), x);

  const walk: CalibrationWalk = {
    blocks,
    sequences: 4,
    tokens: TOKENS,
    async observe({ target }, replaced) {
      const block = blocks[next] as Block;
      calls.push(`observe ${block.layer} ${block.kind} ${target ?? "-"}`);
      const inputs = compressed.map((x) => inputsOf(block, x, replaced));
      const wanted = compressed.map((x, t) => {
        const local = sum(pass(block, x, replaced), x, -1);
        const residual = sum(advanced(dense[t] as Float64Array, block), x, -1);
        const share = target ?? 0;
        return residual.map((value, i) => share * value + (1 - share) * (local[i] as number));
      });
      return {
        norm: undefined,
        inputs: new Map([...readers(block, compressed), [lastOf(block), statisticsOf(inputs)]]),
        target:
          target === undefined
            ? undefined
            : { cross: outer(wanted, inputs), squares: wanted.reduce((all, t) => all + square(t), 0) },
      };
    },
    async loss(replaced) {
      const block = blocks[next] as Block;
      const error = compressed.reduce(
        (all, x, t) =>
          all + square(sum(pass(block, x, replaced), advanced(dense[t] as Float64Array, block), -1)),
        0,
      );
      return error / TOKENS;
    },
    async error(replaced) {
      const block = blocks[next] as Block;
      return relativeError(
        compressed.map((x) => pass(block, x, replaced)),
        dense.map((x) => advanced(x, block)),
      );
    },
    async tokenError(replaced) {
      const block = blocks[next] as Block;
      const errors = compressed.map((x, t) =>
        relativeError([pass(block, x, replaced)], [advanced(dense[t] as Float64Array, block)]),
      );
      return errors.reduce((all, error) => all + error, 0) / errors.length;
    },
    async advance(replaced) {
      const block = blocks[next] as Block;
      calls.push(`advance ${block.layer} ${block.kind}`);
      dense = dense.map((x) => advanced(x, block));
      compressed = compressed.map((x) => pass(block, x, replaced));
      next++;
      return { error: relativeError(compressed, dense) };
    },
    finalNorm: async () => undefined,
    async release() {
      calls.push("release");
    },
  };
  return { walk, calls };
}

function relativeError(found: readonly Float64Array[], wanted: readonly Float64Array[]): number {
  const error = wanted.reduce((all, x, t) => all + square(sum(found[t] as Float64Array, x, -1)), 0);
  return error / wanted.reduce((all, x) => all + square(x), 0);
}

function product({ rows, columns, data }: Matrix, x: Float64Array): Float64Array {
  return Float64Array.from({ length: rows }, (_, row) =>
    x.reduce((all, value, column) => all + value * (data[row * columns + column] as number), 0),
  );
}

function sum(x: Float64Array, y: Float64Array, factor = 1): Float64Array {
  return x.map((value, i) => value + factor * (y[i] as number));
}

function square(x: Float64Array): number {
  return x.reduce((all, value) => all + value * value, 0);
}

/** Σ a·bᵀ. */
function outer(a: readonly Float64Array[], b: readonly Float64Array[]): Float64Array {
  const [rows, columns] = [a[0]?.length ?? 0, b[0]?.length ?? 0];
  return Float64Array.from({ length: rows * columns }, (_, i) =>
    a.reduce(
      (all, x, t) =>
        all + (x[Math.floor(i / columns)] as number) * ((b[t] as Float64Array)[i % columns] as number),
      0,
    ),
  );
}

function statisticsOf(inputs: readonly Float64Array[]): InputStatistics {
  const channel = (of: (x: number) => number) =>
    (inputs[0] as Float64Array).map(
      (_, i) => inputs.reduce((all, x) => all + of(x[i] as number), 0) / inputs.length,
    );
  return {
    tokens: inputs.length,
    mean: channel((x) => x),
    meanSquare: channel((x) => x * x),
    meanAbs: channel(Math.abs),
    maxAbs: (inputs[0] as Float64Array).map((_, i) =>
      Math.max(...inputs.map((x) => Math.abs(x[i] as number))),
    ),
    sequenceMagnitude: channel(Math.abs),
    gram: outer(inputs, inputs),
  };
}
