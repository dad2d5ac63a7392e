/** What a file is that should have been another, and what to do. */
export interface MistakenFile {
  readonly message: string;
  readonly hint: string;
}

/** Bytes from a file's start that suffice. */
export const MISTAKEN_BYTES = 512;

/**
 * What often lies in the place of a model's files; undefined where the bytes begin as nothing of the kind.
 * @param start of the file, some hundred bytes
 */
export function mistakenFile(start: Uint8Array): MistakenFile | undefined {
  // `v`, `P`, `<` and what may stand before a page.
  if (![0x76, 0x50, 0x3c, 0x20, 0x0a, 0x0d, 0x09].includes(start[0] ?? 0)) return undefined;
  const text = String.fromCharCode(...start.subarray(0, MISTAKEN_BYTES));
  if (text.startsWith("version https://git-lfs")) {
    const size = /^size (\d+)$/m.exec(text)?.[1];
    return {
      message: `this is a pointer of Git LFS to a file${size === undefined ? "" : ` of ${size} bytes`}, not the file itself`,
      hint: "run `git lfs pull` in the repository, or download the file by itself",
    };
  }
  if (/^\s*<(!doctype html|html|head)/i.test(text)) {
    return {
      message: "this is a page of HTML, as servers send it in the place of a file",
      hint: "download the file itself, logged in where its model asks for that",
    };
  }
  if (text.startsWith("PK\u0003\u0004")) {
    return {
      message: "this is a zip archive, as PyTorch saves weights (.bin, .pt, .pth)",
      hint: "load it with transformers and call save_pretrained, which writes safetensors",
    };
  }
  return undefined;
}
