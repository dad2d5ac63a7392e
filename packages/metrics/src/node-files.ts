// Files, without a static import of Node's modules: where there is none of them, the metrics that read no file go on working.

function builtin<Name extends "node:fs" | "node:zlib">(name: Name) {
  if (typeof process === "undefined") {
    throw new Error(`${name} is not here: METEOR reads its data from files and needs Node 20.16 or newer`);
  }
  return process.getBuiltinModule(name);
}

/** A file of this package's assets folder, which lies beside src and, published, beside dist. */
export function readAsset(name: string): Uint8Array {
  return builtin("node:fs").readFileSync(new URL(`../assets/${name}`, import.meta.url));
}

export function readBytes(path: string): Uint8Array {
  return builtin("node:fs").readFileSync(path);
}

export function isFolder(path: string): boolean {
  return builtin("node:fs").statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

export function unpackBrotli(bytes: Uint8Array): Uint8Array {
  return builtin("node:zlib").brotliDecompressSync(bytes);
}

export function unpackGzip(bytes: Uint8Array): Uint8Array {
  return builtin("node:zlib").gunzipSync(bytes);
}
