// The lexer of PromQL: tokens one by one, on demand, so that the first error in the text is the first one met.
// Specification: Prometheus 3.14, promql/parser/lex.go, with its messages. What a character means depends on the brackets around it.
// Owns the reading position; strings and numbers are scanned in scan-string.ts and scan-number.ts.
import { quoteGo } from '../functions/go-format.ts'
import { endOfInput, isAlpha, isAlphaNumeric, isDigit, isSpace, quoteCharacter } from './chars.ts'
import { parseError } from './position.ts'
import { acceptDuration, scanNumber } from './scan-number.ts'
import { scanQuoted, scanRaw } from './scan-string.ts'
import { Scanner } from './scanner.ts'
import { type Token, type TokenType, wordTypes } from './tokens.ts'

const durationWords: ReadonlyMap<string, TokenType> = new Map(
  (['step', 'range', 'max_of', 'min_of'] as const).map((word) => [word, word]),
)

const singles: Readonly<Record<string, TokenType>> = {
  ',': ',',
  '*': '*',
  '/': '/',
  '%': '%',
  '+': '+',
  '-': '-',
  '^': '^',
  '@': '@',
}

export class Lexer {
  readonly #query: string
  readonly #scanner: Scanner
  #start = 0
  #parenDepth = 0
  #braceOpen = false
  #bracketOpen = false
  /** Right after `[`, and until the first number: what a bracket holds before it is strict. */
  #bracketStart = false
  #gotColon = false
  #gotDuration = false

  constructor(query: string) {
    this.#query = query
    this.#scanner = new Scanner(query)
  }

  /** The next token; at the end `eof`, again and again. Throws `bad_data` with Prometheus's message. */
  next(): Token {
    for (;;) {
      this.#skipBlanks()
      this.#start = this.#scanner.at
      if (this.#bracketStart) return this.#insideBracketStart()
      return this.#braceOpen ? this.#insideBraces() : this.#statement()
    }
  }

  // Comments may stand anywhere but between `[` and the first number after it.
  #skipBlanks(): void {
    const s = this.#scanner
    for (;;) {
      while (isSpace(s.peek())) s.next()
      if (this.#bracketStart || s.peek() !== 0x23) return
      for (let c = s.next(); c !== 0x0a && c !== 0x0d && c !== endOfInput; ) c = s.next()
    }
  }

  #token(type: TokenType): Token {
    return { type, text: this.#query.slice(this.#start, this.#scanner.at), start: this.#start }
  }

  #error(message: string, start = this.#start): never {
    throw parseError(this.#query, start, message)
  }

  #statement(): Token {
    const c = this.#scanner.next()
    if (c === endOfInput) return this.#end()
    const text = String.fromCodePoint(c)
    const single = singles[text]
    if (single) return this.#token(single)
    if (isDigit(c) || (text === '.' && isDigit(this.#scanner.peek()))) return this.#number()
    if (isAlpha(c) || text === ':') return this.#bracketOpen ? this.#wordInBracket(c) : this.#word()
    switch (text) {
      case '=':
      case '!':
      case '<':
      case '>':
        return this.#comparison(text)
      case '"':
      case "'":
      case '`':
        return this.#string(c)
      case '(':
      case ')':
        return this.#paren(text)
      case '{':
        this.#braceOpen = true
        return this.#token('{')
      case '[':
        return this.#openBracket(c)
      case ']':
        if (!this.#bracketOpen) this.#error(`unexpected right bracket ${quoteCharacter(c)}`)
        this.#bracketOpen = false
        return this.#token(']')
      default:
        return this.#error(`unexpected character: ${quoteCharacter(c)}`)
    }
  }

  #end(): Token {
    if (this.#parenDepth !== 0) this.#error('unclosed left parenthesis')
    if (this.#bracketOpen) this.#error('unclosed left bracket')
    return this.#token('eof')
  }

  #comparison(first: '=' | '!' | '<' | '>'): Token {
    const s = this.#scanner
    if (first === '!') {
      const c = s.next()
      if (c !== 0x3d) this.#error(`unexpected character after '!': ${quoteCharacter(c)}`)
      return this.#token('!=')
    }
    if (s.accept('=')) return this.#token(first === '=' ? '==' : `${first}=`)
    if (first === '=') {
      if (s.peek() === 0x7e) this.#error(`unexpected character after '=': ${quoteCharacter(s.peek())}`)
      return this.#token('=')
    }
    return this.#token(s.accept('/') ? `${first}/` : first)
  }

  // The token comes first in Prometheus, so that the error stands behind it.
  #paren(text: '(' | ')'): Token {
    this.#parenDepth += text === '(' ? 1 : -1
    if (this.#parenDepth < 0) this.#error(`unexpected right parenthesis ')'`, this.#scanner.at)
    return this.#token(text)
  }

  #openBracket(c: number): Token {
    if (this.#bracketOpen) this.#error(`unexpected left bracket ${quoteCharacter(c)}`)
    this.#gotColon = false
    this.#bracketOpen = true
    this.#bracketStart = true
    return this.#token('[')
  }

  #string(quote: number): Token {
    const problem = quote === 0x60 ? scanRaw(this.#scanner, quote) : scanQuoted(this.#scanner, quote)
    if (problem !== undefined) this.#error(problem)
    return this.#token('string')
  }

  #number(): Token {
    this.#bracketStart = false
    const s = this.#scanner
    s.at = this.#start
    if (scanNumber(s)) return this.#token('number')
    if (acceptDuration(s)) {
      s.backup()
      return this.#token('duration')
    }
    return this.#error(`bad number or duration syntax: ${quoteGo(this.#query.slice(this.#start, s.at))}`)
  }

  #word(): Token {
    const s = this.#scanner
    while (isAlphaNumeric(s.peek()) || s.peek() === 0x3a) s.next()
    const word = this.#query.slice(this.#start, s.at)
    const type = wordTypes.get(word.toLowerCase())
    if (type === undefined) return this.#token(word.includes(':') ? 'metric identifier' : 'identifier')
    // The newest keywords are keywords only where a parenthesis follows: metrics may have those names.
    const fill = type === 'fill' || type === 'fill_left' || type === 'fill_right'
    return this.#token(fill && !s.parenFollows() ? 'identifier' : type)
  }

  #wordInBracket(c: number): Token {
    if (c === 0x3a) {
      if (this.#gotColon) this.#error(`unexpected colon ${quoteCharacter(c)}`)
      this.#gotColon = true
      return this.#token(':')
    }
    return this.#durationWord() ?? this.#error(`unexpected character: ${quoteCharacter(c)}, expected ':'`)
  }

  #durationWord(): Token | undefined {
    const s = this.#scanner
    const start = this.#query.slice(this.#start, this.#start + 1).toLowerCase()
    if (start !== 's' && start !== 'r' && start !== 'm') return undefined
    while (isAlpha(s.peek())) s.next()
    const type = durationWords.get(this.#query.slice(this.#start, s.at).toLowerCase())
    return type && this.#token(type)
  }

  #insideBracketStart(): Token {
    const c = this.#scanner.next()
    if (c === endOfInput) this.#error('unexpected end of input in duration expression')
    const text = String.fromCodePoint(c)
    const single = text === '@' ? undefined : singles[text]
    if (single) return this.#token(single)
    if (isDigit(c) || (text === '.' && isDigit(this.#scanner.peek()))) {
      this.#gotDuration = true
      return this.#number()
    }
    if (text === '(' || text === ')') return this.#paren(text)
    if (text === ']') {
      this.#bracketOpen = false
      this.#bracketStart = false
      this.#gotColon = false
      return this.#token(']')
    }
    if (text === ':') return this.#colonInBracketStart()
    return this.#durationWord() ?? this.#error(`unexpected character in duration expression: ${quoteCharacter(c)}`)
  }

  #colonInBracketStart(): Token {
    const after = this.#scanner.at
    if (!this.#gotDuration) this.#error('unexpected colon before duration in duration expression', after)
    if (this.#gotColon) this.#error('unexpected repeated colon in duration expression', after)
    this.#gotColon = true
    return this.#token(':')
  }

  #insideBraces(): Token {
    const s = this.#scanner
    const c = s.next()
    if (c === endOfInput) this.#error('unexpected end of input inside braces')
    if (isAlpha(c)) {
      while (isAlphaNumeric(s.peek())) s.next()
      return this.#token('identifier')
    }
    switch (String.fromCodePoint(c)) {
      case ',':
        return this.#token(',')
      case '"':
      case "'":
      case '`':
        return this.#string(c)
      case '=':
        return this.#token(s.accept('~') ? '=~' : '=')
      case '!': {
        if (s.accept('~')) return this.#token('!~')
        if (s.accept('=')) return this.#token('!=')
        return this.#error(`unexpected character after '!' inside braces: ${quoteCharacter(s.peek())}`)
      }
      case '{':
        return this.#error(`unexpected left brace ${quoteCharacter(c)}`)
      case '}':
        this.#braceOpen = false
        return this.#token('}')
      default:
        return this.#error(`unexpected character inside braces: ${quoteCharacter(c)}`)
    }
  }
}
