// What a pattern's text says of its groups.
import { expect, test } from 'vitest'
import { groupNames, withoutSharedNames } from '../../../lib/labels/regex-syntax.ts'

test.each<[string, Record<string, number[]>]>([
  ['a', {}],
  ['(a)(?:b)(?i)(?i:c)', {}],
  ['(?P<n>a)|(?<m>b)', { n: [1], m: [2] }],
  ['(x)(?P<n>a)(?:(?P<n>b)|(y))(?P<n>c)', { n: [2, 3, 5] }],
  ['\\((?P<n>a)\\\\(?P<n>b)', { n: [1, 2] }],
  ['\\Q(?P<x>a)\\E(?P<n>a)', { n: [1] }],
  ['(?P<n>a)\\Q(?P<x>a)', { n: [1] }],
  ['[(?P<x>](?P<n>a)', { n: [1] }],
  ['[](?P<x>](?P<n>a)', { n: [1] }],
  ['[^](?P<x>[:alpha:](\\]((?P<n>a)', {}],
  ['[^](?P<x>[:alpha:](\\](](?P<n>a)', { n: [1] }],
])('names of the groups in %s', (pattern, want) => {
  expect(Object.fromEntries(groupNames(pattern))).toEqual(want)
})

test.each([
  ['(?P<n>a)|(?P<m>b)', '(?P<n>a)|(?P<m>b)'],
  ['(?P<n>a)|(?P<n>b)|(?<n>c)d', '(?P<n>a)|(b)|(c)d'],
  ['(?P<n>a)[(?P<n>]', '(?P<n>a)[(?P<n>]'],
])('each name once in %s', (pattern, want) => expect(withoutSharedNames(pattern)).toBe(want))

test('a pattern of brackets alone is read once', () => {
  const started = performance.now()
  for (const part of ['[', '(?P<', '\\Q', '[[:', '\\p{', '(?P<a'])
    expect(groupNames(part.repeat(30_000)).size, part).toBe(0)
  expect(performance.now() - started).toBeLessThan(2000)
})
