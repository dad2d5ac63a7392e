/** `X` of the tensor `X.weight`: the module that the format's other tensors are named after. */
export function moduleOf(name: string): string {
  return name.replace(/\.weight$/, "");
}

/** Weights of a row of `columns` that are under one scale. */
export function groupSizeOf({ groupSize }: { readonly groupSize: number | "row" }, columns: number): number {
  return groupSize === "row" ? columns : groupSize;
}

export function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}
