// A position in a text that moves by characters, one step back at most.
// After the reader of Prometheus's lexer (promql/parser/lex.go: next, backup, accept).
// Owns the position.
import { endOfInput, isSpace } from './chars.ts'

export class Scanner {
  /** UTF-16 offset of the next character. */
  at = 0
  readonly #text: string
  #width = 0

  constructor(text: string) {
    this.#text = text
  }

  /** The next code point, endOfInput after the last. */
  next(): number {
    const c = this.#text.codePointAt(this.at) ?? endOfInput
    this.#width = c === endOfInput ? 0 : c > 0xffff ? 2 : 1
    this.at += this.#width
    return c
  }

  /** Steps back over what next() gave last. */
  backup(): void {
    this.at -= this.#width
  }

  peek(): number {
    return this.#text.codePointAt(this.at) ?? endOfInput
  }

  is(valid: string): boolean {
    const c = this.peek()
    return c !== endOfInput && valid.includes(String.fromCodePoint(c))
  }

  accept(valid: string): boolean {
    const found = this.is(valid)
    if (found) this.next()
    return found
  }

  acceptRun(valid: string): void {
    while (this.accept(valid));
  }

  /** Whether `(` is what follows, after any spaces. */
  parenFollows(): boolean {
    let i = this.at
    while (isSpace(this.#text.charCodeAt(i))) i++
    return this.#text[i] === '('
  }
}
