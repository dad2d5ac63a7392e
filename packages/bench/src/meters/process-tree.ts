import { readdirSync, readFileSync } from "node:fs";

/** A process and all that it started; itself alone where the system does not tell. */
export function processTree(root: number): ReadonlySet<number> {
  const tree = new Set([root]);
  const parents = parentsOf();
  // Children come after their parents only mostly, so the list is gone through until nothing new comes.
  for (let size = 0; size < tree.size; ) {
    size = tree.size;
    for (const [pid, parent] of parents) if (tree.has(parent)) tree.add(pid);
  }
  return tree;
}

function parentsOf(): [number, number][] {
  let names: string[];
  try {
    names = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
  return names.flatMap((name): [number, number][] => {
    try {
      // The name of the program, in parentheses, may hold blanks.
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      return [[Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1])]];
    } catch {
      return [];
    }
  });
}
