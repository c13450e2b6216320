// The tree: precedence, numbers, strings, modifiers, matching; what is experimental; how deep a query may go.
import { expect, test } from 'vitest'
import type { Expr } from '../../../../lib/promql/parse/ast.ts'
import { formatExpr } from '../../../../lib/promql/parse/format.ts'
import { functions } from '../../../../lib/promql/parse/functions.ts'
import { parseExpr, parseSelector } from '../../../../lib/promql/parse/parser.ts'
import { everySyntax } from '../../../../lib/promql/parse/token-stream.ts'

/** The tree as a Lisp of operators. */
function shape(expr: Expr): string {
  if (expr.kind === 'binary') return `(${expr.op} ${shape(expr.lhs)} ${shape(expr.rhs)})`
  if (expr.kind === 'unary') return `(${expr.op} ${shape(expr.expr)})`
  return formatExpr(expr)
}

test('operators bind as in Prometheus', () => {
  const cases: [string, string][] = [
    ['a or b and c', '(or a (and b c))'],
    ['a and b unless c', '(unless (and a b) c)'],
    ['a + b * c ^ d', '(+ a (* b (^ c d)))'],
    ['a ^ b ^ c', '(^ a (^ b c))'],
    ['a - b - c', '(- (- a b) c)'],
    ['a * b atan2 c % d', '(% (atan2 (* a b) c) d)'],
    ['a == bool b + c', '(== a (+ b c))'],
    ['-a ^ b', '(- (^ a b))'],
    ['-a * b', '(* (- a) b)'],
    ['a ^ -b * c', '(* (^ a (- b)) c)'],
    ['-a offset 5m', '(- a offset 5m)'],
    ['a + b offset 5m', '(+ a b offset 5m)'],
    ['- -a', '(- (- a))'],
    ['a </ b', '(</ a b)'],
  ]
  for (const [query, want] of cases) expect(shape(parseExpr(query)), query).toBe(want)
})

test('numbers in every form', () => {
  const cases: [string, number][] = [
    ['1', 1],
    ['.5', 0.5],
    ['5.', 5],
    ['1e-9', 1e-9],
    ['0x1F', 31],
    ['0X_1f', 31],
    ['017', 15],
    ['08', 8],
    ['1_000.5', 1000.5],
    ['-3', -3],
    ['- -3', 3],
    ['Inf', Infinity],
    ['-inf', -Infinity],
    ['1h30m', 5400],
    ['1500ms', 1.5],
    ['9223372036854775807', 2 ** 63],
  ]
  for (const [query, want] of cases) expect(parseExpr(query), query).toMatchObject({ kind: 'number', value: want })
  expect(parseExpr('nan')).toMatchObject({ value: NaN })
})

test('strings with Go escapes, raw strings, bytes of UTF-8', () => {
  const cases: [string, string][] = [
    [String.raw`"a\n\"b\" \u65e5\U0001F600\x41\101"`, 'a\n"b" 日😀AA'],
    [String.raw`'it\'s'`, "it's"],
    ['`raw \\n`', 'raw \\n'],
    [String.raw`"\xe6\x97\xa5"`, '日'],
  ]
  for (const [query, want] of cases) expect(parseExpr(query), query).toMatchObject({ kind: 'string', value: want })
})

test('selectors keep their name among the matchers', () => {
  expect(parseExpr('up{job=~"a|b", "c.d"!="e"}')).toEqual({
    kind: 'vector_selector',
    name: 'up',
    matchers: [
      { type: '=~', name: 'job', value: 'a|b' },
      { type: '!=', name: 'c.d', value: 'e' },
      { type: '=', name: '__name__', value: 'up' },
    ],
    offsetMs: 0,
    pos: { start: 0, end: 26 },
  })
  expect(parseExpr('{"up", a="b"}')).toMatchObject({
    name: '',
    matchers: [{ name: '__name__', value: 'up' }, { name: 'a' }],
  })
  expect(parseSelector('up{a="b"}')).toHaveLength(2)
  expect(parseSelector('{a=~".*"}')).toHaveLength(1)
  expect(() => parseSelector('up[5m]')).toThrow('1:3: parse error: unexpected "["')
  expect(() => parseSelector('')).toThrow('unknown position: parse error: unexpected end of input')
})

test('offset and @ reach the selector, in milliseconds', () => {
  expect(parseExpr('up[5m] offset -1h @ 1.5')).toMatchObject({
    kind: 'matrix_selector',
    rangeMs: 300_000,
    selector: { offsetMs: -3_600_000, at: 1500 },
  })
  expect(parseExpr('up @ end() offset 0.5')).toMatchObject({ at: 'end', offsetMs: 500 })
  expect(parseExpr('up offset -5m')).toMatchObject({ offsetMs: -300_000 })
  expect(parseExpr('up offset -(5m)')).toMatchObject({ offset: { op: '-', rhs: { wrapped: true } } })
  expect(parseExpr('rate(up[1m])[1h:] offset 1d')).toMatchObject({
    kind: 'subquery',
    rangeMs: 3_600_000,
    stepMs: 0,
    offsetMs: 86_400_000,
  })
})

test('matching stands only between vectors, and set operators are many-to-many', () => {
  expect(parseExpr('a * on (x) group_left (y) b')).toMatchObject({
    matching: { card: 'many-to-one', on: true, labels: ['x'], include: ['y'] },
  })
  expect(parseExpr('a and ignoring (x) b')).toMatchObject({
    matching: { card: 'many-to-many', on: false, labels: ['x'] },
  })
  expect(parseExpr('a > bool 1')).toMatchObject({ bool: true })
  expect(parseExpr('a > bool 1')).not.toHaveProperty('matching')
})

test('aggregations take their modifier on either side', () => {
  for (const query of ['topk by (a, "b.c") (3, up)', 'topk(3, up) by (a, "b.c",)'])
    expect(parseExpr(query)).toMatchObject({ op: 'topk', grouping: ['a', 'b.c'], without: false, param: { value: 3 } })
  expect(parseExpr('sum without (by) (up)')).toMatchObject({ grouping: ['by'], without: true })
})

test('keywords are names of metrics where no keyword can stand', () => {
  for (const name of ['sum', 'by', 'offset', 'start', 'and', 'limitk', 'fill', 'without', 'step'])
    expect(parseExpr(`${name} + ${name}`), name).toMatchObject({ lhs: { name }, rhs: { name } })
})

test('positions are UTF-16 offsets in the tree, bytes in messages; comments do not count', () => {
  const query = '# ü\n"é" == foo('
  expect(() => parseExpr(query)).toThrow('2:13: parse error: unclosed left parenthesis')
  const expr = parseExpr('{a="é😀"} + # ü\n sum(up)')
  expect(expr.kind === 'binary' && expr.rhs.pos).toEqual({ start: 17, end: 24 })
})

test('what is experimental is known, and refused unless enabled', () => {
  const experimental = [...functions.values()].filter((f) => f.experimental).map((f) => f.name)
  expect(experimental).toHaveLength(17)
  expect(() => parseExpr('mad_over_time(up[5m])')).toThrow('1:1: parse error: function "mad_over_time" is not enabled')
  expect(() => parseExpr('limitk(2, up)')).toThrow(
    '1:1: parse error: limitk() is experimental and must be enabled with --enable-feature=promql-experimental-functions',
  )
  for (const query of ['mad_over_time(up[5m])', 'limitk(2, up)', 'info(up, {a=~".*"})', 'max_of(step(), 2)'])
    expect(formatExpr(parseExpr(query, { experimentalFunctions: true }))).toBe(query)
  expect(() => parseExpr('info(up, foo)', { experimentalFunctions: true })).toThrow('expected label selectors only')
})

test.each([
  ['up[5m * 2 - 30s]', 'experimental duration expression is not enabled'],
  ['up offset (step() + 1m)', 'experimental duration expression is not enabled'],
  ['rate(up[5m] anchored)', 'anchored modifier is experimental and not enabled'],
  ['up smoothed', 'smoothed modifier is experimental and not enabled'],
  ['a + fill(0) b', 'binop fill modifiers are experimental and not enabled'],
])('%s needs its feature flag', (query, message) => {
  expect(() => parseExpr(query)).toThrow(message)
  parseExpr(query, everySyntax)
})

test.each([
  ['up[5m * 2 - 30s]', 'up[5m * 2 - 30s]'],
  ['up[(5m + 1m) * 2:step()] offset -(2m)', 'up[(5m + 1m) * 2:step()] offset -(2m)'],
  ['rate(up[max_of(5m,range()/10)])', 'rate(up[max_of(5m, range() / 10)])'],
  ['up offset step() * 2', 'up offset step() * 2'],
  ['up offset - + 2 * 2', 'up offset -2 * 2'],
  ['up offset - - (1m) + 1m', 'up offset --(1m) + 1m'],
  ['up offset -2 * 2', 'up offset -2s * 2'],
  ['up[+(step() - 5) * 2]', 'up[(step() - 5) * 2]'],
  ['up[1m + +step()]', 'up[1m + step()]'],
  ['up offset +step()', 'up offset step()'],
  ['up offset nan', 'up offset -106751d23h47m16s854ms'],
  ['up @ 100928305074292', 'up @ 100928305074292.000'],
  ['rate(up[5m] offset 1m anchored)', 'rate(up[5m] anchored offset 1m)'],
  ['up smoothed @ 5', 'up @ 5.000 smoothed'],
  ['a + on(x) fill_right(1) fill_left(-2) b', 'a + on (x) fill_left (-2) fill_right (1) b'],
  ['a + fill(0) b', 'a + fill (0) b'],
])('%s is printed as Prometheus prints it', (query, text) => {
  expect(formatExpr(parseExpr(query, everySyntax))).toBe(text)
})

test.each([
  ['up[5m / 0]', '1:7: parse error: division by zero'],
  ['up[-5m]', '1:4: parse error: duration must be greater than 0'],
  ['rate(up[5m] anchored smoothed)', 'anchored and smoothed modifiers cannot be used together'],
  ['up[5m:1m] anchored', 'anchored modifier is not supported for subqueries'],
  ['(up) smoothed', 'smoothed modifier not implemented'],
  ['a and fill(0) b', 'filling in missing series not allowed for set operators'],
  ['a + fill(0) 1', 'filling in missing series only allowed between instant vectors'],
  ['a + fill_left(7) on(n) b', 'unexpected <on>'],
  ['sum by ("\\xff") (a', '1:9: parse error: invalid label name for grouping: "\\xff"'],
])('%s is refused', (query, message) => {
  expect(() => parseExpr(query, everySyntax)).toThrow(message)
})

test('depth is bounded, length is not', () => {
  const nested = (n: number) => `${'('.repeat(n)}1${')'.repeat(n)}`
  expect(parseExpr(nested(900)).kind).toBe('paren')
  expect(() => parseExpr(nested(100_000))).toThrow('nested too deeply')
  expect(() => parseExpr(`${'-'.repeat(100_000)}a`)).toThrow('nested too deeply')
  expect(() => parseExpr(`a${' + a'.repeat(2000)}`)).toThrow('nested too deeply')
  expect(() => parseExpr(`a[${'-'.repeat(100_000)}5m]`)).toThrow('nested too deeply')
  expect(parseExpr(`a{${'b="c",'.repeat(10_000)}}`)).toMatchObject({ matchers: { length: 10_001 } })
})
