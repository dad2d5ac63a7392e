/** Exports of a module that the workspace's own build made from `assembly/`. */
export type Kernels<Exports> = Exports & { readonly memory: WebAssembly.Memory };

const modules = new Map<string, WebAssembly.Module>();

/**
 * Instantiates kernels from their base64 text; the module is compiled once a thread, the instance and its memory are the caller's.
 * Undefined where WebAssembly SIMD is missing or `VLMOPT_NO_WASM=1` asks for the plain code instead.
 */
export function instantiateKernels<Exports>(base64: string): Kernels<Exports> | undefined {
  if (globalThis.process?.env.VLMOPT_NO_WASM === "1") return undefined;
  let module = modules.get(base64);
  if (module === undefined) {
    const binary = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    // Fails to validate where the engine knows no SIMD.
    if (!WebAssembly.validate(binary)) return undefined;
    module = new WebAssembly.Module(binary);
    modules.set(base64, module);
  }
  return new WebAssembly.Instance(module, {}).exports as unknown as Kernels<Exports>;
}

/** Makes the memory of kernels at least `bytes` long. Views of it made before are then empty: take them anew. */
export function reserveMemory(memory: WebAssembly.Memory, bytes: number): void {
  const missing = bytes - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / 65536));
}
