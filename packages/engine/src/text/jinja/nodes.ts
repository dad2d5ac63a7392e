import type { None } from "./values.ts";

/** What a template is made of, in the words of Jinja2's grammar. */
export type Expression =
  | { readonly type: "constant"; readonly value: string | number | boolean | None; readonly float?: true }
  | { readonly type: "name"; readonly name: string }
  | { readonly type: "list" | "tuple"; readonly items: readonly Expression[] }
  | { readonly type: "dict"; readonly pairs: readonly (readonly [Expression, Expression])[] }
  | { readonly type: "attribute"; readonly of: Expression; readonly name: string }
  | { readonly type: "item"; readonly of: Expression; readonly key: Expression }
  | { readonly type: "slice"; readonly parts: readonly (Expression | undefined)[] }
  | { readonly type: "call"; readonly callee: Expression; readonly args: Arguments; readonly line: number }
  | {
      readonly type: "filter";
      readonly of: Expression | undefined;
      readonly name: string;
      readonly args: Arguments;
      readonly line: number;
    }
  | {
      readonly type: "test";
      readonly of: Expression;
      readonly name: string;
      readonly args: Arguments;
      readonly line: number;
    }
  | { readonly type: "not" | "negative" | "positive"; readonly of: Expression }
  | { readonly type: "and" | "or"; readonly left: Expression; readonly right: Expression }
  | {
      readonly type: "compare";
      readonly first: Expression;
      readonly rest: readonly (readonly [string, Expression])[];
    }
  | {
      readonly type: "arithmetic";
      readonly operator: string;
      readonly left: Expression;
      readonly right: Expression;
      readonly line: number;
    }
  | { readonly type: "concatenation"; readonly items: readonly Expression[] }
  | {
      readonly type: "choice";
      readonly test: Expression;
      readonly yes: Expression;
      readonly no: Expression | undefined;
    };

export interface Arguments {
  readonly positional: readonly Expression[];
  readonly named: readonly (readonly [string, Expression])[];
  /** `*args` and `**kwargs`. */
  readonly spread?: Expression;
  readonly namedSpread?: Expression;
}

/** What a value is given to: a name, an attribute of a namespace, or several of them. */
export type Target =
  | { readonly type: "name"; readonly name: string }
  | { readonly type: "namespace"; readonly name: string; readonly attribute: string }
  | { readonly type: "tuple"; readonly items: readonly Target[] };

export interface Parameter {
  readonly name: string;
  readonly byDefault?: Expression;
}

export type Filter = Extract<Expression, { type: "filter" }>;
export type Call = Extract<Expression, { type: "call" }>;

export type Statement =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "output"; readonly value: Expression; readonly line: number }
  | {
      readonly type: "if";
      readonly branches: readonly (readonly [Expression, readonly Statement[]])[];
      readonly otherwise: readonly Statement[];
    }
  | {
      readonly type: "for";
      readonly target: Target;
      readonly over: Expression;
      readonly test: Expression | undefined;
      readonly recursive: boolean;
      readonly body: readonly Statement[];
      readonly otherwise: readonly Statement[];
      readonly line: number;
    }
  | { readonly type: "set"; readonly target: Target; readonly value: Expression; readonly line: number }
  | {
      readonly type: "set-block";
      readonly target: Target;
      readonly filter: Filter | undefined;
      readonly body: readonly Statement[];
    }
  | {
      readonly type: "macro";
      readonly name: string;
      readonly parameters: readonly Parameter[];
      readonly body: readonly Statement[];
    }
  | {
      readonly type: "call-block";
      readonly call: Call;
      readonly parameters: readonly Parameter[];
      readonly body: readonly Statement[];
    }
  | { readonly type: "filter-block"; readonly filter: Filter; readonly body: readonly Statement[] }
  | {
      readonly type: "with";
      readonly values: readonly (readonly [Target, Expression])[];
      readonly body: readonly Statement[];
    }
  | { readonly type: "scope"; readonly body: readonly Statement[] }
  | { readonly type: "break" | "continue" };
