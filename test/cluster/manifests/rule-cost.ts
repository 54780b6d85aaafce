import { parse } from '@marcbachmann/cel-js';
import type { ValidationRule } from '../../../src/base/kubernetes/structural-schema.ts';
import { isRecord } from '../../../src/base/read/shape.ts';

type Schema = Readonly<Record<string, unknown>>;

/** What the API server grants one rule of a CRD, and all of them, by its estimate (apiextensions validation). */
export const granted = { rule: 10_000_000, definition: 100_000_000 };

/** What it grants one evaluation of a rule, and all rules of one object, while it works (apiserver, CEL config). */
export const grantedAtWork = { rule: 1_000_000, object: 10_000_000 };

/** A rule's cost at most. */
export interface RuleCost {
  readonly path: string;
  readonly rule: string;
  /** Once. */
  readonly once: number;
  /** At every place of an object that the rule is for. */
  readonly total: number;
}

/**
 * An upper bound of what the API server estimates for each rule (cel-go, checker/cost.go; Kubernetes,
 * cel/library/cost.go and cel/common/schemas.go). It counts four bytes a character before there is an
 * object; addresses have one.
 */
export function estimateRules(schema: Schema, bytesPerCharacter: number, path = '', places = 1): RuleCost[] {
  const rules = (schema['x-kubernetes-validations'] ?? []) as readonly ValidationRule[];
  const own = rules.map(({ rule }) => {
    const once = new Estimate(bytesPerCharacter).cost(parse(rule).ast as unknown as Node, {
      self: schema,
      oldSelf: schema,
    }).cost;
    return { path, rule, once, total: once * places };
  });
  const properties = isRecord(schema.properties) ? Object.entries(schema.properties) : [];
  return [
    ...own,
    ...properties.flatMap(([key, part]) =>
      estimateRules(part as Schema, bytesPerCharacter, path === '' ? key : `${path}.${key}`, places),
    ),
    ...(isRecord(schema.items)
      ? estimateRules(schema.items, bytesPerCharacter, `${path}[]`, places * limitOf(schema.maxItems))
      : []),
  ];
}

interface Node {
  readonly op: string;
  // biome-ignore lint/suspicious/noExplicitAny: a syntax tree, whose form depends on op
  readonly args: any;
}

/** `size`: characters in bytes, or items; `schema`: what is known of the value. */
interface Costed {
  readonly cost: number;
  readonly size: number;
  readonly schema?: Schema;
}

type Scope = Readonly<Record<string, Schema>>;

/** Without a limit there is none to the cost. */
function limitOf(limit: unknown): number {
  return typeof limit === 'number' ? limit : Number.POSITIVE_INFINITY;
}

/** Costs of traversing: a tenth of a unit a byte; of a pattern, a quarter a character. */
const perByte = 0.1;
const perPatternCharacter = 0.25;

class Estimate {
  readonly #bytesPerCharacter: number;

  constructor(bytesPerCharacter: number) {
    this.#bytesPerCharacter = bytesPerCharacter;
  }

  cost({ op, args }: Node, scope: Scope): Costed {
    switch (op) {
      case 'value':
        return { cost: 0, size: typeof args === 'string' ? args.length : 1 };
      case 'id':
        return this.#value(1, scope[args], args);
      case '.': {
        const operand = this.cost(args[0], scope);
        const properties = operand.schema?.properties;
        return this.#value(
          operand.cost + 1,
          isRecord(properties) ? (properties[args[1]] as Schema) : undefined,
          args[1],
        );
      }
      case '!_':
        return { cost: this.cost(args, scope).cost + 1, size: 1 };
      case 'call':
        if (args[0] === 'duration') {
          const text = this.cost(args[1][0], scope);
          return { cost: text.cost + Math.ceil(text.size * perByte), size: 1 };
        }
        if (args[0] !== 'has') throw new Error(`Cannot estimate the function ${args[0]}`);
        return { cost: this.cost(args[1][0], scope).cost + 1, size: 1 };
      case 'rcall':
        return this.#method(args[0], args[1], args[2], scope);
      case '||':
      case '&&':
      case '==':
      case '!=':
      case '<=':
      case '+': {
        const [left, right] = [this.cost(args[0], scope), this.cost(args[1], scope)];
        const own = Math.max(1, Math.ceil(Math.min(left.size, right.size) * perByte));
        return { cost: left.cost + right.cost + own, size: 1 };
      }
      default:
        throw new Error(`Cannot estimate the operator ${op}`);
    }
  }

  #method(name: string, on: Node, args: readonly Node[], scope: Scope): Costed {
    const target = this.cost(on, scope);
    const [first, second] = args;
    if ((name === 'all' || name === 'exists' || name === 'filter') && first !== undefined && second !== undefined) {
      const items = target.schema?.items as Schema;
      const { cost } = this.cost(second, { ...scope, [String(first.args)]: items });
      // The loop looks at its result each time; a filter makes a list of one item and adds it.
      const step = cost + (name === 'filter' ? 16 : 4);
      return { ...target, cost: target.cost + 12 + step * target.size };
    }
    const costed = args.map((arg) => this.cost(arg, scope));
    const before = costed.reduce((sum, { cost }) => sum + cost, target.cost);
    const [argument] = costed;
    const traversed = Math.ceil(target.size * perByte);
    const matched = Math.ceil((argument?.size ?? 0) * perByte);
    switch (name) {
      case 'size':
        return { cost: before + 1, size: 1 };
      case 'contains':
        return { cost: before + traversed * matched, size: 1 };
      case 'startsWith':
      case 'endsWith':
        return { cost: before + matched, size: 1 };
      case 'matches': {
        const pattern = Math.ceil((argument?.size ?? 0) * perPatternCharacter);
        return { cost: before + Math.ceil((target.size + 1) * perByte) * pattern, size: 1 };
      }
      case 'substring':
      case 'lowerAscii':
        return { cost: before + traversed, size: target.size };
      case 'indexOf':
      case 'lastIndexOf':
        return { cost: before + traversed, size: 1 };
      default:
        throw new Error(`Cannot estimate the function ${name}`);
    }
  }

  #value(cost: number, schema: Schema | undefined, name: string): Costed {
    if (schema === undefined) throw new Error(`Cannot estimate ${name}: the schema has it not`);
    if (schema.type === 'array') return { cost, size: limitOf(schema.maxItems), schema };
    if (schema.type !== 'string') return { cost, size: 1, schema };
    return { cost, size: limitOf(schema.maxLength) * this.#bytesPerCharacter, schema };
  }
}
