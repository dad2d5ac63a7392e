/**
 * Whether a path of a repository is wanted: it matches one of `allow`, or there are none, and none of `ignore`. Patterns are those of
 * the hub's own tools (Python's fnmatch): `*` and `?` match `/` too, `[ab]` and `[!ab]` stand for one character, and a pattern that
 * ends in `/` stands for everything below.
 */
export function pathFilter(
  allow: readonly string[] | undefined,
  ignore: readonly string[] | undefined,
): (path: string) => boolean {
  const wanted = allow?.map(toRegExp);
  const unwanted = ignore?.map(toRegExp) ?? [];
  return (path) =>
    (wanted === undefined || wanted.some((pattern) => pattern.test(path))) &&
    !unwanted.some((pattern) => pattern.test(path));
}

function toRegExp(pattern: string): RegExp {
  const whole = pattern.endsWith("/") ? `${pattern}*` : pattern;
  const source = whole.replace(/\[(!?)(\]?[^\]]*)\]|./gs, (token, not: string, set: string | undefined) => {
    if (token === "*") return ".*";
    if (token === "?") return ".";
    if (set !== undefined && set !== "")
      return `[${not === "!" ? "^" : ""}${set.replace(/[\\^\]]/g, "\\$&")}]`;
    return token.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  });
  return new RegExp(`^${source}$`, "s");
}
