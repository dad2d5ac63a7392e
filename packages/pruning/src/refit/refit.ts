import type { InputStatistics, LinearAlgebra, ResidualTarget } from "@vlmopt/models";
import { allOf, othersThan, requireColumns, selectBlock, selectColumns } from "./columns.ts";
import { linearAlgebra, requireFinite } from "./linear-algebra.ts";
import { withRisingRidge } from "./rising-ridge.ts";

export interface RefitRequest {
  /** Of the weight, for messages. */
  readonly name?: string;
  /** Of the dense linear, `[outFeatures, channels]`. */
  readonly weight: Float32Array | Float64Array;
  readonly outFeatures: number;
  /** Of what goes into the dense linear; `gram` has to be there. */
  readonly inputs: Pick<InputStatistics, "tokens" | "mean" | "gram">;
  /** Channels that stay, in rising order (default: all). */
  readonly kept?: ArrayLike<number> | undefined;
  /**
   * What the linear should give. Without it, what it gives today with all of its channels; an intercept takes the mean of t over the
   * tokens, `[outFeatures]`, too.
   */
  readonly target?: (ResidualTarget & { readonly mean?: Float64Array | undefined }) | undefined;
  /** Whether a bias is fitted too, where the model has one. */
  readonly intercept?: boolean | undefined;
  /** Pull towards the old weights, as part of the mean square of the inputs (default 0.1). */
  readonly lambda?: number | undefined;
  /** Whether the errors are computed, which takes a product of the weights with the Gram matrix. */
  readonly report?: boolean | undefined;
}

export interface Refit {
  /** `[outFeatures, kept]`. */
  readonly weight: Float32Array;
  /** To add to the linear's bias, `[outFeatures]`, where an intercept was asked for. */
  readonly intercept: Float64Array | undefined;
  /** The one that was used: greater than what was asked for where the Gram matrix was not positive definite with that. */
  readonly lambda: number;
  /** Whether there are fewer tokens than channels that stay, so that the pull alone decides some of the weights. */
  readonly underdetermined: boolean;
  /** Σ‖t − what it gives‖² / Σ‖t‖² over the tokens, of the old weights of the channels that stay and of the new ones. */
  readonly error: { readonly before: number; readonly after: number } | undefined;
}

/**
 * Least squares for a linear that loses input channels: W' = argmin Σ‖t − W'·x_K‖² + λ·m·‖W' − W_K‖² over the tokens, m being the mean of
 * Σ x² over the channels K that stay; so W' = (T·X_Kᵀ + λ·m·W_K)·(G_KK + λ·m·I)⁻¹. With an intercept all of them are taken about
 * their means.
 * @throws {RangeError} where a number is not finite, or shapes do not agree
 */
export async function refit(request: RefitRequest, algebra: LinearAlgebra): Promise<Refit> {
  const { weight, outFeatures, inputs, target, intercept = false, lambda = 0.1, report = false } = request;
  const channels = weight.length / outFeatures;
  const subject = request.name ?? "refit";
  const gram = requireShapes(request, channels, subject);
  const kept = request.kept ?? allOf(channels);
  requireColumns(kept, channels, subject);
  requireFinite(weight, channels, `${subject}: the weight`);
  requireFinite(gram, channels, `${subject}: the Gram matrix of its inputs`);

  const { tokens, mean } = inputs;
  const centre = intercept ? mean : undefined;
  const square = centred(selectBlock(gram, channels, kept, kept), kept, tokens, centre);
  const old = selectColumns(weight, channels, kept);
  const scale = meanDiagonal(square, kept.length);
  const lost = othersThan(kept, channels);
  const removed = selectColumns(weight, channels, lost);

  // What the old weights of K leave to explain, as Σ residual·xᵀ: of the local target W_P·G_PK. Of a residual target that would take a product
  // with all of G, which the right side of the equation does without.
  const right =
    target === undefined
      ? centredRows(
          await product(removed, selectBlock(gram, channels, kept, lost), lost.length),
          centre && removedOutput(request, lost, centre),
          kept,
          tokens,
          centre,
        )
      : centredRows(selectColumns(target.cross, channels, kept), target.mean, kept, tokens, centre);
  const solved = await withRisingRidge(scale, lambda, (ridge) =>
    algebra.solve(square, kept.length, ridge, target === undefined ? right : pulled(ridge)),
  );
  const fitted = new Float64Array(solved.result);
  if (target === undefined)
    for (let i = 0; i < fitted.length; i++) fitted[i] = (fitted[i] as number) + (old[i] as number);

  return {
    weight: new Float32Array(fitted),
    intercept: centre && interceptOf(request, fitted, kept, centre),
    lambda: solved.lambda,
    underdetermined: tokens - (intercept ? 1 : 0) < kept.length,
    error: report ? await errorsOf() : undefined,
  };

  function pulled(ridge: number): Float64Array {
    const sums = new Float64Array(right);
    for (let i = 0; i < sums.length; i++) sums[i] = (sums[i] as number) + ridge * (old[i] as number);
    return sums;
  }

  /** a · bᵀ. */
  async function product(
    a: Float32Array | Float64Array,
    b: Float32Array | Float64Array,
    depth: number,
  ): Promise<Float64Array> {
    // Where nothing goes.
    if (depth === 0) return new Float64Array(outFeatures * kept.length);
    const result = await (algebra.multiply?.(a, b, depth) ?? linearAlgebra().multiply(a, b, depth));
    return result instanceof Float64Array ? result : new Float64Array(result);
  }

  /** tr(A·G·Aᵀ), A having some columns. */
  async function energyOf(a: Float32Array | Float64Array, columns: ArrayLike<number>): Promise<number> {
    if (columns.length === 0) return 0;
    return innerProduct(a, await product(a, selectBlock(gram, channels, columns, columns), columns.length));
  }

  // From D·(G + r·I) = B follows tr(D·G·Dᵀ) = ⟨B, D⟩ − r·‖D‖², so that the new weights need no product with G.
  async function errorsOf(): Promise<{ before: number; after: number }> {
    const { ridge } = solved;
    if (target === undefined) {
      const energy = await energyOf(weight, allOf(channels));
      const before = await energyOf(removed, lost);
      const constant = centre === undefined ? 0 : tokens * squares(removedOutput(request, lost, centre));
      const change = fitted.map((value, i) => value - (old[i] as number));
      const after = before - constant - innerProduct(right, change) - ridge * squares(change);
      return relative(before, after, energy);
    }
    const cross = centre === undefined ? right : selectColumns(target.cross, channels, kept);
    const before = target.squares - 2 * innerProduct(old, cross) + (await energyOf(old, kept));
    const constant = centre === undefined ? 0 : tokens * squares(target.mean ?? []);
    const pull = old.map((value, i) => value - (fitted[i] as number));
    const after =
      target.squares - constant - innerProduct(right, fitted) + ridge * innerProduct(pull, fitted);
    return relative(before, after, target.squares);
  }
}

/** Σ aᵢ·bᵢ. */
function innerProduct(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

/**
 * What the bias of a linear has to gain so that channels which go are replaced by their means: W[:, P]·mean_P `[outFeatures]`
 * (FLAP, arXiv:2312.11983).
 */
export function biasCompensation(
  request: Pick<RefitRequest, "weight" | "outFeatures"> & {
    readonly kept: ArrayLike<number>;
    readonly mean: Float64Array;
  },
): Float64Array {
  const channels = request.weight.length / request.outFeatures;
  requireColumns(request.kept, channels, "bias compensation");
  return removedOutput(request, othersThan(request.kept, channels), request.mean);
}

function removedOutput(
  { weight, outFeatures }: Pick<RefitRequest, "weight" | "outFeatures">,
  lost: ArrayLike<number>,
  mean: Float64Array,
): Float64Array {
  const channels = weight.length / outFeatures;
  return Float64Array.from({ length: outFeatures }, (_, i) => {
    let sum = 0;
    for (let j = 0; j < lost.length; j++) {
      const column = lost[j] as number;
      sum += (weight[i * channels + column] as number) * (mean[column] as number);
    }
    return sum;
  });
}

/** Mean of t less what the new weights give at the mean of their inputs. */
function interceptOf(
  request: RefitRequest,
  fitted: Float64Array,
  kept: ArrayLike<number>,
  mean: Float64Array,
): Float64Array {
  const { weight, outFeatures, target } = request;
  const given = target?.mean ?? removedOutput(request, allOf(weight.length / outFeatures), mean);
  return given.map((value, i) => {
    let sum = 0;
    for (let j = 0; j < kept.length; j++)
      sum += (fitted[i * kept.length + j] as number) * (mean[kept[j] as number] as number);
    return value - sum;
  });
}

/** G − tokens·μ·μᵀ. */
function centred(
  square: Float32Array | Float64Array,
  kept: ArrayLike<number>,
  tokens: number,
  mean: Float64Array | undefined,
): Float32Array | Float64Array {
  if (mean === undefined) return square;
  return centredRows(
    new Float64Array(square),
    Float64Array.from({ length: kept.length }, (_, i) => mean[kept[i] as number] as number),
    kept,
    tokens,
    mean,
  );
}

/** Takes tokens·(mean of each row's quantity)·μᵀ from Σ quantity·xᵀ, in place. */
function centredRows(
  sums: Float64Array,
  rowMeans: Float64Array | undefined,
  kept: ArrayLike<number>,
  tokens: number,
  mean: Float64Array | undefined,
): Float64Array {
  if (mean === undefined || rowMeans === undefined) return sums;
  for (let i = 0; i < rowMeans.length; i++) {
    const factor = tokens * (rowMeans[i] as number);
    for (let j = 0; j < kept.length; j++) {
      const place = i * kept.length + j;
      sums[place] = (sums[place] as number) - factor * (mean[kept[j] as number] as number);
    }
  }
  return sums;
}

function relative(before: number, after: number, energy: number): { before: number; after: number } {
  const part = (error: number) => (energy > 0 ? Math.max(error, 0) / energy : 0);
  return { before: part(before), after: part(after) };
}

function squares(values: ArrayLike<number>): number {
  return innerProduct(values, values);
}

function meanDiagonal(square: Float32Array | Float64Array, n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += square[i * n + i] as number;
  return sum / n;
}

/** @returns the Gram matrix */
function requireShapes(
  { outFeatures, inputs, target, intercept, lambda = 0.1 }: RefitRequest,
  channels: number,
  subject: string,
): Float32Array | Float64Array {
  const { gram, mean, tokens } = inputs;
  const fail = (text: string) => {
    throw new RangeError(`${subject}: ${text}`);
  };
  if (!Number.isInteger(channels) || channels === 0)
    fail(`the weight has no whole number of columns in ${outFeatures} rows`);
  if (!(lambda >= 0 && lambda < Number.POSITIVE_INFINITY)) fail(`a λ of ${lambda} is no number from 0 on`);
  if (!(tokens > 0)) fail(`there are ${tokens} tokens to fit to`);
  if (gram === undefined)
    throw new RangeError(`${subject}: the statistics of its inputs have no Gram matrix; ask for it`);
  if (gram.length !== channels ** 2) {
    fail(`the Gram matrix holds ${gram.length} numbers, and ${channels} channels take ${channels ** 2}`);
  }
  if (target !== undefined) {
    if (target.cross.length !== outFeatures * channels) {
      fail(`the target holds ${target.cross.length} numbers, and ${outFeatures} × ${channels} are needed`);
    }
    requireFinite(target.cross, channels, `${subject}: the target`);
    if (!Number.isFinite(target.squares)) fail(`the target's sum of squares is ${target.squares}`);
  }
  if (intercept) {
    if (mean.length !== channels) fail(`the inputs have ${mean.length} means, and ${channels} channels`);
    requireFinite(mean, 1, `${subject}: the mean of its inputs`);
    if (target !== undefined && target.mean?.length !== outFeatures) {
      fail(`an intercept takes the target's mean of ${outFeatures} numbers`);
    }
  }
  return gram;
}
