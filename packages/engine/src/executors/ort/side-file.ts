import { rmSync } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FilePlace } from "./onnx-model.ts";

/** A temporary file for weights that are not stored as the runtime wants them: it maps them from there, so they need not fit the graph. */
export interface SideFile {
  append(bytes: Uint8Array): Promise<FilePlace>;
  /** Deletes it; what is mapped stays. */
  remove(): Promise<void>;
}

/** Where mapping begins: a page. */
const ALIGNMENT = 4096;

export async function sideFile(): Promise<SideFile> {
  const folder = await mkdtemp(join(tmpdir(), "vlmopt-weights-"));
  const location = join(folder, "weights.bin");
  // A process that ends while a model loads leaves nothing, unless it is killed outright.
  const onExit = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", onExit);
  const file = await open(location, "wx");
  let end = 0;
  return {
    async append(bytes) {
      const offset = end;
      await file.write(bytes, 0, bytes.byteLength, offset);
      end = Math.ceil((offset + bytes.byteLength) / ALIGNMENT) * ALIGNMENT;
      return { location, offset, byteLength: bytes.byteLength };
    },
    async remove() {
      process.off("exit", onExit);
      await file.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
