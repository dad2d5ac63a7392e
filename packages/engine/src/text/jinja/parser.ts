import { parseExpression, parseTuple } from "./expression-parser.ts";
import { tokenize } from "./lexer.ts";
import type { Call, Expression, Filter, Parameter, Statement, Target } from "./nodes.ts";
import { TemplateError } from "./template-error.ts";
import { TokenStream } from "./token-stream.ts";

/**
 * Reads a template by Jinja2's grammar, with the tags that transformers adds: `break`, `continue`, `generation`.
 * @throws {TemplateError} where it is no such template; names the line
 */
export function parse(template: string): readonly Statement[] {
  const stream = new TokenStream(tokenize(template));
  return statements(stream, [], 0);
}

/** Statements up to a tag of these names, whose name is read. */
function statements(stream: TokenStream, ends: readonly string[], loops: number): Statement[] {
  const body: Statement[] = [];
  const leave = stream.enter();
  for (;;) {
    const token = stream.next();
    if (token.type === "text") body.push({ type: "text", text: token.value });
    else if (token.type === "open-output") {
      body.push({ type: "output", value: parseTuple(stream), line: token.line });
      stream.expect("close-output");
    } else if (token.type === "open-block") {
      const name = stream.expect("name").value;
      if (ends.includes(name)) {
        stream.back();
        leave();
        return body;
      }
      body.push(statement(stream, name, token.line, loops));
      stream.expect("close-block");
    } else if (ends.length === 0) {
      leave();
      return body;
    } else throw new TemplateError(`line ${token.line}: the template ends before "${ends.at(-1)}"`);
  }
}

/** The body of a tag, up to its end, which is read. */
function bodyUntil(stream: TokenStream, end: string, loops: number): Statement[] {
  stream.expect("close-block");
  const body = statements(stream, [end], loops);
  stream.expect("name", end);
  return body;
}

function statement(stream: TokenStream, name: string, line: number, loops: number): Statement {
  switch (name) {
    case "if":
      return ifStatement(stream, loops);
    case "for":
      return forStatement(stream, line, loops);
    case "set":
      return setStatement(stream, line, loops);
    case "macro": {
      const macro = stream.expect("name").value;
      return {
        type: "macro",
        name: macro,
        parameters: signature(stream),
        body: bodyUntil(stream, "endmacro", 0),
      };
    }
    case "call": {
      const parameters = stream.is("operator", "(") ? signature(stream) : [];
      const call = parseExpression(stream);
      if (call.type !== "call") throw new TemplateError(`line ${line}: "call" needs a call`);
      return { type: "call-block", call: call as Call, parameters, body: bodyUntil(stream, "endcall", 0) };
    }
    case "filter":
      return { type: "filter-block", filter: filters(stream, line), body: bodyUntil(stream, "endfilter", 0) };
    case "with": {
      const values: [Target, Expression][] = [];
      while (!stream.is("close-block")) {
        if (values.length > 0) stream.expect("operator", ",");
        const given = target(stream, false);
        stream.expect("operator", "=");
        values.push([given, parseExpression(stream)]);
      }
      return { type: "with", values, body: bodyUntil(stream, "endwith", loops) };
    }
    case "generation":
      return { type: "scope", body: bodyUntil(stream, "endgeneration", loops) };
    case "break":
    case "continue":
      if (loops === 0) throw new TemplateError(`line ${line}: "${name}" is outside of a loop`);
      return { type: name };
    default:
      throw new TemplateError(`line ${line}: the tag "${name}" is unknown`);
  }
}

function ifStatement(stream: TokenStream, loops: number): Statement {
  const branches: [Expression, Statement[]][] = [];
  for (;;) {
    const test = parseTuple(stream, { choices: false });
    stream.expect("close-block");
    branches.push([test, statements(stream, ["elif", "else", "endif"], loops)]);
    const { value } = stream.expect("name");
    if (value === "elif") continue;
    return { type: "if", branches, otherwise: value === "else" ? bodyUntil(stream, "endif", loops) : [] };
  }
}

function forStatement(stream: TokenStream, line: number, loops: number): Statement {
  const over = target(stream, true, "in");
  stream.expect("name", "in");
  const iterable = parseTuple(stream, { choices: false, ends: ["recursive"] });
  const test = stream.skip("name", "if") ? parseExpression(stream) : undefined;
  const recursive = stream.skip("name", "recursive");
  stream.expect("close-block");
  const body = statements(stream, ["endfor", "else"], loops + 1);
  const otherwise = stream.expect("name").value === "else" ? bodyUntil(stream, "endfor", loops) : [];
  return { type: "for", target: over, over: iterable, test, recursive, body, otherwise, line };
}

function setStatement(stream: TokenStream, line: number, loops: number): Statement {
  const given = target(stream, true);
  if (stream.skip("operator", "=")) return { type: "set", target: given, value: parseTuple(stream), line };
  const filter = stream.skip("operator", "|") ? filters(stream, line) : undefined;
  return { type: "set-block", target: given, filter, body: bodyUntil(stream, "endset", loops) };
}

/** Filters of a block, whose first has nothing before it. */
function filters(stream: TokenStream, line: number): Filter {
  const filter = parseExpression(stream, { filterOf: "block" });
  if (filter.type !== "filter") throw new TemplateError(`line ${line}: a filter is expected`);
  return filter;
}

function signature(stream: TokenStream): Parameter[] {
  const parameters: Parameter[] = [];
  stream.expect("operator", "(");
  while (!stream.is("operator", ")")) {
    if (parameters.length > 0) stream.expect("operator", ",");
    const { value: name, line } = stream.expect("name");
    if (stream.skip("operator", "=")) parameters.push({ name, byDefault: parseExpression(stream) });
    else if (parameters.at(-1)?.byDefault === undefined) parameters.push({ name });
    else
      throw new TemplateError(
        `line ${line}: the parameter "${name}" without a default follows one that has one`,
      );
  }
  stream.expect("operator", ")");
  return parameters;
}

const CONSTANTS = ["true", "false", "none", "True", "False", "None"];

function target(stream: TokenStream, several: boolean, end?: string): Target {
  const items: Target[] = [];
  let isTuple = false;
  while (!(items.length > 0 && end !== undefined && stream.is("name", end))) {
    if (stream.skip("operator", "(")) {
      items.push(target(stream, true));
      stream.expect("operator", ")");
    } else items.push(name());
    if (!several || !stream.skip("operator", ",")) break;
    isTuple = true;
    if (stream.is("operator", ")") || stream.is("operator", "=")) break;
  }
  const [only] = items;
  return only !== undefined && !isTuple ? only : { type: "tuple", items };

  function name(): Target {
    const { value, line } = stream.expect("name");
    if (CONSTANTS.includes(value)) throw new TemplateError(`line ${line}: "${value}" cannot be set`);
    if (!stream.skip("operator", ".")) return { type: "name", name: value };
    return { type: "namespace", name: value, attribute: stream.expect("name").value };
  }
}
