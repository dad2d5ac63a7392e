// Compiles packages/<name>/assembly/*.ts (AssemblyScript) to src/generated/<file>.wasm.ts, a module that exports the binary as
// base64: importable from source, from dist, from a worker and in a browser alike, with no file to locate at run time.
// Run in the package's folder.
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import asc from "assemblyscript/asc";

const options = ["--optimizeLevel", "3", "--converge", "--noAssert", "--runtime", "stub", "--enable", "simd"];

await mkdir("src/generated", { recursive: true });
const sources = (await readdir("assembly")).filter((file) => file.endsWith(".ts") && !file.startsWith("_"));
for (const file of sources) {
  const name = basename(file, ".ts");
  const binary = join("src/generated", `${name}.wasm`);
  const { error, stderr } = await asc.main([join("assembly", file), "--outFile", binary, ...options]);
  if (error)
    throw new Error(`${join("assembly", file)} does not compile: ${error.message}\n${stderr.toString()}`);
  const base64 = (await readFile(binary)).toString("base64");
  await rm(binary);
  await writeFile(join("src/generated", `${name}.wasm.ts`), `export const wasm: string = "${base64}";\n`);
}
