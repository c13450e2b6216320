// The tokens of a query with one token of look-ahead, and the context that an unexpected token is reported in.
// Prometheus's parser is generated (promql/parser/generated_parser.y): on an unexpected token it falls back to the innermost
// rule that has a message of its own. `context` is that rule here. Owns the look-ahead and every thrown parse error.
import type { MnemoError } from '../../kit/errors.ts'
import { Lexer } from './lexer.ts'
import { parseError } from './position.ts'
import { describeToken, type Token, type TokenType } from './tokens.ts'

export interface ErrorContext {
  readonly where: string
  readonly expected?: string
}

/** Syntax that Prometheus has behind feature flags: off by default, as there. */
export interface ParseOptions {
  /** Functions and aggregations that Prometheus calls experimental. */
  readonly experimentalFunctions?: boolean
  /** Arithmetic on durations: `[5m * 2]`, `offset step()`. */
  readonly durationExpressions?: boolean
  /** `anchored` and `smoothed`. */
  readonly extendedRangeSelectors?: boolean
  /** `fill`, `fill_left` and `fill_right`. */
  readonly fillModifiers?: boolean
}

/** All of it. */
export const everySyntax: ParseOptions = {
  experimentalFunctions: true,
  durationExpressions: true,
  extendedRangeSelectors: true,
  fillModifiers: true,
}

/** Expressions nested deeper than this are refused: the stack of whoever walks them is finite. */
export const maxDepth = 1000

export class TokenStream {
  readonly query: string
  readonly experimentalFunctions: boolean
  readonly durationExpressions: boolean
  readonly extendedRangeSelectors: boolean
  readonly fillModifiers: boolean
  /** The rule whose message an unexpected token gets; undefined: no words but the token. */
  context: ErrorContext | undefined
  #depth = 0
  readonly #lexer: Lexer
  #ahead: Token | undefined
  #last: Token = { type: 'eof', text: '', start: 0 }

  constructor(query: string, options: ParseOptions = {}) {
    this.query = query
    this.experimentalFunctions = options.experimentalFunctions ?? false
    this.durationExpressions = options.durationExpressions ?? false
    this.extendedRangeSelectors = options.extendedRangeSelectors ?? false
    this.fillModifiers = options.fillModifiers ?? false
    this.#lexer = new Lexer(query)
  }

  peek(): TokenType {
    this.#ahead ??= this.#lexer.next()
    return this.#ahead.type
  }

  next(): Token {
    this.peek()
    this.#last = this.#ahead!
    this.#ahead = undefined
    return this.#last
  }

  /** Takes the next token where it is of this type. */
  accept(type: TokenType): Token | undefined {
    return this.peek() === type ? this.next() : undefined
  }

  expect(type: TokenType): Token {
    return this.accept(type) ?? this.unexpected()
  }

  /** UTF-16 offset behind the token taken last. */
  get lastEnd(): number {
    return this.#last.start + this.#last.text.length
  }

  /** Throws about the next token, in the context that is given or current. */
  unexpected(context: ErrorContext | undefined = this.context): never {
    this.peek()
    const token = this.#ahead!
    const where = context ? ` in ${context.where}` : ''
    const expected = context?.expected ? `, expected ${context.expected}` : ''
    throw this.error(token.start, `unexpected ${describeToken(token)}${where}${expected}`)
  }

  /** The error of what stands at an offset. */
  error(start: number, message: string): MnemoError {
    return parseError(this.query, start, message)
  }

  /** Runs a rule whose unexpected tokens are reported in a context. */
  within<T>(context: ErrorContext, rule: () => T): T {
    const outer = this.context
    this.context = context
    const result = rule()
    this.context = outer
    return result
  }

  /** Runs a rule one level deeper. */
  deeper<T>(rule: () => T): T {
    if (this.#depth >= maxDepth) throw this.tooDeep()
    this.#depth++
    const result = rule()
    this.#depth--
    return result
  }

  tooDeep(): MnemoError {
    return this.error(0, `expression nested too deeply, want at most ${maxDepth} levels`)
  }
}
