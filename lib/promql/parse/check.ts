// The types of an expression: what may stand where.
// Specification: Prometheus 3.14, promql/parser/parse.go (checkAST), with its messages, in its order.
// Owns the check; it also settles a binary operator's matching, which depends on the types of both sides.
import type { MnemoError } from '../../kit/errors.ts'
import { isBounded } from '../../labels/bounded-selector.ts'
import { metricName } from '../../labels/labels.ts'
import { quoteGo } from '../functions/go-format.ts'
import {
  type Aggregate,
  type Binary,
  type Call,
  type Expr,
  type Subquery,
  type Unary,
  type ValueType,
  type VectorSelector,
  valueType,
} from './ast.ts'
import { isSpace } from './chars.ts'
import { functions } from './functions.ts'
import { parseError } from './position.ts'
import { maxDepth } from './token-stream.ts'

/** Checks the tree that the parser has just made (it is still the parser's own). Throws `bad_data`, the first error alone. */
export function checkExpr(expr: Expr, query: string): void {
  new Checker(query).check(expr, 0)
}

/** The name of a type in messages. */
export function describeType(type: ValueType): string {
  if (type === 'vector') return 'instant vector'
  return type === 'matrix' ? 'range vector' : type
}

const comparisons = new Set(['==', '!=', '<', '>', '<=', '>='])
const setOperators = new Set(['and', 'or', 'unless'])

class Checker {
  readonly #query: string

  constructor(query: string) {
    this.#query = query
  }

  check(expr: Expr, depth: number): ValueType {
    if (depth > maxDepth) throw this.#error(expr, `expression nested too deeply, want at most ${maxDepth} levels`)
    switch (expr.kind) {
      case 'number':
        return 'scalar'
      case 'string':
        return 'string'
      case 'vector_selector':
        return this.#selector(expr, false)
      case 'matrix_selector':
        this.#selector(expr.selector, false)
        return 'matrix'
      case 'paren':
        return this.check(expr.expr, depth + 1)
      case 'subquery':
        return this.#subquery(expr, depth)
      case 'call':
        return this.#call(expr, depth)
      case 'aggregate':
        return this.#aggregate(expr, depth)
      case 'binary':
        return this.#binary(expr, depth)
      case 'unary':
        return this.#unary(expr, depth)
      default:
        return expr satisfies never
    }
  }

  #error(at: Expr | number, message: string): MnemoError {
    return parseError(this.#query, typeof at === 'number' ? at : at.pos.start, message)
  }

  #selector(selector: VectorSelector, maySelectAll: boolean): ValueType {
    const { name, matchers } = selector
    if (name !== '') {
      const second = matchers.slice(0, -1).find((matcher) => matcher.name === metricName)
      if (!second) return 'vector'
      const names = `${quoteGo(name)} or ${quoteGo(second.value)}`
      throw this.#error(selector, `metric name must not be set twice: ${names}`)
    }
    if (!maySelectAll && !isBounded(matchers))
      throw this.#error(selector, 'vector selector must contain at least one non-empty matcher')
    return 'vector'
  }

  #subquery(subquery: Subquery, depth: number): ValueType {
    const type = this.check(subquery.expr, depth + 1)
    if (type !== 'vector')
      throw this.#error(subquery, `subquery is only allowed on instant vector, got ${type} instead`)
    return 'matrix'
  }

  #unary(unary: Unary, depth: number): ValueType {
    const type = this.check(unary.expr, depth + 1)
    if (type === 'scalar' || type === 'vector') return type
    const got = quoteGo(describeType(type))
    throw this.#error(
      unary,
      `unary expression only allowed on expressions of type scalar or instant vector, got ${got}`,
    )
  }

  #aggregate({ op, expr, param }: Aggregate, depth: number): ValueType {
    this.#expect(expr, { want: 'vector', where: 'aggregation expression', depth })
    if (param) {
      const want = op === 'count_values' ? 'string' : 'scalar'
      this.#expect(param, { want, where: 'aggregation parameter', depth })
    }
    return 'vector'
  }

  #expect(expr: Expr, { want, where, depth }: { want: ValueType; where: string; depth: number }): void {
    const type = this.check(expr, depth + 1)
    if (type === want) return
    throw this.#error(expr, `expected type ${describeType(want)} in ${where}, got ${describeType(type)}`)
  }

  #call(call: Call, depth: number): ValueType {
    const signature = functions.get(call.func)!
    this.#argumentCount(call)
    // Before the arguments themselves, as in Prometheus.
    const [, infoSelector] = call.args
    if (call.func === 'info' && infoSelector !== undefined) this.#infoSelector(call, infoSelector)
    call.args.forEach((arg, i) => {
      const want = signature.args[Math.min(i, signature.args.length - 1)]!
      if (call.func !== 'info' || i === 0)
        this.#expect(arg, { want, where: `call to function ${quoteGo(call.func)}`, depth })
    })
    return signature.returns
  }

  #argumentCount(call: Call): void {
    const { args, variadic } = functions.get(call.func)!
    const got = call.args.length
    const least = variadic === 0 ? args.length : args.length - 1
    const most = variadic < 0 ? Number.POSITIVE_INFINITY : least + variadic
    if (got >= least && got <= most) return
    const want = variadic === 0 ? `${least}` : got < least ? `at least ${least}` : `at most ${most}`
    throw this.#error(call, `expected ${want} argument(s) in call to ${quoteGo(call.func)}, got ${got}`)
  }

  // The second argument of info() only looks like a selector: it may match everything, but name no metric.
  #infoSelector(call: Call, arg: Expr): void {
    if (arg.kind !== 'vector_selector') {
      const type = valueType(arg)
      if (type === 'vector') throw this.#error(arg, 'expected label selectors only')
      const text = `expected type instant vector in call to function "info", got ${describeType(type)}`
      throw this.#error(call, text)
    }
    if (arg.name !== '') throw this.#error(arg, 'expected label selectors only, got vector selector instead')
    this.#selector(arg, true)
  }

  #binary(binary: Binary, depth: number): ValueType {
    const left = this.check(binary.lhs, depth + 1)
    const right = this.check(binary.rhs, depth + 1)
    this.#comparison(binary, left === 'scalar' && right === 'scalar')
    this.#matchingLabels(binary)
    for (const [side, type] of [
      [binary.lhs, left],
      [binary.rhs, right],
    ] as const) {
      if (type !== 'scalar' && type !== 'vector')
        throw this.#error(side, 'binary expression must contain only scalar and instant vector types')
    }
    this.#settleMatching(binary, left === 'vector' && right === 'vector')
    return left === 'vector' || right === 'vector' ? 'vector' : 'scalar'
  }

  #comparison(binary: Binary, scalars: boolean): void {
    const comparison = comparisons.has(binary.op)
    if (binary.bool && !comparison)
      throw this.#error(this.#operatorStart(binary), 'bool modifier can only be used on comparison operators')
    if (comparison && !binary.bool && scalars)
      throw this.#error(this.#operatorStart(binary), 'comparisons between scalars must use BOOL modifier')
  }

  #operatorStart({ lhs }: Binary): number {
    let start = lhs.pos.end
    while (isSpace(this.#query.charCodeAt(start))) start++
    return start
  }

  #matchingLabels(binary: Binary): void {
    const { matching } = binary
    const both = matching?.on ? matching.labels.find((label) => matching.include.includes(label)) : undefined
    if (both === undefined) return
    const text = `label ${quoteGo(both)} must not occur in ON and GROUP clause at once`
    throw this.#error(this.#operatorStart(binary), text)
  }

  #settleMatching(binary: { -readonly [K in keyof Binary]: Binary[K] }, vectors: boolean): void {
    const { matching, op } = binary
    const setOperator = setOperators.has(op)
    if (!vectors) {
      if (matching && matching.labels.length > 0)
        throw this.#error(binary, 'vector matching only allowed between instant vectors')
      if (matching?.fill) throw this.#error(binary, 'filling in missing series only allowed between instant vectors')
      if (setOperator) throw this.#error(binary, `set operator ${quoteGo(op)} not allowed in binary scalar expression`)
      delete binary.matching
    } else if (setOperator && matching) {
      if (matching.fill) throw this.#error(binary, 'filling in missing series not allowed for set operators')
      if (matching.card !== 'one-to-one') throw this.#error(binary, `no grouping allowed for ${quoteGo(op)} operation`)
      binary.matching = { ...matching, card: 'many-to-many' }
    }
  }
}
