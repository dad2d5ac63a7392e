// From the operations of a pass to dispatches of kernels, for inputs of given shapes.

import type { NormNode, ReceivedNode, RelativeNode, Value } from "../recorded-pass.ts";
import { type FusedAttention, type FusedLinear, type FusedPass, type Step, stepReads } from "./fused-pass.ts";
import { featuresOf, type Placed, type PlanBuilder, rowsOf, sizeOf } from "./gpu-plan.ts";
import type { GpuVector, GpuWeight } from "./gpu-weights.ts";
import { ATTENTION_QUERIES, appendToCache, attention } from "./kernels/attention.ts";
import { attentionMatrices, fitsMatrices, MATRICES_QUERIES } from "./kernels/attention-matrices.ts";
import { canDecode, decodeAttention, decodeSplits, joinSplits } from "./kernels/decode-attention.ts";
import { ELEMENTWISE_THREADS, type Elementwise, elementwise, rotate } from "./kernels/elementwise.ts";
import { HALVES_ALIGNMENT } from "./kernels/halves.ts";
import { MATMUL_TILE, matmul } from "./kernels/matmul.ts";
import { chooseTile, matmulMatrices, outputsOfTile, tokensOfTile } from "./kernels/matmul-matrices.ts";
import { matvec, matvecGroups } from "./kernels/matvec.ts";
import { norm } from "./kernels/norm.ts";
import { receivedShares, receivedTotals } from "./kernels/received-attention.ts";
import { RELATIVE_TILE, relativeScores } from "./kernels/relative-scores.ts";
import { areQuads } from "./kernels/row-norm.ts";
import {
  blendRows,
  copyRows,
  embedRows,
  headMean,
  mixRows,
  putRows,
  ROW_THREADS,
  takeRows,
  unfoldPatches,
} from "./kernels/rows.ts";
import { matvecTuning } from "./kernels/tuning.ts";
import { denseFormats, wordsOfRow } from "./kernels/weight-format.ts";

/** What a pass uses besides its inputs, found before it is lowered. */
export interface PassWeights {
  readonly linear: ReadonlyMap<FusedLinear, GpuWeight>;
  readonly tables: ReadonlyMap<string, GpuWeight>;
  readonly vectors: ReadonlyMap<string, GpuVector>;
}

/** The cache that a plan attends to. */
export interface PlanCache {
  readonly capacity: number;
  readonly keys: readonly GPUBuffer[];
  readonly values: readonly GPUBuffer[];
  /** Tokens of each sequence before the step, I32. */
  readonly past: GPUBuffer;
}

/** Tokens up to which each is multiplied by itself. */
const FEW_TOKENS = 4;

/** Lowers a pass. @returns where its outputs will be */
export function lowerPass(
  plan: PlanBuilder,
  { steps, outputs }: FusedPass,
  inputs: Readonly<Record<string, Placed>>,
  weights: PassWeights,
  cache: PlanCache | undefined,
): Readonly<Record<string, Placed>> {
  const { gpu } = plan;
  const values = new Map<Value, Placed>();
  const last = lastReaders(steps, Object.values(outputs));
  const multiplied = onlyMultiplied(steps, Object.values(outputs));
  /** Values that live in a buffer that can be given back. */
  const tenants = new Map<GPUBuffer, number>();

  const valueAt = (value: Value): Placed => {
    const found = values.get(value);
    if (found === undefined) throw new TypeError("a value is read before it is computed");
    return found;
  };
  const weightIn = <T>(kind: ReadonlyMap<string, T>, name: string): T => {
    const found = kind.get(name);
    if (found === undefined) throw new TypeError(`there is no weight ${name}`);
    return found;
  };
  const vector = (name: string) => weightIn(weights.vectors, name);
  const table = (name: string) => weightIn(weights.tables, name);
  const overRows = (rows: number, features: number) => plan.groupsFor(rows * features, ROW_THREADS);

  function copied(x: Placed, shape: readonly number[]): Placed {
    const out = plan.place(shape);
    placeRows(x, out, { rows: rowsOf(x), run: rowsOf(x) });
    return out;
  }

  /** Copies rows of x to rows of out. */
  function placeRows(
    x: Placed,
    out: Placed,
    how: {
      rows: number;
      run: number;
      fromRun?: number;
      fromFirst?: number;
      toRun?: number;
      toFirst?: number;
    },
  ): void {
    const features = featuresOf(x);
    const { rows, run, fromRun = run, fromFirst = 0, toRun = run, toFirst = 0 } = how;
    const places = { xOffset: x.offset, xStride: x.stride, outOffset: out.offset, outStride: out.stride };
    plan.dispatch(
      copyRows,
      [],
      { rows, features, run: Math.max(run, 1), fromRun, fromFirst, toRun, toFirst, ...places },
      [x.buffer, out.buffer],
      overRows(rows, features),
    );
  }

  function dense(x: Placed): Placed {
    return x.stride === featuresOf(x) && x.offset === 0 ? x : copied(x, x.shape);
  }

  /** Whether a value goes to products on matrix units alone, which read halves. */
  const goesAsHalves = (value: Value | undefined, rows: number) =>
    gpu.hasMatrices && rows > FEW_TOKENS && value !== undefined && multiplied.has(value);

  function asHalves(x: Placed): Placed {
    return x.halves ? x : byElement({ of: "copy" }, x, undefined, { halves: true });
  }

  function byElement(
    operation: Elementwise,
    a: Placed,
    b?: Placed,
    { factor = 1, halves = false }: { factor?: number; halves?: boolean } = {},
  ): Placed {
    const out = plan.place(a.shape, halves);
    const [rows, features] = [rowsOf(a), featuresOf(a)];
    const other = b ?? a;
    const quads = areQuads(features, a.offset, a.stride, other.offset, other.stride);
    plan.dispatch(
      elementwise,
      [operation, { quads, halves }],
      {
        rows,
        features,
        factor,
        aOffset: a.offset,
        aStride: a.stride,
        bOffset: other.offset,
        bStride: other.stride,
        bRows: rowsOf(other),
        outStride: out.stride,
      },
      [a.buffer, ...(b === undefined ? [] : [b.buffer]), out.buffer],
      plan.groupsFor(rows * Math.ceil(out.stride / 4), ELEMENTWISE_THREADS),
    );
    return out;
  }

  function normed(x: Placed, node: NormNode, halves: boolean): Placed {
    const out = plan.place(x.shape, halves);
    const rows = rowsOf(x) * node.heads;
    const features = featuresOf(x) / node.heads;
    const { kind, weight, bias, eps, offset } = node;
    const quads = areQuads(x.offset, x.stride, features);
    plan.dispatch(
      norm,
      [{ kind, features, weight: weight !== undefined, bias: bias !== undefined, quads, halves }],
      { rows, heads: node.heads, xOffset: x.offset, xStride: x.stride, eps, normOffset: offset },
      [
        x.buffer,
        ...(weight === undefined ? [] : [vector(weight).buffer]),
        ...(bias === undefined ? [] : [vector(bias).buffer]),
        out.buffer,
      ],
      [Math.min(rows, 65535), Math.ceil(rows / 65535)],
    );
    return out;
  }

  function linear(step: FusedLinear) {
    const weight = weights.linear.get(step) as GpuWeight;
    const x = valueAt(step.x);
    const tokens = rowsOf(x);
    const { gated } = step;
    const n = gated === undefined ? weight.n : weight.n / 2;
    // The product of a patch's numbers: a stored weight of more axes counts as [out, the rest].
    const shape = (features: number) => [...x.shape.slice(0, -1), features];
    const wanted = step.residual === undefined ? undefined : valueAt(step.residual);
    const residual = wanted !== undefined && rowsOf(wanted) === tokens ? wanted : undefined;
    const options = {
      format: weight.format,
      k: weight.k,
      bias: weight.bias !== undefined,
      activation: gated ?? step.activation,
      residual: residual !== undefined,
    };
    const params = (given: Placed, out: Placed, outputs: number) => ({
      n: outputs,
      xOffset: given.offset,
      xStride: given.stride,
      outOffset: out.offset,
      outStride: out.stride,
      residualOffset: residual?.offset ?? 0,
      residualStride: residual?.stride ?? 0,
    });
    const own = [...weight.buffers, ...(weight.bias === undefined ? [] : [weight.bias])];
    const added = residual === undefined ? [] : [residual.buffer];
    const [onlyOutput] = step.outputs.length === 1 ? step.outputs : [];
    /** What follows a product that is not yet what is wanted is done in F32. */
    const ends = wanted === undefined || residual !== undefined;
    const halves = ends && goesAsHalves(onlyOutput, tokens);
    function byMatrices(given: Placed): Placed {
      const product = plan.place(shape(n), halves);
      const tile = chooseTile(tokens, n, weight.k, gated !== undefined, weight.format.values);
      const outputs = outputsOfTile(tile, gated !== undefined);
      const whole =
        n % outputs === 0 &&
        !options.bias &&
        options.activation === "none" &&
        (residual === undefined || hasRoom(residual, tokens, tokensOfTile(tile)));
      const store = halves ? "halves" : whole ? "matrices" : "numbers";
      plan.dispatch(
        matmulMatrices,
        [{ ...options, gated: gated !== undefined, tile, store }],
        { m: tokens, ...params(given, product, n) },
        [given.buffer, ...own, ...added, product.buffer],
        [Math.ceil(tokens / tokensOfTile(tile)), Math.ceil(n / outputs)],
      );
      return product;
    }
    function byNumbers(given: Placed): Placed {
      const product = plan.place(shape(weight.n));
      const activation = gated === undefined ? step.activation : "none";
      plan.dispatch(
        matmul,
        [{ ...options, activation }],
        { m: tokens, ...params(given, product, weight.n) },
        [given.buffer, ...own, ...added, product.buffer],
        [Math.ceil(weight.n / MATMUL_TILE), Math.ceil(tokens / MATMUL_TILE)],
      );
      if (gated === undefined) return product;
      const half = { ...product, shape: shape(n) };
      const result = byElement({ of: "gated", function: gated }, half, { ...half, offset: n });
      plan.giveBack(product.buffer);
      return result;
    }
    let out: Placed;
    if (tokens <= FEW_TOKENS) {
      const norm = step.norm && { kind: step.norm.kind, bias: step.norm.bias !== undefined };
      const isGated = gated !== undefined;
      const tuning = matvecTuning(gpu, weight.format, { rows: weight.n, k: weight.k, gated: isGated });
      const quads = areQuads(x.offset, x.stride, weight.k);
      const { split } = x;
      const matvecOptions = { ...options, norm, gated: isGated, quads, split, tuning };
      out = plan.place(shape(n));
      plan.dispatch(
        matvec,
        [
          matvecOptions,
          { ...params(x, out, n), eps: step.norm?.eps ?? 0, normOffset: step.norm?.offset ?? 0 },
        ],
        {},
        [
          x.buffer,
          ...own,
          ...added,
          ...[step.norm?.weight, step.norm?.bias].flatMap((name) =>
            name === undefined ? [] : [vector(name).buffer],
          ),
          out.buffer,
        ],
        [matvecGroups(gpu, matvecOptions, n), tokens],
      );
    } else {
      const ready = step.norm === undefined ? x : normed(x, step.norm, gpu.hasMatrices);
      const given = gpu.hasMatrices ? asHalves(ready) : ready;
      out = gpu.hasMatrices ? byMatrices(given) : byNumbers(given);
      for (const each of new Set([ready, given])) if (each !== x) plan.giveBack(each.buffer);
    }
    if (wanted !== undefined && residual === undefined) {
      const product = out;
      out = byElement({ of: "add" }, product, wanted);
      plan.giveBack(product.buffer);
    }
    if (step.outputs.length === 1) return keep(step.outputs[0] as Value, out);
    let offset = 0;
    for (const [i, output] of step.outputs.entries()) {
      const features = weight.parts[i] as number;
      keep(output, { ...out, offset: out.offset + offset, shape: shape(features) });
      offset += features;
    }
  }

  function attend(step: FusedAttention) {
    const [q, k, v] = [valueAt(step.q), valueAt(step.k), valueAt(step.v)];
    const { shape, cached } = step;
    const [batch, tokens] = q.shape as [number, number];
    const headDim = featuresOf(q) / shape.heads;
    const bias = step.bias === undefined ? undefined : dense(valueAt(step.bias));
    const rotary = step.rotary && { cos: valueAt(step.rotary.cos), sin: valueAt(step.rotary.sin) };
    const tables = rotary === undefined ? [] : [rotary.cos.buffer, rotary.sin.buffer];
    const width = shape.kvHeads * headDim;
    const byMatrices = tokens > 1 && fitsMatrices(gpu, headDim);
    const outFeatures = shape.heads * headDim;
    const halves = byMatrices && outFeatures % HALVES_ALIGNMENT === 0 && goesAsHalves(step.output, rowsOf(q));
    const out = plan.place([...q.shape.slice(0, -1), outFeatures], halves);
    const options = {
      headDim,
      cached: cached !== undefined,
      rotary: rotary !== undefined,
      bias: bias !== undefined,
      softcap: cached?.softcap !== undefined,
      window: cached?.window !== undefined,
    };
    const params = {
      heads: shape.heads,
      kvHeads: shape.kvHeads,
      tokens,
      qOffset: q.offset,
      qStride: q.stride,
      kOffset: k.offset,
      kStride: k.stride,
      vOffset: v.offset,
      vStride: v.stride,
      outStride: out.stride,
      scale: shape.scale ?? headDim ** -0.5,
      softcap: cached?.softcap ?? 1,
      window: cached?.window ?? 0,
      ...biasStrides(bias?.shape),
      seen: k.shape[1] as number,
    };
    const queries = byMatrices ? MATRICES_QUERIES : ATTENTION_QUERIES;
    const grid: [number, number, number] = [Math.ceil(tokens / queries), shape.heads, batch];
    const added = bias === undefined ? [] : [bias.buffer];
    const attendBy = (given: Readonly<Record<string, number>>, buffers: readonly GPUBuffer[]) =>
      byMatrices
        ? plan.dispatch(attentionMatrices, [{ ...options, halves }], given, buffers, grid)
        : plan.dispatch(attention, [options], given, buffers, grid);
    if (cached === undefined) {
      const [keys, values] = byMatrices ? [asHalves(k), asHalves(v)] : [k, v];
      const [kOffset, kStride, vOffset, vStride] = [keys.offset, keys.stride, values.offset, values.stride];
      attendBy({ ...params, kOffset, kStride, vOffset, vStride }, [
        q.buffer,
        keys.buffer,
        values.buffer,
        ...added,
        out.buffer,
      ]);
      if (byMatrices) for (const made of [keys, values]) plan.giveBack(made.buffer);
      return keep(step.output, out);
    }
    if (cache === undefined) throw new TypeError("this pass needs a cache");
    const [keys, kept] = [cache.keys[cached.layer] as GPUBuffer, cache.values[cached.layer] as GPUBuffer];
    if (tokens === 1 && canDecode(gpu, headDim)) {
      const splits = decodeSplits(cache.capacity, batch * shape.heads);
      const split = splits === 1 ? undefined : { splits, headDim };
      // Bound once: cards may allow eight buffers to a shader.
      const together = q.buffer === k.buffer && q.buffer === v.buffer;
      const found =
        split === undefined ? out : plan.place([1, batch * splits * (outFeatures + 2 * shape.heads)]);
      plan.dispatch(
        decodeAttention,
        [{ ...options, together }, splits],
        { ...params, capacity: cache.capacity },
        [
          ...(together ? [q] : [q, k, v]).map(({ buffer }) => buffer),
          cache.past,
          ...tables,
          ...added,
          keys,
          kept,
          found.buffer,
        ],
        [shape.heads, splits, batch],
      );
      if (split === undefined) return keep(step.output, out);
      if (batch <= FEW_TOKENS && multiplied.has(step.output)) {
        plan.giveBack(out.buffer);
        return keep(step.output, { ...found, stride: outFeatures, shape: out.shape, split });
      }
      plan.dispatch(
        joinSplits,
        [split, outFeatures],
        { outStride: out.stride },
        [found.buffer, out.buffer],
        [batch],
      );
      plan.giveBack(found.buffer);
      return keep(step.output, out);
    }
    const count = rowsOf(q) * width;
    plan.dispatch(
      appendToCache,
      [options],
      { ...params, count, width, capacity: cache.capacity },
      [k.buffer, v.buffer, cache.past, ...tables, keys, kept],
      plan.groupsFor(count, 128),
    );
    attendBy({ ...params, seen: cache.capacity, kOffset: 0, vOffset: 0, kStride: width, vStride: width }, [
      q.buffer,
      keys,
      kept,
      cache.past,
      ...tables,
      ...added,
      out.buffer,
    ]);
    keep(step.output, out);
  }

  function scoreDistances(step: RelativeNode & { readonly output: Value }): void {
    const [q, k, rows, bias] = [
      valueAt(step.q),
      valueAt(step.k),
      valueAt(step.rows),
      dense(valueAt(step.bias)),
    ];
    const [keys, queries] = [step.keys, step.queries].map((value) =>
      value === undefined ? undefined : valueAt(value),
    );
    const [batch, tokens] = q.shape as [number, number];
    const { heads, scale } = step;
    const out = plan.place([batch, heads, tokens, tokens]);
    const tiles = Math.ceil(tokens / RELATIVE_TILE);
    plan.dispatch(
      relativeScores,
      [{ headDim: featuresOf(q) / heads, keys: keys !== undefined, queries: queries !== undefined }],
      {
        heads,
        tokens,
        scale,
        qOffset: q.offset,
        qStride: q.stride,
        kOffset: k.offset,
        kStride: k.stride,
        keysOffset: keys?.offset ?? 0,
        keysStride: keys?.stride ?? 0,
        queriesOffset: queries?.offset ?? 0,
        queriesStride: queries?.stride ?? 0,
        ...biasStrides(bias.shape),
      },
      [q, k, keys, queries, rows, bias, out].flatMap((x) => (x === undefined ? [] : [x.buffer])),
      [tiles, tiles, batch * heads],
    );
    keep(step.output, out);
  }

  function receive(step: ReceivedNode & { readonly output: Value }): void {
    const [q, k] = [valueAt(step.q), valueAt(step.k)];
    const bias = step.bias === undefined ? undefined : dense(valueAt(step.bias));
    const { heads, kvHeads, scale } = step.shape;
    const [batch, tokens] = q.shape as [number, number];
    const headDim = featuresOf(q) / heads;
    const seen = k.shape[1] as number;
    const queries = step.rows === undefined ? tokens : 1;
    const options = { headDim, rows: step.rows !== undefined, bias: bias !== undefined };
    const { biasBatch, biasToken } = biasStrides(bias?.shape);
    const [qOffset, qStride, kOffset, kStride] = [q.offset, q.stride, k.offset, k.stride];
    const counts = { heads, kvHeads, tokens, queries, seen, scale: scale ?? headDim ** -0.5 };
    const params = { ...counts, qOffset, qStride, kOffset, kStride, biasBatch, biasToken };
    const given = [
      q.buffer,
      k.buffer,
      ...(step.rows === undefined ? [] : [valueAt(step.rows).buffer]),
      ...(bias === undefined ? [] : [bias.buffer]),
    ];
    const totals = plan.place([batch, heads, queries, 2]);
    const out = plan.place([batch, 1, seen]);
    plan.dispatch(receivedTotals, [options], params, [...given, totals.buffer], [queries, heads, batch]);
    plan.dispatch(receivedShares, [options], params, [...given, totals.buffer, out.buffer], [seen, batch]);
    plan.giveBack(totals.buffer);
    keep(step.output, out);
  }

  /** Rows of one with rows of the other, as a product with weights is computed. */
  function multiplyRows(a: Placed, b: Placed): Placed {
    const k = featuresOf(a);
    const rows = dense(b);
    if (k % denseFormats.F32.values !== 0) {
      throw new TypeError(`rows of ${k} numbers are no whole words of ${denseFormats.F32.values}`);
    }
    const [m, n] = [rowsOf(a), rowsOf(rows)];
    const out = plan.place([1, m, n]);
    plan.dispatch(
      matmul,
      [{ format: denseFormats.F32, k, bias: false, activation: "none", residual: false }],
      {
        ...{ m, n, xOffset: a.offset, xStride: a.stride, outOffset: out.offset, outStride: out.stride },
        ...{ residualOffset: 0, residualStride: 0 },
      },
      [a.buffer, rows.buffer, out.buffer],
      [Math.ceil(n / MATMUL_TILE), Math.ceil(m / MATMUL_TILE)],
    );
    if (rows !== b) plan.giveBack(rows.buffer);
    return out;
  }

  function keep(value: Value, placed: Placed): void {
    values.set(value, placed);
    tenants.set(placed.buffer, (tenants.get(placed.buffer) ?? 0) + 1);
  }

  function lower(step: Step) {
    switch (step.op) {
      case "fusedLinear":
        return linear(step);
      case "fusedAttention":
        return attend(step);
      case "relative":
        return scoreDistances(step);
      case "received":
        return receive(step);
      case "rowProducts":
        return keep(step.output, multiplyRows(valueAt(step.a), valueAt(step.b)));
      case "headMean": {
        const x = valueAt(step.x);
        const { heads } = step;
        const [rows, features] = [rowsOf(x), featuresOf(x) / heads];
        const out = plan.place([...x.shape.slice(0, -1), features]);
        const params = { rows, features, heads, xOffset: x.offset, xStride: x.stride };
        plan.dispatch(headMean, [], params, [x.buffer, out.buffer], overRows(rows, features));
        return keep(step.output, out);
      }
      case "mixRows": {
        const [shares, x] = [valueAt(step.shares), valueAt(step.x)];
        const [rows, features] = [rowsOf(shares), featuresOf(x)];
        const out = plan.place([1, rows, features]);
        plan.dispatch(
          mixRows,
          [],
          {
            ...{ rows, features, count: rowsOf(x), xOffset: x.offset, xStride: x.stride },
            ...{ sharesOffset: shares.offset, sharesStride: shares.stride },
          },
          [shares.buffer, x.buffer, out.buffer],
          overRows(rows, features),
        );
        return keep(step.output, out);
      }
      case "input": {
        const given = inputs[step.name];
        if (given === undefined) throw new TypeError(`the pass needs the input ${step.name}`);
        values.set(step.output, given);
        return;
      }
      case "weight": {
        const features = step.shape.at(-1) ?? 1;
        const { buffer } = vector(step.name);
        values.set(step.output, { buffer, offset: 0, stride: features, shape: step.shape });
        return;
      }
      case "embed": {
        const [ids, stored] = [valueAt(step.ids), table(step.table)];
        const out = plan.place([...ids.shape, stored.k]);
        const rows = sizeOf(ids.shape);
        const params = {
          rows,
          features: wordsOfRow(stored.format, stored.k),
          width: stored.k,
          rowGroups: stored.rowGroups,
        };
        const groups = overRows(rows, wordsOfRow(stored.format, stored.k));
        plan.dispatch(
          embedRows,
          [stored.format],
          params,
          [ids.buffer, ...stored.buffers, out.buffer],
          groups,
        );
        return keep(step.output, out);
      }
      case "norm": {
        const x = valueAt(step.x);
        const halves = step.heads === 1 && goesAsHalves(step.output, rowsOf(x));
        return keep(step.output, normed(x, step, halves));
      }
      case "map": {
        const x = valueAt(step.x);
        const halves = goesAsHalves(step.output, rowsOf(x));
        return keep(step.output, byElement({ of: "map", function: step.function }, x, undefined, { halves }));
      }
      case "scale": {
        const { factor } = step;
        return keep(step.output, byElement({ of: "scale" }, valueAt(step.x), undefined, { factor }));
      }
      case "gated": {
        const [gate, up] = [valueAt(step.gate), valueAt(step.up)];
        const halves = goesAsHalves(step.output, rowsOf(gate));
        return keep(step.output, byElement({ of: "gated", function: step.activation }, gate, up, { halves }));
      }
      case "add":
        return keep(step.output, byElement({ of: "add" }, valueAt(step.a), valueAt(step.b)));
      case "rotate": {
        const [x, cos, sin] = [valueAt(step.x), valueAt(step.cos), valueAt(step.sin)];
        const out = plan.place(x.shape);
        const [rows, features] = [rowsOf(x), featuresOf(x)];
        plan.dispatch(
          rotate,
          [],
          { rows, features, headDim: features / step.heads, xOffset: x.offset, xStride: x.stride },
          [x.buffer, cos.buffer, sin.buffer, out.buffer],
          plan.groupsFor(rows * features, ELEMENTWISE_THREADS),
        );
        return keep(step.output, out);
      }
      case "unfold": {
        const pixels = valueAt(step.pixels);
        const [count, channels, height, width] = pixels.shape as [number, number, number, number];
        const [down, across] = [Math.floor(height / step.size), Math.floor(width / step.size)];
        const features = channels * step.size * step.size;
        const out = plan.place([count, down * across, features]);
        const rows = rowsOf(out);
        plan.dispatch(
          unfoldPatches,
          [],
          { rows, features, size: step.size, across, down, channels, height, width },
          [pixels.buffer, out.buffer],
          overRows(rows, features),
        );
        return keep(step.output, out);
      }
      case "prepend": {
        const [x, rows] = [valueAt(step.x), valueAt(step.rows)];
        const [batch, tokens, features] = x.shape as [number, number, number];
        const count = rowsOf(rows);
        const out = plan.place([batch, count + tokens, features]);
        const toRun = count + tokens;
        placeRows(rows, out, { rows: batch * count, run: count, fromRun: 0, toRun });
        placeRows(x, out, { rows: batch * tokens, run: tokens, toRun, toFirst: count });
        return keep(step.output, out);
      }
      case "repeat": {
        const rows = valueAt(step.rows);
        const batch = valueAt(step.like).shape[0] as number;
        const [count, features] = rows.shape.slice(-2) as [number, number];
        const out = plan.place([batch, count, features]);
        placeRows(rows, out, { rows: batch * count, run: count, fromRun: 0, toRun: count });
        return keep(step.output, out);
      }
      case "tokensFrom": {
        const x = valueAt(step.x);
        const [batch, tokens, features] = x.shape as [number, number, number];
        const run = tokens - step.first;
        const out = plan.place([batch, run, features]);
        placeRows(x, out, { rows: batch * run, run, fromRun: tokens, fromFirst: step.first });
        return keep(step.output, out);
      }
      case "part": {
        const x = valueAt(step.x);
        const features = featuresOf(x) / step.parts;
        const offset = x.offset + step.part * features;
        return keep(step.output, { ...x, offset, shape: [...x.shape.slice(0, -1), features] });
      }
      case "join": {
        const parts = step.parts.map(valueAt);
        const features = parts.reduce((sum, part) => sum + featuresOf(part), 0);
        const [first] = parts as [Placed];
        const out = plan.place([...first.shape.slice(0, -1), features]);
        let offset = 0;
        for (const part of parts) {
          placeRows(part, { ...out, offset }, { rows: rowsOf(part), run: rowsOf(part) });
          offset += featuresOf(part);
        }
        return keep(step.output, out);
      }
      case "stack": {
        const parts = step.parts.map(valueAt);
        const rows = parts.reduce((sum, part) => sum + rowsOf(part), 0);
        const out = plan.place([1, rows, featuresOf(parts[0] as Placed)]);
        let toFirst = 0;
        for (const part of parts) {
          placeRows(part, out, { rows: rowsOf(part), run: rowsOf(part), toFirst });
          toFirst += rowsOf(part);
        }
        return keep(step.output, out);
      }
      case "regroup": {
        const { features } = step;
        const x = dense(valueAt(step.x));
        const rows = sizeOf(x.shape) / features;
        return keep(step.output, { ...x, stride: features, shape: [1, rows, features] });
      }
      case "takeRows": {
        const [x, places] = [valueAt(step.x), valueAt(step.rows)];
        const [rows, features] = [sizeOf(places.shape), featuresOf(x)];
        const out = plan.place([1, rows, features]);
        plan.dispatch(
          takeRows,
          [],
          { rows, features, xOffset: x.offset, xStride: x.stride },
          [x.buffer, places.buffer, out.buffer],
          overRows(rows, features),
        );
        return keep(step.output, out);
      }
      case "putRows": {
        const [x, given, places] = [valueAt(step.x), valueAt(step.values), valueAt(step.rows)];
        const [rows, features] = [sizeOf(places.shape), featuresOf(x)];
        if (rows === 0) return keep(step.output, x);
        const out = copied(x, x.shape);
        plan.dispatch(
          putRows,
          [step.how],
          { rows, features, xOffset: given.offset, xStride: given.stride },
          [given.buffer, places.buffer, out.buffer],
          overRows(rows, features),
        );
        return keep(step.output, out);
      }
      case "blendRows": {
        const [ids, shares] = [valueAt(step.ids), valueAt(step.weights)];
        const [rows, taps] = ids.shape as [number, number];
        const stored = vector(step.table);
        const features = stored.width;
        const out = plan.place([1, rows, features]);
        plan.dispatch(
          blendRows,
          [],
          { rows, features, taps },
          [stored.buffer, ids.buffer, shares.buffer, out.buffer],
          overRows(rows, features),
        );
        return keep(step.output, out);
      }
    }
  }

  for (const [index, step] of steps.entries()) {
    lower(step);
    for (const value of last[index] ?? []) {
      const buffer = values.get(value)?.buffer;
      const left = buffer === undefined ? undefined : tenants.get(buffer);
      if (buffer === undefined || left === undefined) continue;
      tenants.set(buffer, left - 1);
      if (left > 1) continue;
      tenants.delete(buffer);
      plan.giveBack(buffer);
    }
  }
  return Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, dense(valueAt(value))]));
}

/** Numbers from one batch, head and token of a bias `[b or 1, heads or 1, t or 1, s]` to the next; 0 where all have the same. */
function biasStrides([batch = 1, heads = 1, tokens = 1, seen = 1]: readonly number[] = []) {
  return {
    biasBatch: batch === 1 ? 0 : heads * tokens * seen,
    biasHead: heads === 1 ? 0 : tokens * seen,
    biasToken: tokens === 1 ? 0 : seen,
  };
}

/** Whether whole tiles of so many rows can be read where a value lies. */
function hasRoom({ buffer, offset, stride }: Placed, rows: number, tile: number): boolean {
  return 4 * (offset + Math.ceil(rows / tile) * tile * stride) <= buffer.size;
}

/** Values that are read by products alone, as what they multiply. */
function onlyMultiplied(steps: readonly Step[], outputs: readonly Value[]): ReadonlySet<Value> {
  const otherwise = new Set(outputs);
  const multiplied = new Set<Value>();
  for (const step of steps) {
    if (step.op !== "fusedLinear") for (const value of stepReads(step)) otherwise.add(value);
    else {
      (step.norm === undefined ? multiplied : otherwise).add(step.x);
      if (step.residual !== undefined) otherwise.add(step.residual);
    }
  }
  return new Set([...multiplied].filter((value) => !otherwise.has(value)));
}

/** For each step, the values that nobody reads after it. */
function lastReaders(steps: readonly Step[], outputs: readonly Value[]): Value[][] {
  const last = new Map<Value, number>();
  for (const [index, step] of steps.entries()) {
    for (const value of "outputs" in step ? step.outputs : [step.output]) last.set(value, index);
    for (const value of stepReads(step)) last.set(value, index);
  }
  for (const value of outputs) last.delete(value);
  const ending: Value[][] = steps.map(() => []);
  for (const [value, index] of last) ending[index]?.push(value);
  return ending;
}
