// Arithmetic on durations, once the query's times are known: `[step() * 4]` becomes a number of milliseconds.
// Specification: Prometheus 3.14, promql/durations.go, with its messages (positions are bytes of the query, start:end).
// Owns the evaluation; what cannot be decided while parsing is refused here.

import { MnemoError } from '../../kit/errors.ts'
import { max, min, pow } from '../functions/go-math.ts'
import type { DurationExpr, DurationOperation, Expr, VectorSelector } from '../parse/ast.ts'

export interface DurationTimes {
  /** As asked, for positions in messages. */
  readonly query: string
  /** step() and range(): 0 in an instant query. */
  readonly stepMs: number
  readonly rangeMs: number
}

/** The expression with each duration a number. Throws `bad_data` where one is not positive, not finite or out of range. */
export function resolveDurations(expr: Expr, times: DurationTimes): Expr {
  const inner = (child: Expr) => resolveDurations(child, times)
  switch (expr.kind) {
    case 'vector_selector':
      return resolveSelector(expr, times)
    case 'matrix_selector': {
      const { range, ...rest } = expr
      const rangeMs = range ? durationMs(range, times) : expr.rangeMs
      return { ...rest, selector: resolveSelector(expr.selector, times), rangeMs }
    }
    case 'subquery': {
      const { offset, range, step, ...rest } = expr
      return {
        ...rest,
        expr: inner(expr.expr),
        offsetMs: offset ? offsetOf(offset, times) : expr.offsetMs,
        stepMs: step ? durationMs(step, times) : expr.stepMs,
        rangeMs: range ? durationMs(range, times) : expr.rangeMs,
      }
    }
    case 'call':
      return { ...expr, args: expr.args.map(inner) }
    case 'aggregate':
      return { ...expr, expr: inner(expr.expr), ...(expr.param && { param: inner(expr.param) }) }
    case 'binary':
      return { ...expr, lhs: inner(expr.lhs), rhs: inner(expr.rhs) }
    case 'unary':
    case 'paren':
      return { ...expr, expr: inner(expr.expr) }
    case 'number':
    case 'string':
      return expr
    default:
      return expr satisfies never
  }
}

function resolveSelector(selector: VectorSelector, times: DurationTimes): VectorSelector {
  const { offset, ...rest } = selector
  return offset ? { ...rest, offsetMs: offsetOf(offset, times) } : selector
}

/** Of a range or step: more than 0. */
function durationMs(expr: DurationOperation, times: DurationTimes): number {
  if (evaluate(expr, times) <= 0) throw refusal(expr, times, 'duration must be greater than 0')
  return offsetOf(expr, times)
}

/** ms, cut as Go does. */
function offsetOf(expr: DurationOperation, times: DurationTimes): number {
  const seconds = evaluate(expr, times)
  if (!Number.isFinite(seconds)) throw refusal(expr, times, 'duration is NaN or infinite')
  if (Math.abs(seconds) > 2 ** 63 / 1e9) throw refusal(expr, times, 'duration is out of range')
  return Math.trunc(seconds * 1000)
}

function evaluate(expr: DurationExpr, times: DurationTimes): number {
  if (expr.kind === 'number') return expr.value
  const { op } = expr
  if (op === 'step') return times.stepMs / 1000
  if (op === 'range') return times.rangeMs / 1000
  const lhs = expr.lhs ? evaluate(expr.lhs, times) : 0
  const rhs = expr.rhs ? evaluate(expr.rhs, times) : 0
  switch (op) {
    case '+':
      return lhs + rhs
    case '-':
      return lhs - rhs
    case '*':
      return lhs * rhs
    case '/':
      if (rhs === 0) throw refusal(expr, times, 'division by zero')
      return lhs / rhs
    case '%':
      if (rhs === 0) throw refusal(expr, times, 'modulo by zero')
      return lhs % rhs
    case '^':
      return pow(lhs, rhs)
    case 'min_of':
      return min(lhs, rhs)
    case 'max_of':
      return max(lhs, rhs)
    default:
      return op satisfies never
  }
}

function refusal({ pos }: DurationOperation, { query }: DurationTimes, message: string): MnemoError {
  const bytes = (offset: number) => Buffer.byteLength(query.slice(0, offset))
  return new MnemoError('bad_data', `${bytes(pos.start)}:${bytes(pos.end)}: ${message}`)
}
