import type { FileMetaData, SchemaElement } from "hyparquet";

/**
 * A parquet file's metadata without members of structs that nobody asks for: `answers.answer` of `{answer, answer_confidence, answer_id}` costs a third.
 * @param paths columns, or with dots what is in them; columns of which there is none among these stay whole
 */
export function withMembers(metadata: FileMetaData, paths: readonly string[]): FileMetaData {
  const columns = new Set(topColumns(metadata));
  const wanted = new Map<string, Set<string> | undefined>();
  for (const path of paths) {
    const [column = "", member] = columns.has(path) ? [path] : path.split(".");
    const before = wanted.get(column);
    if (member === undefined) wanted.set(column, undefined);
    else if (before !== undefined) before.add(member);
    else if (!wanted.has(column)) wanted.set(column, new Set([member]));
  }
  const leaves = leafPaths(metadata);
  const reaches = (members: ReadonlySet<string>, [, ...inner]: readonly string[]) =>
    inner.some((name) => members.has(name));
  // Where a path reaches nothing, that is for others to say.
  const found = (column: string, members: ReadonlySet<string>) =>
    leaves.some((leaf) => leaf[0] === column && reaches(members, leaf));
  const isKept = (leaf: readonly string[]) => {
    const [column = ""] = leaf;
    const members = wanted.get(column);
    return members === undefined || !found(column, members) || reaches(members, leaf);
  };
  if (leaves.every(isKept)) return metadata;
  return {
    ...metadata,
    schema: keptSchema(metadata.schema, isKept),
    row_groups: metadata.row_groups.map((group) => ({
      ...group,
      columns: group.columns.filter(
        ({ meta_data }) => meta_data === undefined || isKept(meta_data.path_in_schema),
      ),
    })),
  };
}

function topColumns({ schema }: FileMetaData): string[] {
  const found: string[] = [];
  walk(schema, (path) => path.length === 1 && found.push(path[0] as string));
  return found;
}

function leafPaths({ schema }: FileMetaData): string[][] {
  const found: string[][] = [];
  walk(schema, (path, element) => element.num_children === undefined && found.push([...path]));
  return found;
}

/** Elements stand in the order of a depth-first walk, each before its children. */
function walk(
  schema: readonly SchemaElement[],
  visit: (path: readonly string[], element: SchemaElement) => unknown,
): void {
  let next = 0;
  const step = (path: readonly string[]) => {
    const element = schema[next++] as SchemaElement;
    visit(path, element);
    for (let child = 0; child < (element.num_children ?? 0); child++)
      step([...path, (schema[next] as SchemaElement).name]);
  };
  step([]);
}

/** Without leaves that are not kept, and groups of which nothing is left. */
function keptSchema(
  schema: readonly SchemaElement[],
  isKept: (path: readonly string[]) => boolean,
): SchemaElement[] {
  let next = 0;
  const step = (path: readonly string[]): SchemaElement[] => {
    const element = schema[next++] as SchemaElement;
    if (element.num_children === undefined) return isKept(path) ? [element] : [];
    const children: SchemaElement[][] = [];
    for (let child = 0; child < element.num_children; child++)
      children.push(step([...path, (schema[next] as SchemaElement).name]));
    const kept = children.filter(({ length }) => length > 0);
    if (kept.length === 0 && element.num_children > 0) return [];
    return [{ ...element, num_children: kept.length }, ...kept.flat()];
  };
  return step([]);
}
