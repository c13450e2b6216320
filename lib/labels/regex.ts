// Label matchers as predicates: RE2 regular expressions, fully anchored, `.` matching newlines, in linear time.
// Meaning: Prometheus model/labels (FastRegexMatcher). Most patterns in the field are literals, alternations or
// globs, and never reach the regular expression engine. Owns the compilation; the shapes are taken apart in regex-shapes.ts.
import { RE2JS } from 're2js'
import { MnemoError } from '../kit/errors.ts'
import type { LabelMatcher } from './matcher.ts'
import { type Glob, globOf, globsOf, literalsOf } from './regex-shapes.ts'
import { classNamed, withoutSharedNames } from './regex-syntax.ts'

export type StringPredicate = (value: string) => boolean

/** Longest pattern accepted, in UTF-16 code units: a dashboard's list of some thousand hosts fits. */
export const maxPatternLength = 256 * 1024

/** Longest pattern that may go to the engine; what a program of RE2 instructions costs grows with it. */
const maxEnginePatternLength = 32 * 1024

const propertyNames =
  'ASCII_Hex_Digit Alphabetic Dash Emoji Emoji_Component Emoji_Modifier Emoji_Modifier_Base Emoji_Presentation ' +
  'Extended_Pictographic Hex_Digit Lowercase Math Quotation_Mark Terminal_Punctuation Uppercase White_Space'
const newerScripts =
  'Beria_Erfe Garay Gurung_Khema Kirat_Rai Ol_Onal Sidetic Sunuwar Tai_Yo Todhri Tolong_Siki Tulu_Tigalari Unknown'

/** Unicode classes of the engine that Go's tables, of Unicode 15, do not have. */
const unknownClasses: ReadonlySet<string> = new Set(`${propertyNames} ${newerScripts}`.split(' '))

/** Those that Go has since 1.25 alone, and Prometheus's parser of matchers, a copy of an older one, has not. */
const unknownToMatchers: ReadonlySet<string> = new Set(['Assigned', 'Ascii', 'Lc'])

/**
 * The predicate of a regular expression over a whole value. Throws `bad_data` with RE2's own words
 * ("error parsing regexp: missing closing ): `a(`").
 */
export function compileRegex(pattern: string): StringPredicate {
  checkLength(pattern, maxPatternLength)
  const literals = literalsOf(pattern)
  if (literals) return compileLiterals(literals)
  const glob = globOf(pattern)
  if (glob) return compileGlob(glob)
  const globs = globsOf(pattern)
  if (globs) return compileGlobs(globs)
  checkLength(pattern, maxEnginePatternLength)
  const regex = compileRe2(pattern)
  refuseClasses(pattern, unknownToMatchers)
  return (value) => regex.testExact(value)
}

/** The predicate of a matcher over a label's value ('' for a missing label). Throws `bad_data` on an invalid pattern. */
export function compileMatcher(matcher: LabelMatcher): StringPredicate {
  const want = matcher.value
  switch (matcher.type) {
    case '=':
      return (value) => value === want
    case '!=':
      return (value) => value !== want
    case '=~':
      return compileRegex(want)
    case '!~': {
      const matches = compileRegex(want)
      return (value) => !matches(value)
    }
    default:
      return matcher.type satisfies never
  }
}

/**
 * The values that a pattern can match, each once, where they are few and known (`a|b`, `web-(1|2)`, `[ab]c`):
 * a store looks them up one by one. Undefined for every other pattern.
 */
export function setMatches(pattern: string): readonly string[] | undefined {
  return pattern.length > maxPatternLength ? undefined : literalsOf(pattern)
}

/** RE2's program of a pattern, `.` matching newlines, not anchored: for label_replace and the predicates here. */
export function compileRe2(pattern: string): RE2JS {
  const compiled = withoutSharedNames(pattern)
  let regex: RE2JS
  try {
    regex = RE2JS.compile(compiled, RE2JS.DOTALL)
  } catch (error) {
    const message = messageOf(error).replace(compiled, () => pattern)
    throw new MnemoError('bad_data', message, { cause: error })
  }
  refuseClasses(pattern, unknownClasses)
  return regex
}

function refuseClasses(pattern: string, names: ReadonlySet<string>): void {
  const unknown = classNamed(pattern, names)
  if (unknown !== undefined)
    throw new MnemoError('bad_data', `error parsing regexp: invalid character class range: \`${unknown}\``)
}

// The engine writes DOTALL as a prefix of the pattern and quotes it in its messages; Go's RE2 does not, and always quotes something.
function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.endsWith(': trailing backslash at end of expression') ? `${text}: \`\`` : text.replace('`(?s)', '`')
}

function checkLength(pattern: string, limit: number): void {
  if (pattern.length > limit)
    throw new MnemoError('bad_data', `cannot compile regexp: got ${pattern.length} characters, want at most ${limit}`)
}

function compileLiterals(literals: readonly string[]): StringPredicate {
  if (literals.length === 1) {
    const [only] = literals
    return (value) => value === only
  }
  const set = new Set(literals)
  return (value) => set.has(value)
}

function compileGlobs(globs: readonly Glob[]): StringPredicate {
  const literals = new Set(globs.filter(({ gaps }) => gaps.length === 0).map((glob) => glob.literals[0]!))
  const wild = globs.filter(({ gaps }) => gaps.length > 0).map(compileGlob)
  return (value) => literals.has(value) || wild.some((matches) => matches(value))
}

function compileGlob({ literals, gaps }: Glob): StringPredicate {
  const head = literals[0]!
  const tail = literals.at(-1)!
  const minLength = gaps.reduce((sum, gap, i) => sum + gap + literals[i + 1]!.length, head.length)
  const middle = literals.slice(1, -1)
  if (minLength === 0) return () => true
  const outer: StringPredicate = (value) => value.length >= minLength && value.startsWith(head) && value.endsWith(tail)
  if (middle.length === 0) return outer
  // The leftmost place for each middle literal leaves the most room for those after it.
  return (value) => {
    if (!outer(value)) return false
    let at = head.length
    for (let i = 0; i < middle.length; i++) {
      const found = value.indexOf(middle[i]!, at + gaps[i]!)
      if (found < 0) return false
      at = found + middle[i]!.length
    }
    return at + gaps.at(-1)! <= value.length - tail.length
  }
}
