import type { Dtype } from "../dtype.ts";
import { CheckpointError } from "../errors.ts";
import type { TensorSpec } from "../tensor-info.ts";
import { builtModule, type CreateStage, type StageReference } from "./stage.ts";

/** Indices that stay, ascending. `columns` are of the second axis of a matrix. */
export interface Selection {
  readonly rows?: Uint32Array;
  readonly columns?: Uint32Array;
}

/** A tensor that an edit makes. */
export interface TensorOutput extends TensorSpec {
  /** Its bytes, where they are known beforehand; the stage then has nothing to give for it. */
  readonly bytes?: Uint8Array;
  /** Goes on into another edit instead of into the file. */
  readonly edit?: TensorEdit;
}

/**
 * What becomes of one tensor: rows and columns are selected, a stage turns them into bytes (absent: they are the bytes), and the
 * outputs take the tensor's place; no output drops it. It is data, so that worker threads can carry it out, unless its stage
 * is given as a function, which keeps it on the calling thread.
 */
export interface TensorEdit {
  readonly selection?: Selection;
  readonly stage?: StageReference | CreateStage;
  readonly outputs: readonly TensorOutput[];
}

/** Says what becomes of each tensor; undefined leaves it as it is. */
export type Transform = (tensor: TensorSpec) => TensorEdit | undefined;

/** The tensor does not appear in the output. */
export function drop(): TensorEdit {
  return { outputs: [] };
}

export function rename(tensor: TensorSpec, name: string): TensorEdit {
  return { outputs: [{ ...specOf(tensor), name }] };
}

/** The tensor's bytes are replaced by `bytes`, without reading it. */
export function replace(spec: TensorSpec, bytes: Uint8Array): TensorEdit {
  return { outputs: [{ ...specOf(spec), bytes }] };
}

/**
 * Keeps the given rows (slices along the first axis) and columns (of a matrix).
 * @throws {CheckpointError} `invalid-range` unless indices ascend and lie inside the shape.
 */
export function select(tensor: TensorSpec, selection: Selection): TensorEdit {
  return { selection, outputs: [selectedSpec(tensor, selection)] };
}

/** Converts the elements, rounding to nearest even. */
export function cast(tensor: TensorSpec, dtype: Dtype): TensorEdit {
  if (tensor.dtype === dtype) return { outputs: [specOf(tensor)] };
  return {
    stage: { module: builtModule("cast-stage", import.meta.url), options: { dtype } },
    outputs: [{ ...specOf(tensor), dtype }],
  };
}

/** One transform after another in one pass: what the first makes, the next sees as tensors. */
export function compose(...transforms: readonly Transform[]): Transform {
  return (tensor) => {
    let edit: TensorEdit | undefined;
    for (const next of transforms) {
      edit = edit === undefined ? next(tensor) : withOutputs(edit, next);
    }
    return edit;
  };
}

function withOutputs(edit: TensorEdit, next: Transform): TensorEdit {
  return { ...edit, outputs: edit.outputs.map((output) => continued(output, next)) };
}

function continued(output: TensorOutput, next: Transform): TensorOutput {
  if (output.bytes !== undefined) return output;
  if (output.edit !== undefined) return { ...output, edit: withOutputs(output.edit, next) };
  const edit = next(specOf(output));
  return edit === undefined ? output : { ...output, edit };
}

/** What a transform makes of tensors, by name, before a byte is read: to plan what comes after it. */
export function transformedSpecs(
  tensors: ReadonlyMap<string, TensorSpec>,
  transform: Transform,
): ReadonlyMap<string, TensorSpec> {
  const specs = new Map<string, TensorSpec>();
  const add = ({ edit, ...output }: TensorOutput) => {
    if (edit === undefined) specs.set(output.name, specOf(output));
    else for (const further of edit.outputs) add(further);
  };
  for (const tensor of tensors.values()) {
    for (const output of transform(tensor)?.outputs ?? [tensor]) add(output);
  }
  return specs;
}

/** Name, dtype and shape alone, whatever else the object carries. */
export function specOf({ name, dtype, shape }: TensorSpec): TensorSpec {
  return { name, dtype, shape };
}

/** The tensor after a selection. */
export function selectedSpec(tensor: TensorSpec, selection: Selection | undefined): TensorSpec {
  const { rows, columns } = selection ?? {};
  const shape = [...tensor.shape];
  if (rows !== undefined) {
    assertIndices(tensor, "rows", rows, shape[0] ?? 1);
    shape[0] = rows.length;
  }
  if (columns !== undefined) {
    if (shape.length !== 2) {
      throw new CheckpointError(
        "invalid-range",
        `columns were selected from shape [${tensor.shape}], which is no matrix`,
        {
          tensor: tensor.name,
        },
      );
    }
    assertIndices(tensor, "columns", columns, shape[1] ?? 0);
    shape[1] = columns.length;
  }
  return { name: tensor.name, dtype: tensor.dtype, shape };
}

function assertIndices(tensor: TensorSpec, what: string, indices: Uint32Array, count: number): void {
  const wrong = indices.findIndex((index, i) => index >= count || (i > 0 && index <= (indices[i - 1] ?? 0)));
  if (wrong === -1) return;
  throw new CheckpointError(
    "invalid-range",
    `${what} to keep must ascend and lie below ${count}; number ${wrong} is ${indices[wrong]}`,
    { tensor: tensor.name },
  );
}

/** The tensors that reach the file, in order. */
export function writtenTensors(edit: TensorEdit): TensorOutput[] {
  return edit.outputs.flatMap((output) =>
    output.edit === undefined ? [output] : writtenTensors(output.edit),
  );
}

/** The stages an edit needs loaded, nested ones too. */
export function stagesOf(edit: TensorEdit): (StageReference | CreateStage)[] {
  const nested = edit.outputs.flatMap((output) => (output.edit === undefined ? [] : stagesOf(output.edit)));
  return edit.stage === undefined ? nested : [edit.stage, ...nested];
}

/** True where bytes go from one file to the other unchanged. */
export function isPlainCopy(edit: TensorEdit): boolean {
  const [only] = edit.outputs;
  return (
    edit.selection === undefined &&
    edit.stage === undefined &&
    edit.outputs.length === 1 &&
    only?.bytes === undefined &&
    (only?.edit === undefined || isPlainCopy(only.edit))
  );
}
