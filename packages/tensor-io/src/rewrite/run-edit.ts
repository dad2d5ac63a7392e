import { bitsPerElement, byteLengthOf } from "../dtype.ts";
import { CheckpointError } from "../errors.ts";
import type { TensorInfo, TensorSpec } from "../tensor-info.ts";
import { selectedSpec, stagesOf, type TensorEdit, writtenTensors } from "./edit.ts";
import { assertFinite, assertRoom } from "./non-finite.ts";
import { blockSelector, columnGatherer, keepRows, rowBlocks, rowGeometry } from "./row-blocks.ts";
import { type CreateStage, loadStage, type Stage, type StageReference } from "./stage.ts";

/** Where one tensor's bytes come from and go to; both may finish at once or later. */
export interface TensorIo {
  /** Reads `length` bytes at `offset` of the source's file; the array may be reused by the next read. */
  read(offset: number, length: number): Uint8Array | Promise<Uint8Array>;
  /** Writes into output `index` of `writtenTensors(edit)`, `position` bytes from its start. */
  write(index: number, position: number, bytes: Uint8Array): void | Promise<void>;
}

/**
 * Takes one tensor through its edit, a block of rows at a time.
 * @param options.finite whether NaN and infinite numbers are refused
 * @throws {CheckpointError} `non-finite` where they are, and found
 * @throws {CheckpointError} `size-mismatch` where a stage gives more or fewer bytes than its outputs' shapes take.
 */
export async function runEdit(
  tensor: TensorInfo,
  edit: TensorEdit,
  io: TensorIo,
  { finite }: { readonly finite: boolean },
): Promise<void> {
  const outputs = writtenTensors(edit);
  const positions = outputs.map(() => 0);
  const isComputed = stagesOf(edit).length > 0;
  async function append(index: number, bytes: Uint8Array): Promise<void> {
    const position = positions[index] ?? 0;
    positions[index] = position + bytes.byteLength;
    const output = outputs[index] as TensorSpec;
    if (finite && isComputed) assertRoom(output, bytes, position / (bitsPerElement(output.dtype) / 8));
    if (positions[index] > byteLengthOf(output.dtype, output.shape))
      throw wrongSize(output, positions[index]);
    await io.write(index, position, bytes);
  }

  for (const [index, output] of outputs.entries())
    if (output.bytes !== undefined) await append(index, output.bytes);
  if (outputs.some((output) => output.bytes === undefined)) {
    const { rows, columns } = edit.selection ?? {};
    const gather = columns === undefined ? undefined : columnGatherer(tensor, columns);
    const flow = openFlow(selectedSpec(tensor, edit.selection), edit, await loadStages(edit), { next: 0 });
    const geometry = rowGeometry(tensor);
    const { rowBytes } = geometry;
    for (const block of rowBlocks(geometry, rows)) {
      const length = (block.end - block.begin) * rowBytes;
      if (length === 0) continue;
      const bytes = await io.read(tensor.offset + block.begin * rowBytes, length);
      if (finite) assertFinite(tensor, bytes, (block.begin * rowBytes) / (bitsPerElement(tensor.dtype) / 8));
      const kept = keepRows(bytes, block, rowBytes);
      for (const part of flow.push(gather === undefined ? kept : gather(kept)))
        await append(part.index, part.bytes);
    }
    for (const part of flow.finish()) await append(part.index, part.bytes);
  }
  for (const [index, output] of outputs.entries()) {
    if (positions[index] !== byteLengthOf(output.dtype, output.shape))
      throw wrongSize(output, positions[index] ?? 0);
  }
}

function wrongSize(output: TensorSpec, bytes: number): CheckpointError {
  const expected = byteLengthOf(output.dtype, output.shape);
  return new CheckpointError(
    "size-mismatch",
    `its edit made ${bytes} bytes where ${output.dtype} of shape [${output.shape}] takes ${expected}`,
    { tensor: output.name },
  );
}

type Stages = ReadonlyMap<StageReference | CreateStage, CreateStage>;

async function loadStages(edit: TensorEdit): Promise<Stages> {
  const loaded = stagesOf(edit).map(
    async (stage) => [stage, typeof stage === "function" ? stage : await loadStage(stage)] as const,
  );
  return new Map(await Promise.all(loaded));
}

/** Bytes to append to output `index` of `writtenTensors`. */
interface Part {
  readonly index: number;
  readonly bytes: Uint8Array;
}

/** An edit in progress. The parts must be used up before the next call. */
interface Flow {
  /** Takes the next whole rows. */
  push(rows: Uint8Array): Generator<Part>;
  finish(): Generator<Part>;
}

/** `counter` numbers the written outputs in the order of `writtenTensors`. */
function openFlow(input: TensorSpec, edit: TensorEdit, stages: Stages, counter: { next: number }): Flow {
  const stage = openStage(input, edit, stages);
  const { rowBytes } = rowGeometry(input);
  const outlets: Flow[] = [];
  for (const output of edit.outputs) {
    if (output.edit !== undefined) outlets.push(openNested(output, output.edit, stages, counter));
    else if (output.bytes !== undefined) counter.next++;
    else outlets.push(openLeaf(counter.next++));
  }
  function* give(parts: readonly Uint8Array[]): Generator<Part> {
    if (parts.length !== outlets.length) {
      throw new CheckpointError(
        "size-mismatch",
        `its stage gave ${parts.length} parts for ${outlets.length} outputs`,
        {
          tensor: input.name,
        },
      );
    }
    for (const [i, outlet] of outlets.entries()) {
      const bytes = parts[i] as Uint8Array;
      if (bytes.byteLength > 0) yield* outlet.push(bytes);
    }
  }
  let received = 0;
  return {
    *push(rows) {
      const firstRow = received;
      received += rows.byteLength / rowBytes;
      yield* give(stage.push(rows, firstRow));
    },
    *finish() {
      const rest = stage.finish?.();
      if (rest !== undefined) yield* give(rest);
      for (const outlet of outlets) yield* outlet.finish();
    },
  };
}

function openStage(input: TensorSpec, edit: TensorEdit, stages: Stages): Stage {
  if (edit.stage === undefined) return { push: (rows) => [rows] };
  const create = stages.get(edit.stage);
  if (create === undefined) throw new TypeError(`the stage of ${input.name} was not loaded`);
  return create(input, typeof edit.stage === "function" ? undefined : edit.stage.options);
}

function openLeaf(index: number): Flow {
  return {
    *push(bytes) {
      yield { index, bytes };
    },
    *finish() {},
  };
}

/** The edit that another edit's output goes on into. */
function openNested(input: TensorSpec, edit: TensorEdit, stages: Stages, counter: { next: number }): Flow {
  const flow = openFlow(selectedSpec(input, edit.selection), edit, stages, counter);
  if (edit.selection === undefined) return flow;
  const select = blockSelector(input, edit.selection);
  return {
    *push(rows) {
      const selected = select(rows);
      if (selected.byteLength > 0) yield* flow.push(selected);
    },
    finish: () => flow.finish(),
  };
}
