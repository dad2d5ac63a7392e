import type { LinearAlgebra } from "@vlmopt/models";
import { type Elimination, elimination } from "./elimination.ts";
import { groupElimination } from "./group-elimination.ts";
import { requireFinite } from "./linear-algebra.ts";
import { withRisingRidge } from "./rising-ridge.ts";

export interface BrainSurgeonRequest {
  /** Of the weight, for messages. */
  readonly name?: string;
  /** `[outFeatures, channels]`. */
  readonly weight: Float32Array | Float64Array;
  readonly outFeatures: number;
  /** Σ x·xᵀ of the inputs over tokens, `[channels, channels]`. */
  readonly gram: Float32Array | Float64Array;
  /** Units that stay. */
  readonly keep: number;
  /** Channels that go together and follow each other: 1 for neurons, the head's size for heads (default 1). */
  readonly unit?: number | undefined;
  /** Equally long runs of units, such as the heads of one KV group, which lose equally many each (default 1). */
  readonly partitions?: number | undefined;
  /** Part of the mean of the Gram matrix's diagonal that is added to it (default 0.01). */
  readonly damping?: number | undefined;
  /** Columns up to which each is chosen among the costs of all (default 4,096); see `brainSurgeon`. */
  readonly exactColumns?: number | undefined;
}

export interface BrainSurgeon {
  /** Units, in rising order. */
  readonly kept: readonly number[];
  /** Units, in the order in which they went. */
  readonly removed: readonly number[];
}

/**
 * Greedy optimal brain surgeon for channels and groups of them (ZipLM, arXiv:2302.04089; SlimGPT, arXiv:2412.18110): the unit whose removal
 * costs least once the others make up for it goes, the weights of the others move, and so on. Choosing alone: `refit` gives the weights.
 *
 * Of single columns beyond `exactColumns`, costs of all are computed once for some 64 removals, SlimGPT's group. Between them a column's cost is computed
 * anew before it goes, and it waits where another looks cheaper then; so of two that can stand in for each other only one goes.
 * @throws {RangeError} where a number is not finite, or shapes do not agree
 */
export async function brainSurgeon(
  request: BrainSurgeonRequest,
  algebra: LinearAlgebra,
): Promise<BrainSurgeon> {
  const { weight, outFeatures, gram, keep, unit = 1, damping = 0.01, exactColumns = 4096 } = request;
  const channels = weight.length / outFeatures;
  const units = channels / unit;
  const quotas = quotasOf(request, channels, units);
  if (keep === units) return { kept: Array.from({ length: units }, (_, i) => i), removed: [] };
  let diagonal = 0;
  for (let i = 0; i < channels; i++) diagonal += (gram[i * channels + i] as number) / channels;
  const { result: inverse } = await withRisingRidge(diagonal, damping, (ridge) =>
    algebra.invert(gram, channels, ridge),
  );
  const { next: nextOf, eliminate } =
    unit > 1
      ? await groupsInTurn(inverse, request, unit, algebra)
      : columnsInTurn(elimination(inverse, channels, weight, outFeatures), channels <= exactColumns);
  const candidates = candidatesOf(units, quotas);
  const removed: number[] = [];
  while (removed.length < units - keep) {
    const next = nextOf(candidates.open());
    if (next === undefined) {
      throw new RangeError(
        `${request.name ?? "brain surgeon"}: costs are no numbers after ${removed.length} removals; take a damping greater than ${damping}`,
      );
    }
    eliminate(next);
    candidates.remove(next);
    removed.push(next);
  }
  return { kept: candidates.left(), removed };
}

/** Which of the units that are left goes next, and what follows when it goes. */
interface InTurn {
  next(units: readonly number[]): number | undefined;
  eliminate(unit: number): void;
}

function columnsInTurn(state: Elimination, isExact: boolean): InTurn {
  const cost = (column: number) => (state.norms[column] as number) / (state.diagonal[column] as number);
  return {
    next: (columns) => (isExact ? cheapest(columns, cost) : cheapestAsNeeded(columns, state)),
    eliminate: (column) => state.eliminate(column, isExact),
  };
}

async function groupsInTurn(
  inverse: Float64Array,
  { weight, outFeatures }: BrainSurgeonRequest,
  unit: number,
  algebra: LinearAlgebra,
): Promise<InTurn> {
  const state = await groupElimination(inverse, weight, outFeatures, unit, algebra);
  return { next: (groups) => cheapest(groups, state.cost), eliminate: state.eliminate };
}

function cheapest(units: readonly number[], costOf: (unit: number) => number): number | undefined {
  let best: number | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const unit of units) {
    const cost = costOf(unit);
    if (cost < least) [best, least] = [unit, cost];
  }
  return best;
}

/** The cheapest by costs of which those are computed anew that seem least. Costs rise as others go, with few exceptions. */
function cheapestAsNeeded(columns: readonly number[], state: Elimination): number | undefined {
  const known = new Map<number, number>();
  for (;;) {
    const best = cheapest(
      columns,
      (column) => known.get(column) ?? (state.norms[column] as number) / (state.diagonal[column] as number),
    );
    if (best === undefined || known.has(best)) return best;
    known.set(best, state.cost(best));
  }
}

/** Units that are left, and those of them whose partition has to lose more. */
function candidatesOf(units: number, quotas: readonly number[]) {
  const open = [...quotas];
  const partitionOf = (unit: number) => Math.floor((unit * quotas.length) / units);
  let left = Array.from({ length: units }, (_, i) => i);
  return {
    left: () => left,
    open: () => left.filter((unit) => (open[partitionOf(unit)] as number) > 0),
    remove(unit: number) {
      left = left.filter((it) => it !== unit);
      open[partitionOf(unit)] = (open[partitionOf(unit)] as number) - 1;
    },
  };
}

/** How many each partition loses. */
function quotasOf(
  { name, weight, gram, keep, unit = 1, partitions = 1, damping = 0.01 }: BrainSurgeonRequest,
  channels: number,
  units: number,
): number[] {
  const subject = name ?? "brain surgeon";
  const fail = (text: string) => {
    throw new RangeError(`${subject}: ${text}`);
  };
  if (!Number.isInteger(channels) || channels === 0) fail("the weight has no whole number of columns");
  if (!Number.isInteger(units)) fail(`${channels} columns are no whole number of units of ${unit}`);
  if (gram.length !== channels ** 2) {
    fail(`the Gram matrix holds ${gram.length} numbers, and ${channels} channels take ${channels ** 2}`);
  }
  if (!Number.isInteger(keep) || keep < 1 || keep > units) fail(`${keep} of ${units} units cannot stay`);
  if (units % partitions !== 0 || keep % partitions !== 0) {
    fail(`${partitions} partitions do not divide ${units} units of which ${keep} stay`);
  }
  if (!(damping >= 0 && damping < Number.POSITIVE_INFINITY))
    fail(`a damping of ${damping} is no number from 0 on`);
  requireFinite(weight, channels, `${subject}: the weight`);
  requireFinite(gram, channels, `${subject}: the Gram matrix of its inputs`);
  return Array.from({ length: partitions }, () => (units - keep) / partitions);
}
