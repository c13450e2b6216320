// Which postings a request's matchers look up, and the set operations over them against plain sets.
// Subject: lib/store/postings.ts. Owns nothing.
import { describe, expect, test } from 'vitest'
import type { LabelMatcher, MatchType } from '../../../lib/labels/matcher.ts'
import { compileMatcher } from '../../../lib/labels/regex.ts'
import { intersect, postingGroups, subtract, union } from '../../../lib/store/postings.ts'
import { Random, seed } from '../../support/random.ts'

function matcher(text: string): LabelMatcher {
  const [, name, type, value] = /^(\w+)(=~|!~|!=|=)(.*)$/s.exec(text)!
  return { type: type as MatchType, name: name!, value: value! }
}

/** Groups in words: '+a: x y' looks values up, '-a: x' subtracts them, '+a?' and '-a?' try the label's values. */
function groupsOf(...matchers: string[]): string[] {
  return postingGroups(matchers.map(matcher)).map(
    ({ name, subtract, values }) => `${subtract ? '-' : '+'}${name}${values ? `: ${values.join(' ')}` : '?'}`,
  )
}

describe('lookups', () => {
  test.each<[string[], string[]]>([
    [['a=x'], ['+a: x']],
    [['a=~x|y|x'], ['+a: x y']],
    [['a=~web-[12]'], ['+a: web-1 web-2']],
    [['a!=x'], ['-a: x']],
    [['a!~x|y'], ['-a: x y']],
    [['a='], ['-a?']],
    [['a=~'], ['-a?']],
    [['a!='], ['+a?']],
    [['a=~.*'], []],
    [['a!~.*'], ['+a?']],
    [['a=~.+'], ['+a?']],
    [['a!~.+'], ['-a?']],
    [['a=~x|'], ['-a?']],
    [['a!~x|'], ['+a?']],
    [['a=~foo.*'], ['+a?']],
    [['a!~foo.*'], ['-a?']],
    [
      ['a=x', 'b!=y'],
      ['+a: x', '-b: y'],
    ],
    [['a=~x|y|z', 'a!=y'], ['+a: x z']],
    [['a!=x', 'a!~y|z'], ['-a: x y z']],
    [['a!=', 'a=~x|y'], ['+a: x y']],
    [['a=x', 'a=y'], ['+a: ']],
    [['a=~\u{10000}|\uffff'], ['+a: \uffff \u{10000}']],
    [[], []],
  ])('%j', (matchers, want) => {
    expect(groupsOf(...matchers)).toEqual(want)
  })
})

test('wanted values, with the missing label, say the same as the matchers themselves', () => {
  const values = ['', 'x', 'y', 'z', 'foo', 'foobar']
  const matchers = [
    'a=x',
    'a!=x',
    'a=',
    'a!=',
    'a=~foo.*',
    'a!~foo.*',
    'a=~x|',
    'a!~x|',
    'a=~.*',
    'a!~.*',
    'a=~.+',
    'a!~.+',
  ]
  for (const first of matchers) {
    for (const second of matchers) {
      const both = [matcher(first), matcher(second)]
      const want = values.filter((value) => both.every((m) => compileMatcher(m)(value)))
      const groups = postingGroups(both)
      const got = values.filter((value) =>
        groups.every(({ subtract, values, wants }) => {
          const isListed = value !== '' && (values ? values.includes(value) : wants(value))
          return isListed !== subtract
        }),
      )
      expect(got, `${first}, ${second}`).toEqual(want)
    }
  }
})

test('an invalid regular expression is bad data', () => {
  expect(() => groupsOf('a=~(')).toThrow('error parsing regexp')
})

test(`set operations agree with plain sets, seed ${seed}`, () => {
  const random = new Random(seed)
  const list = () => {
    const range = 1 + (random.u32() % 300)
    return Uint32Array.from(new Set(Array.from({ length: random.u32() % 200 }, () => random.u32() % range))).sort()
  }
  for (let round = 0; round < 300; round++) {
    const [a, b, c] = [list(), list(), list()]
    const inB = new Set(b)
    expect(intersect(a, b)).toEqual(a.filter((ref) => inB.has(ref)))
    expect(subtract(a, b)).toEqual(a.filter((ref) => !inB.has(ref)))
    expect(union([a, b, c])).toEqual(Uint32Array.from(new Set([...a, ...b, ...c])).sort())
  }
  expect(union([])).toEqual(new Uint32Array(0))
})
