// Numbers and durations as PromQL's lexer bounds them: a scanned number is not yet a valid one.
// Specification: Prometheus 3.14, promql/parser/lex.go (scanNumber, acceptRemainingDuration).
// Owns where such a token ends; numbers.ts reads its value.
import { endOfInput, isAlphaNumeric } from './chars.ts'
import type { Scanner } from './scanner.ts'

const digits = '0123456789'

/** Moves over a number; false, with the scanner where it was found out, when it is none. */
export function scanNumber(s: Scanner): boolean {
  const start = s.at
  let pattern = digits
  if (s.accept('0') && s.accept('xX')) {
    s.accept('_')
    pattern = '0123456789abcdefABCDEF'
  }
  const hex = pattern !== digits
  s.accept('.')
  s.accept(pattern)
  let dot = false
  let exponent = false
  while (s.is(pattern) || s.is('._eE')) {
    if (s.is('.')) {
      s.accept('.')
      if (dot || s.accept('_.') || hex) return false
      dot = true
    } else if (s.is('eE')) {
      s.accept('eE')
      if (exponent) return false
      exponent = true
      s.accept('+-')
      if (s.accept('._eE') || s.peek() === endOfInput) return false
    } else if (s.accept('_')) {
      if (s.accept('._eE') || s.peek() === endOfInput) return false
    } else {
      s.acceptRun(pattern)
    }
  }
  return s.at !== start && !isAlphaNumeric(s.peek())
}

/** Moves over what follows a duration's first number, and one character more. */
export function acceptDuration(s: Scanner): boolean {
  if (!s.accept('smhdwy')) return false
  s.accept('s')
  while (s.accept(digits)) {
    s.acceptRun(digits)
    if (!s.accept('smhdw')) return false
    s.accept('s')
  }
  return !isAlphaNumeric(s.next())
}
