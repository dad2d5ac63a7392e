import type { TensorSpec } from "../tensor-info.ts";

/**
 * Turns the rows of one tensor into the bytes of the tensors that replace it, block by block, so that no tensor need be in
 * memory whole. A row is a slice along the first axis; of a vector, one element.
 */
export interface Stage {
  /**
   * Takes the next rows, in order, `rows` being whole rows from `firstRow` on and valid until `push` returns; gives back what to
   * append to each output: whole rows, where the output goes on into another edit. The arrays returned may be views of memory that the next call reuses.
   */
  push(rows: Uint8Array, firstRow: number): readonly Uint8Array[];
  /** Called after the last row, for what only the whole tensor tells. */
  finish?(): readonly Uint8Array[];
}

/** `input` is the tensor as the stage sees it: after the edit's selection. */
export type CreateStage<Options = unknown> = (input: TensorSpec, options: Options) => Stage;

/**
 * A stage by reference, which worker threads can load: the URL of a module that exports `createStage`, and options that
 * survive a structured clone. Give the URL of built JavaScript, e.g. `builtModule("nf4-stage", import.meta.url)`.
 */
export interface StageReference {
  readonly module: string;
  readonly options?: unknown;
}

/**
 * URL of the module `name` of the built package that `importer` (an `import.meta.url`) belongs to: beside it where the package
 * runs built, in `dist/` where it runs from source, since Node 20 cannot start a worker from TypeScript.
 */
export function builtModule(name: string, importer: string): string {
  const source = importer.lastIndexOf("/src/");
  return importer.endsWith(".ts") && source !== -1
    ? new URL(`dist/${name}.js`, importer.slice(0, source + 1)).href
    : new URL(`./${name}.js`, importer).href;
}

const modules = new Map<string, Promise<CreateStage>>();

/** Loads the module of a stage, once. */
export function loadStage(reference: StageReference): Promise<CreateStage> {
  let loaded = modules.get(reference.module);
  if (loaded === undefined) {
    loaded = import(/* @vite-ignore */ reference.module).then((exports: { createStage?: CreateStage }) => {
      if (typeof exports.createStage === "function") return exports.createStage;
      throw new TypeError(`${reference.module} is named as a stage and exports no function createStage`);
    });
    modules.set(reference.module, loaded);
  }
  return loaded;
}
