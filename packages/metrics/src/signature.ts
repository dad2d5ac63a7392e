/** Equal to package.json's; a test holds the two together. */
export const packageVersion = "0.1.0";

/** `name|key:value|…|version:…`, in sacrebleu's way: what one must know to get the same number again. */
export function signature(name: string, parts: Readonly<Record<string, string | number | boolean>>): string {
  return [
    name,
    ...Object.entries({ ...parts, version: packageVersion }).map(([key, value]) => `${key}:${value}`),
  ].join("|");
}
