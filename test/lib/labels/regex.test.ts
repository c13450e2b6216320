// Regular expressions of matchers: the fast paths against RE2 itself, hostile patterns, and the sets of literals.
import { expect, test } from 'vitest'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { compileMatcher, compileRe2, compileRegex, maxPatternLength, setMatches } from '../../../lib/labels/regex.ts'
import { globOf, globsOf, literalsOf } from '../../../lib/labels/regex-shapes.ts'

function match(pattern: string, value: string, want: boolean): void {
  expect(compileRegex(pattern)(value), `${pattern} on ${JSON.stringify(value)}`).toBe(want)
}

test('patterns are anchored at both ends and `.` matches newlines', () => {
  match('foo', 'foo', true)
  match('foo', 'foobar', false)
  match('foo', 'afoo', false)
  match('a|ab', 'ab', true)
  match('.+', 'a\nb', true)
  match('a.b', 'a\nb', true)
  match('a.*b', 'a\n\nb', true)
  match('', '', true)
  match('', 'a', false)
  match('.*', '', true)
  match('.+', '', false)
  match('a.+b.*c', 'abc', false)
  match('a.+b.*c', 'axbc', true)
  match('.+a.+', 'aaa', true)
  match('.+a.+', 'aa', false)
  match('a.*a', 'a', false)
  match('.', '😀', true)
  match('(?i)foo', 'FoO', true)
  match('^(?:a|b)$', 'b', true)
  match('^foo.*$', 'foobar', true)
  match('foo\\$', 'foo$', true)
  match('foo\\\\$', 'foo\\', true)
  match('1\\.2\\.3', '1.2.3', true)
  match('1\\.2\\.3', '1x2.3', false)
})

test('a quotation may go without an end', () => {
  match('a\\Q.b', 'a.b', true)
  match('a\\Q.b', 'axb', false)
  match('\\Qa)', 'a)', true)
  match('x|a\\Q', 'a', true)
})

test('groups may share a name', () => {
  match('(?P<n>a)|(?P<n>b)', 'b', true)
  match('(?P<n>a)(?<n>b)', 'ab', true)
  match('(?P<n>a)|(?P<n>b)', 'ab', false)
})

test('alternations of globs need no engine, however many they are', () => {
  const cases: [string, string, boolean][] = [
    ['web-.*|db-.+|x', 'web-', true],
    ['web-.*|db-.+|x', 'db-', false],
    ['web-.*|db-.+|x', 'x', true],
    ['(web-.*|db)', 'db', true],
    ['^(?:web-.*|db)$', 'db2', false],
    ['a.*|\\|.*', '|b', true],
    ['a.*|', '', true],
  ]
  for (const [pattern, value, want] of cases) match(pattern, value, want)
  const many = Array.from({ length: 10_000 }, (_, i) => `host-${i}\\..*`).join('|')
  match(many, 'host-9999.example', true)
  match(many, 'host-9999-example', false)
  for (const other of ['(?i:a.*|b)', 'a.*|b?', 'a.*|(b|c)', 'a.*|[b|c]', '(a.*)|(b)', 'a.*'])
    expect(globsOf(other), other).toBeUndefined()
})

test('a missing label is the empty string', () => {
  const matches = (type: '=' | '!=' | '=~' | '!~', value: string, of: string) =>
    compileMatcher({ type, name: 'a', value })(of)
  expect(matches('=', '', '')).toBe(true)
  expect(matches('!=', 'x', '')).toBe(true)
  expect(matches('=~', 'x|', '')).toBe(true)
  expect(matches('!~', '.+', '')).toBe(true)
  expect(matches('!~', '.*', '')).toBe(false)
})

test('finite patterns give their values, each once', () => {
  const cases: [string, readonly string[] | undefined][] = [
    ['a', ['a']],
    ['', ['']],
    ['a|b|a', ['a', 'b']],
    ['(a|b)', ['a', 'b']],
    ['^(?:a|b)$', ['a', 'b']],
    ['^a|b$', ['a', 'b']],
    ['web-(1|2)-[xy]', ['web-1-x', 'web-1-y', 'web-2-x', 'web-2-y']],
    ['[0-3a]', ['0', '1', '2', '3', 'a']],
    ['a|', ['a', '']],
    ['1\\.2|\\n', ['1.2', '\n']],
    ['a.', undefined],
    ['a*', undefined],
    ['(a|b)+', undefined],
    ['a|b?', undefined],
    ['(?i)a|b', undefined],
    ['[^a]', undefined],
    ['[0-9][0-9][0-9][0-9]', undefined],
    ['a(b', undefined],
    ['a)', undefined],
  ]
  for (const [pattern, want] of cases) expect(setMatches(pattern), pattern).toEqual(want)
})

test('an invalid pattern is bad_data in the words of RE2', () => {
  const cases: [string, string][] = [
    ['a(', 'error parsing regexp: missing closing ): `a(`'],
    ['a)', 'error parsing regexp: unexpected ): `a)`'],
    ['(?s)a(', 'error parsing regexp: missing closing ): `(?s)a(`'],
    ['a**', 'error parsing regexp: invalid nested repetition operator: `**`'],
    ['(?!a)', 'error parsing regexp: invalid or unsupported Perl syntax: `(?!`'],
    ['\\1', 'error parsing regexp: invalid escape sequence: `\\1`'],
    ['\\p{Emoji}', 'error parsing regexp: invalid character class range: `\\p{Emoji}`'],
    ['a|[^b\\P{^White_Space}]', 'error parsing regexp: invalid character class range: `\\P{^White_Space}`'],
    ['\\p{Garay}', 'error parsing regexp: invalid character class range: `\\p{Garay}`'],
    ['\\p{Assigned}', 'error parsing regexp: invalid character class range: `\\p{Assigned}`'],
    ['\\p{Letter}', 'error parsing regexp: invalid character class range: `\\p{Letter}`'],
    ['(?P<n>a)|(?P<n>b', 'error parsing regexp: missing closing ): `(?P<n>a)|(?P<n>b`'],
  ]
  for (const [pattern, want] of cases) {
    const error = thrownBy(() => compileRegex(pattern))
    expect(error.message).toBe(want)
    expect(error.code).toBe('bad_data')
  }
})

test('Unicode classes are those of Go', () => {
  match('\\p{Lu}\\p{Greek}[\\pN\\P{L}]', 'Éα٣', true)
  match('\\Q\\p{Emoji}', '\\p{Emoji}', true)
  match('\\\\p\\{Emoji\\}', '\\p{Emoji}', true)
  expect(compileRe2('\\p{Assigned}').matches('a')).toBe(true)
  expect(thrownBy(() => compileRe2('\\p{Emoji}')).code).toBe('bad_data')
})

test('hostile patterns end in time', () => {
  const long = `${'a'.repeat(50_000)}!`
  const started = performance.now()
  for (const pattern of [
    '(a+)+',
    '(a|aa)+',
    '(a*)*b',
    '(.*a){20}',
    '(a|a|a)*c',
    '.*.*.*.*.*.*x',
    '(x+x+)+y',
    '([a-z]+)*1',
  ])
    compileRegex(pattern)(long)
  match('(a+)+!', long, true)
  expect(performance.now() - started).toBeLessThan(5000)
  expect(thrownBy(() => compileRegex('a'.repeat(maxPatternLength + 1))).code).toBe('bad_data')
  expect(thrownBy(() => compileRegex('(a{100}){100}')).code).toBe('bad_data')
  expect(setMatches(`[0-9][0-9][0-9]${'a'.repeat(200_000)}`)).toBeUndefined()
})

test('fast paths agree with RE2 on random patterns', () => {
  const seed = Date.now() % 1_000_000
  const random = mulberry(seed)
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!
  const parts = [
    'a',
    'b',
    'ab',
    '.*',
    '.+',
    '|',
    '(',
    ')',
    '(?:',
    '[ab]',
    '\\.',
    '.',
    '^',
    '$',
    '\\$',
    '\\\\',
    '😀',
    '\n',
    'c',
    '-',
  ]
  const texts = ['a', 'b', 'c', '.', '$', '\\', '😀', '\n', '-', 'ab']
  let fast = 0
  for (let i = 0; i < 20_000; i++) {
    const pattern = Array.from({ length: Math.floor(random() * 7) }, () => pick(parts)).join('')
    if (!literalsOf(pattern) && !globOf(pattern) && !globsOf(pattern)) continue
    fast++
    const predicate = compileRegex(pattern)
    const re2 = compileRe2(pattern)
    for (let j = 0; j < 8; j++) {
      const text = Array.from({ length: Math.floor(random() * 5) }, () => pick(texts)).join('')
      if (predicate(text) !== re2.matches(text))
        expect.fail(
          `seed ${seed}: ${JSON.stringify(pattern)} on ${JSON.stringify(text)}: fast path says ${predicate(text)}`,
        )
    }
    for (const value of literalsOf(pattern) ?? []) expect(re2.matches(value), `seed ${seed}: ${pattern}`).toBe(true)
  }
  expect(fast).toBeGreaterThan(2000)
})

function thrownBy(run: () => unknown): MnemoError {
  try {
    run()
  } catch (error) {
    if (error instanceof MnemoError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

function mulberry(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
