import { describe, expect, it } from "vitest";
import { pathFilter } from "./path-patterns.ts";

const paths = [
  "config.json",
  "sub/config.json",
  "images1/a.png",
  "images11/a.png",
  "a.txt",
  "ab.txt",
  "abd",
  "aed",
].concat(["]x", "x[", "w.tar.gz", "data/q/val-1", "aXb", "b1", "d1", "-1"]);

describe("a pattern", () => {
  // What Python's fnmatch.fnmatchcase matches among these paths.
  it.each([
    ["*.json", ["config.json", "sub/config.json"]],
    ["images1/*", ["images1/a.png"]],
    ["*", paths],
    ["?.txt", ["a.txt"]],
    ["a[bc]d", ["abd"]],
    ["a[!bc]d", ["aed"]],
    ["[]]x", ["]x"]],
    ["x[", ["x["]],
    ["*.tar.gz", ["w.tar.gz"]],
    ["data/*/val*", ["data/q/val-1"]],
    ["a.b", []],
    ["[a-c]1", ["b1"]],
    ["[!a-c]1", ["d1", "-1"]],
  ])("%s matches what Python's fnmatch matches", (pattern, matched) => {
    expect(paths.filter(pathFilter([pattern], undefined))).toEqual(matched);
  });

  it("that ends in a slash stands for what is below", () => {
    expect(paths.filter(pathFilter(["images1/"], undefined))).toEqual(["images1/a.png"]);
  });

  it("to ignore outdoes those to allow", () => {
    expect(paths.filter(pathFilter(["*.json", "?1"], ["sub/", "b*"]))).toEqual(["config.json", "d1", "-1"]);
  });
});
